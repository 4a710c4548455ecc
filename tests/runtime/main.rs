//! The runtime as people embed it, with real components in it.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails loudly, its helper functions too"
)]

mod accounting;
mod clock;
mod connections;
mod drain;
mod durable;
mod end_reasons;
mod grace;
mod key_values;
mod memory;
mod model;
mod native;
mod observers;
mod operators;
mod order;
mod plugin_changes;
mod quotas;
mod recovery;
mod replacing;
mod retries;
mod session_identity;
mod sessions;
mod shutdown;
mod timed;
