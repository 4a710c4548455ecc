//! The queue for the owner: answers to its lines, which are never lost, and outcome lines, which may be dropped.
//!
//! An owner that keeps up gets each answer as its own line. For an owner that is far behind, answers of the same kind
//! are written as [ranges](Range) of its line numbers. So memory is bounded, and the owner can still account for each
//! line. The limits are in [`limits`](crate::limits).

mod range;

use std::collections::VecDeque;
use std::mem;
use std::time::{Duration, Instant};

use range::Range;

use super::answer::{Answer, AnswerKind};
use super::line_queue::LineQueue;
use super::writer::{Enqueued, Queue, Writer};
use crate::limits::{
    MAX_ANSWER_RANGES, MAX_BYTES_BEFORE_DRAIN_LINE, MAX_KEPT_ANSWER_BYTES, MAX_QUEUED_OUTPUT_BYTES,
    MAX_RANGES_BEFORE_DRAIN_LINE, MAX_SINGLE_ANSWERS,
};

/// Carries answers and outcome lines to the owner.
pub(crate) type OwnerWriter = Writer<StdoutQueue>;

impl OwnerWriter {
    /// Queues an answer. Answers are never dropped while there is a reader.
    pub(crate) fn answer(&self, answer: Answer) {
        self.enqueue(|queue| queue.answer(answer));
    }

    /// Queues an outcome line, which ends with its newline. Drops and counts it if it does not fit.
    pub(crate) fn outcome(&self, line: &[u8]) {
        self.enqueue(|queue| {
            if queue.is_closed {
                // The last line has counted it.
                return Enqueued::Whole;
            }
            queue.lines.push(MAX_QUEUED_OUTPUT_BYTES, line)
        });
    }

    /// Queues `ready`, which is written before all other lines: an owner reads nothing before it.
    pub(crate) fn first(&self, line: Vec<u8>) {
        self.enqueue(|queue| {
            queue.first = First::Waits(line);
            Enqueued::Whole
        });
    }

    /// Waits until few bytes precede the last line, or until the reader is too slow, as [`flush`](Writer::flush) does.
    /// Then drops and counts surplus outcome lines, and tells surplus answers as ranges: the last line is more important.
    pub(crate) fn make_room_for_last(&self, until: Instant, patience: Duration) {
        const MOST: usize = MAX_BYTES_BEFORE_DRAIN_LINE;
        self.wait(until, patience, |queue, _| queue.lines.len() + queue.kept_bytes <= MOST);
        self.drop_lines(|queue| {
            queue.fold_answers(MOST);
            queue.cut(MOST)
        });
    }

    /// Queues the last line, even if the queue is full. No outcome line follows it.
    pub(crate) fn last(&self, line: &[u8]) {
        self.enqueue(|queue| {
            queue.is_closed = true;
            queue.lines.push(usize::MAX, line)
        });
    }
}

/// The queue of an [`OwnerWriter`].
#[derive(Default)]
pub(crate) struct StdoutQueue {
    first: First,
    /// The lines that are no answers.
    lines: LineQueue,
    /// Whether the last line is among them.
    is_closed: bool,
    /// Bytes of `lines` taken so far.
    taken: u64,
    /// Each answer, with the number of bytes of `lines` that precede it.
    answers: VecDeque<(u64, Waiting)>,
    /// Waiting answers, including those in ranges.
    waiting: u64,
    /// Answers that were taken and not yet written.
    unwritten: u64,
    /// Bytes of answers with a remark or an error.
    kept_bytes: usize,
    ranges: usize,
}

/// The first line. Recovered deliveries are made while they are still being recorded, so outcomes may come before the
/// first line is known. They wait for it.
#[derive(Default)]
enum First {
    #[default]
    Awaited,
    Waits(Vec<u8>),
    Taken,
}

/// One or several answers that wait.
enum Waiting {
    Whole(Answer),
    Range(Range),
}

/// An answer's share of what is kept for an owner that is behind: that of a plain one is nothing.
fn kept_bytes(answer: &Answer) -> usize {
    match answer.kind {
        AnswerKind::Accepted => 0,
        AnswerKind::AcceptedWithRemark | AnswerKind::Refused => answer.text.len(),
    }
}

