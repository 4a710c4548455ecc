//! An answer to one of the owner's lines.
//!
//! Separate from [`stdout_queue`](super::stdout_queue), because its ranges need these kinds as well.

/// The answer to one of the owner's lines.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The number of the owner's line, from 1.
    pub(crate) line: u64,
    pub(crate) kind: AnswerKind,
    /// Our line, with its newline.
    pub(crate) text: Vec<u8>,
}

/// The kind of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AnswerKind {
    /// Accepted, without a remark.
    Accepted,
    /// Accepted with a remark: dropped fields, or why the event has no effect.
    AcceptedWithRemark,
    /// Refused.
    Refused,
}
