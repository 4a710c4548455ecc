//! What carries the protocol's lines away: what waits for the owner from an [`stdout_queue`], the log from a [`line_queue`].

pub(crate) mod answer;
pub(crate) mod line_queue;
pub(crate) mod stdout_queue;
pub(crate) mod writer;
