//! A range: answers that are written as one line.

use crate::output::answer::AnswerKind;
use lastword_protocol::output::{AcceptedLines, Output, RefusedLines};

/// Answers to several lines, in order. Only their common part is written.
#[derive(Debug)]
pub(super) struct Range {
    first: u64,
    last: u64,
    accepted: u64,
    remarked: u64,
    refused: u64,
}

impl Range {
    /// Makes a range of one answer.
    pub(super) fn new(line: u64, kind: AnswerKind) -> Self {
        let mut range = Self { first: line, last: line, accepted: 0, remarked: 0, refused: 0 };
        *range.count_of(kind) += 1;
        range
    }

    /// Adds the answer to a later line, if the range can still be written. With `anything` it always can, but then it
    /// only counts. Otherwise the answer must be to the next line and of the same kind.
    pub(super) fn take_in(&mut self, line: u64, kind: AnswerKind, anything: bool) -> bool {
        let answers = self.answers();
        let fits = self.is_whole() && line == self.last + 1 && *self.count_of(kind) == answers;
        if fits || anything {
            self.last = line;
            *self.count_of(kind) += 1;
        }
        fits || anything
    }

    /// Adds the answers of a later range. From then on this one only counts, unless the other begins where it ends.
    pub(super) fn absorb(&mut self, later: &Self) {
        self.last = later.last;
        self.accepted += later.accepted;
        self.remarked += later.remarked;
        self.refused += later.refused;
    }

    /// Returns the number of answers.
    pub(super) fn answers(&self) -> u64 {
        self.accepted + self.remarked + self.refused
    }

    /// Whether each line in the range has an answer: there may be blank lines and ignored events.
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

    /// Writes the range's line. If any answer was refused, the line is an error, so that no refused line seems
    /// accepted.
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
