//! Writes our lines: those for the owner from a [`stdout_queue`], those of the log from a [`line_queue`].

pub(crate) mod answer;
pub(crate) mod line_queue;
pub(crate) mod stdout_queue;
pub(crate) mod writer;
