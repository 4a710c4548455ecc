//! What carries the protocol's lines away: what waits for the owner from an [`owner_queue`], the log from a [`line_queue`].

pub(crate) mod answer;
pub(crate) mod line_queue;
pub(crate) mod owner_queue;
pub(crate) mod writer;