impl StdoutQueue {
    fn answer(&mut self, answer: Answer) -> Enqueued {
        let size = kept_bytes(&answer);
        self.waiting += 1;
        let whole = match answer.kind {
            AnswerKind::Accepted => self.waiting + self.unwritten <= MAX_SINGLE_ANSWERS,
            // A single answer may have any length.
            AnswerKind::AcceptedWithRemark | AnswerKind::Refused => {
                self.kept_bytes == 0 || self.kept_bytes + size <= MAX_KEPT_ANSWER_BYTES
            }
        };
        let place = self.taken + u64::try_from(self.lines.len()).unwrap_or(u64::MAX);
        if whole {
            self.kept_bytes += size;
            self.answers.push_back((place, Waiting::Whole(answer)));
            return Enqueued::Whole;
        }
        // If no more ranges are allowed, the last one takes in this answer.
        self.push_in_range(place, &answer, self.ranges > MAX_ANSWER_RANGES);
        Enqueued::InRange
    }

    /// Adds an answer to the last range if possible, else as a range of its own. With `anything` a range takes in every answer.
    fn push_in_range(&mut self, place: u64, answer: &Answer, anything: bool) {
        if let Some((_, Waiting::Range(last))) = self.answers.back_mut()
            && last.take_in(answer.line, answer.kind, anything)
        {
            return;
        }
        self.ranges += 1;
        self.answers.push_back((place, Waiting::Range(Range::new(answer.line, answer.kind))));
    }

    /// Turns answers with a remark or an error into ranges: those that do not fit into `limit` bytes, from the first on. There are few
    /// ranges then. The last of them counts whatever comes behind it.
    fn fold_answers(&mut self, limit: usize) {
        if self.kept_bytes <= limit && self.ranges <= MAX_RANGES_BEFORE_DRAIN_LINE {
            return;
        }
        (self.kept_bytes, self.ranges) = (0, 0);
        for (place, waiting) in mem::take(&mut self.answers) {
            let is_full = self.ranges >= MAX_RANGES_BEFORE_DRAIN_LINE;
            match waiting {
                Waiting::Whole(answer) if is_full || self.kept_bytes + kept_bytes(&answer) > limit => {
                    self.push_in_range(place, &answer, is_full);
                }
                Waiting::Whole(answer) => {
                    self.kept_bytes += kept_bytes(&answer);
                    self.answers.push_back((place, Waiting::Whole(answer)));
                }
                Waiting::Range(range) => match self.answers.back_mut() {
                    Some((_, Waiting::Range(last))) if is_full => last.absorb(&range),
                    _ => {
                        self.ranges += 1;
                        self.answers.push_back((place, Waiting::Range(range)));
                    }
                },
            }
        }
    }

    /// Drops the last lines that are no answers until at most `limit` bytes of them wait. Returns the number of dropped
    /// lines.
    fn cut(&mut self, limit: usize) -> u64 {
        let dropped = self.lines.cut(limit);
        let end = self.taken + u64::try_from(self.lines.len()).unwrap_or(u64::MAX);
        // Answers after dropped lines follow the lines that stay.
        for (place, _) in self.answers.iter_mut().rev().take_while(|(place, _)| *place > end) {
            *place = end;
        }
        dropped
    }

    fn take_answer(&mut self, batch: &mut Vec<u8>) {
        let Some((_, waiting)) = self.answers.pop_front() else { return };
        let answers = match waiting {
            Waiting::Whole(answer) => {
                batch.extend_from_slice(&answer.text);
                self.kept_bytes -= kept_bytes(&answer);
                1
            }
            Waiting::Range(range) => {
                range.write(batch);
                self.ranges -= 1;
                range.answers()
            }
        };
        self.waiting -= answers;
        self.unwritten += answers;
    }
}

impl Queue for StdoutQueue {
    fn is_empty(&self) -> bool {
        match self.first {
            First::Awaited => true,
            First::Waits(_) => false,
            First::Taken => self.lines.is_empty() && self.answers.is_empty(),
        }
    }

    fn take(&mut self, batch: &mut Vec<u8>, bytes: usize) {
        if let First::Waits(line) = &self.first {
            batch.extend_from_slice(line);
            self.first = First::Taken;
        }
        while batch.len() < bytes && !self.is_empty() {
            // The lines before the next answer.
            let before = match self.answers.front() {
                Some((place, _)) => usize::try_from(place.saturating_sub(self.taken)).unwrap_or(usize::MAX),
                None => usize::MAX,
            };
            if before == 0 {
                self.take_answer(batch);
                continue;
            }
            let had = batch.len();
            self.lines.take_lines(batch, before.min(bytes - had));
            self.taken += u64::try_from(batch.len() - had).unwrap_or(u64::MAX);
        }
    }

    fn written(&mut self) {
        self.unwritten = 0;
    }

    fn lines(&self) -> u64 {
        let first = u64::from(matches!(self.first, First::Waits(_)));
        first + self.lines.lines() + u64::try_from(self.answers.len()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests;
