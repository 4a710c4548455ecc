//! The server with a runtime behind it, over sockets: owners that die, clients that are not ours, tenants' walls.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails loudly, its helper functions too"
)]

mod api;
mod goodbye;
mod hooks;
mod limits;
mod metrics;
mod nodes;
mod owners;
mod page;
mod raw;
mod resume;
mod stream;
mod support;
mod tenants;
mod tls;
