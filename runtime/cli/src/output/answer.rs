//! An answer to one line of the owner's.
//!
//! Apart from [`stdout_queue`](super::stdout_queue), which needs the ranges that answers are gathered in: those name their kind.

/// The answer to one line of the owner's.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The owner's line, from 1.
    pub(crate) line: u64,
    pub(crate) kind: AnswerKind,
    /// Our line, with its newline.
    pub(crate) text: Vec<u8>,
}

/// What an answer says, in short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AnswerKind {
    /// It is accepted, and that is all.
    Accepted,
    /// It is accepted, and something is to be said of that: what was left out, or why it does nothing.
    AcceptedWithRemark,
    /// It is refused.
    Refused,
}
