//! The runtime as people embed it, with real components in it.

mod accounting;
mod drain;
mod order;
mod recovery;
mod retries;
mod sessions;
mod timed;
