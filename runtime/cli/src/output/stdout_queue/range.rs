//! Answers that are written together.

use crate::output::answer::AnswerKind;
use lastword_protocol::output::{AcceptedLines, Output, RefusedLines};

/// Answers to several lines, in their order, of which only the common part is written.
#[derive(Debug)]
pub(super) struct Range {
    first: u64,
    last: u64,
    accepted: u64,
    remarked: u64,
    refused: u64,
}

impl Range {
    /// Of one answer.
    pub(super) fn new(line: u64, kind: AnswerKind) -> Self {
        let mut range = Self { first: line, last: line, accepted: 0, remarked: 0, refused: 0 };
        *range.count_of(kind) += 1;
        range
    }

    /// Takes in the answer to a later line, if the range can still be written: with `anything` always, at the price that
    /// it only counts; else the answer must be to the next line and say the same.
    pub(super) fn take_in(&mut self, line: u64, kind: AnswerKind, anything: bool) -> bool {
        let answers = self.answers();
        let fits = self.is_whole() && line == self.last + 1 && *self.count_of(kind) == answers;
        if fits || anything {
            self.last = line;
            *self.count_of(kind) += 1;
        }
        fits || anything
    }

    /// How many answers it stands for.
    pub(super) fn answers(&self) -> u64 {
        self.accepted + self.remarked + self.refused
    }

    /// Whether each line in it has an answer: there may be blank lines, and events that are not ours.
    fn is_whole(&self) -> bool {
        self.answers() == self.last - self.first + 1
    }

    fn count_of(&mut self, kind: AnswerKind) -> &mut u64 {
        match kind {
            AnswerKind::Accepted => &mut self.accepted,
            AnswerKind::AcceptedWithRemark => &mut self.remarked,
            AnswerKind::Refused => &mut self.refused,
        }
    }

    /// Writes its line. Where anything was refused it is an error: nothing is said to be accepted that is not.
    pub(super) fn write(&self, batch: &mut Vec<u8>) {
        let (lines, accepted) = ([self.first, self.last], self.accepted + self.remarked);
        let line = if self.refused > 0 {
            let message = if accepted == 0 {
                "these lines were refused; what was said of each is not kept for a reader that is so far behind"
            } else {
                "some of these lines were refused and some accepted; which is not kept for a reader that is so far \
                 behind: send them again, with their op_id"
            };
            Output::RefusedLines(RefusedLines { lines, count: self.refused, accepted, code: "not_kept", message })
        } else {
            let count = (!self.is_whole()).then_some(accepted);
            let code = (self.remarked > 0).then_some("not_kept");
            Output::AcceptedLines(AcceptedLines { lines, count, code })
        };
        batch.extend_from_slice(&line.line());
    }
}
