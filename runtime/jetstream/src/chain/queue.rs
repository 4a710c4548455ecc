//! Records that wait for their message.

use std::collections::VecDeque;

use bytes::Bytes;

use super::room;
use crate::group::{OVERHEAD, RECORD_OVERHEAD};

/// A record, or a part of one that is too large for a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    /// The number of the record.
    pub(super) number: u64,
    pub(super) bytes: Bytes,
    /// Whether another part is before it.
    pub(super) is_rest: bool,
    /// Whether another part follows.
    pub(super) goes_on: bool,
}

/// The records that are not durable.
#[derive(Debug, Default)]
pub(super) struct Queue {
    pieces: VecDeque<Piece>,
    /// The number of the last record.
    last: u64,
    /// The number of the last record that is durable.
    stored: u64,
    /// Bytes of what is not durable.
    bytes: u64,
}

impl Queue {
    /// Gives the record's number.
    pub(super) fn push(&mut self, bytes: Bytes) -> u64 {
        self.last += 1;
        self.bytes = self.bytes.saturating_add(length(&bytes));
        self.pieces.push_back(Piece { number: self.last, bytes, is_rest: false, goes_on: false });
        self.last
    }

    pub(super) fn last_number(&self) -> u64 {
        self.last
    }

    /// Whether no record waits for a message.
    pub(super) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Whether a record up to this number waits for a message.
    pub(super) fn has_up_to(&self, number: u64) -> bool {
        self.pieces.front().is_some_and(|piece| piece.number <= number)
    }

    pub(super) fn waiting(&self) -> u64 {
        self.last - self.stored
    }

    pub(super) fn waiting_bytes(&self) -> u64 {
        self.bytes
    }

    /// Takes records up to the number `until` for a message of `target` bytes. A record that is larger is alone in its message, of at most
    /// `max` bytes, and goes on in the next ones if it is larger still.
    pub(super) fn take(&mut self, until: u64, target: usize, max: usize) -> Vec<Piece> {
        let mut taken: Vec<Piece> = Vec::new();
        let mut left = target.min(max).saturating_sub(OVERHEAD);
        while let Some(piece) = self.pieces.front_mut().filter(|piece| piece.number <= until) {
            let needs = piece.bytes.len() + RECORD_OVERHEAD;
            if needs <= left && (taken.is_empty() || !piece.is_rest) {
                left -= needs;
            } else if !taken.is_empty() {
                break;
            } else if piece.bytes.len() > room(max) {
                let bytes = piece.bytes.split_to(room(max));
                taken.push(Piece { bytes, goes_on: true, ..piece.clone() });
                piece.is_rest = true;
                break;
            } else {
                left = 0;
            }
            let Some(piece) = self.pieces.pop_front() else { break };
            let goes_on = piece.goes_on;
            taken.push(piece);
            if goes_on {
                break;
            }
        }
        taken
    }

    /// These pieces will be in other messages.
    pub(super) fn put_back(&mut self, pieces: Vec<Piece>) {
        pieces.into_iter().rev().for_each(|piece| self.pieces.push_front(piece));
    }

    /// These pieces are in the stream. Gives the number up to which records are durable, if there are more than before.
    pub(super) fn stored(&mut self, pieces: &[Piece]) -> Option<u64> {
        let bytes = pieces.iter().map(|piece| length(&piece.bytes)).sum();
        self.bytes = self.bytes.saturating_sub(bytes);
        let up_to = pieces.iter().rev().find(|piece| !piece.goes_on)?.number;
        self.stored = up_to;
        Some(up_to)
    }
}

fn length(bytes: &Bytes) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(pieces: &[Piece]) -> Vec<(u64, usize)> {
        pieces.iter().map(|piece| (piece.number, piece.bytes.len())).collect()
    }

    /// Bytes of a message with these records.
    fn body(records: &[usize]) -> usize {
        OVERHEAD + records.iter().map(|size| size + RECORD_OVERHEAD).sum::<usize>()
    }

    #[test]
    fn a_message_has_what_fits_and_a_large_record_its_own() {
        let mut queue = Queue::default();
        for size in [10, 20, 30, 200, 5] {
            queue.push(vec![0; size].into());
        }
        let (target, max) = (body(&[10, 20]), body(&[200]));
        assert_eq!(sizes(&queue.take(u64::MAX, target, max)), [(1, 10), (2, 20)]);
        assert_eq!(sizes(&queue.take(u64::MAX, target, max)), [(3, 30)]);
        assert_eq!(sizes(&queue.take(3, target, max)), []);
        assert_eq!(sizes(&queue.take(u64::MAX, target, max)), [(4, 200)]);
        assert_eq!(sizes(&queue.take(u64::MAX, target, max)), [(5, 5)]);
        assert!(queue.is_empty());
    }

    #[test]
    fn a_record_that_fits_no_message_is_durable_with_its_last_part() {
        let mut queue = Queue::default();
        queue.push(vec![1; 250].into());
        queue.push(vec![2; 10].into());
        let max = body(&[100]);
        let parts: Vec<_> =
            std::iter::from_fn(|| Some(queue.take(u64::MAX, max, max)).filter(|taken| !taken.is_empty())).collect();
        let flags = |pieces: &[Piece]| pieces.iter().map(|piece| (piece.is_rest, piece.goes_on)).collect::<Vec<_>>();
        assert_eq!(
            parts.iter().map(|part| sizes(part)).collect::<Vec<_>>(),
            [vec![(1, 100)], vec![(1, 100)], vec![(1, 50), (2, 10)]]
        );
        assert_eq!(
            parts.iter().map(|part| flags(part)).collect::<Vec<_>>(),
            [vec![(false, true)], vec![(true, true)], vec![(true, false), (false, false)]]
        );
        assert_eq!(parts.iter().map(|part| queue.stored(part)).collect::<Vec<_>>(), [None, None, Some(2)]);
        assert_eq!((queue.waiting(), queue.waiting_bytes()), (0, 0));
    }

    #[test]
    fn what_is_put_back_is_taken_again_in_smaller_parts() {
        let mut queue = Queue::default();
        queue.push(vec![1; 250].into());
        queue.push(vec![2; 10].into());
        let first = queue.take(u64::MAX, body(&[200]), body(&[200]));
        assert_eq!(sizes(&first), [(1, 200)]);
        queue.put_back(first);
        let max = body(&[120]);
        let parts: Vec<_> =
            std::iter::from_fn(|| Some(queue.take(u64::MAX, max, max)).filter(|taken| !taken.is_empty())).collect();
        assert_eq!(
            parts.iter().map(|part| sizes(part)).collect::<Vec<_>>(),
            [vec![(1, 120)], vec![(1, 80)], vec![(1, 50), (2, 10)]]
        );
        assert!(parts[1][0].is_rest && parts[1][0].goes_on);
    }
}
