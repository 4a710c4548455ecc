//! The journal on JetStream with three real servers, which are killed, suspended and configured wrongly.
//!
//! `cargo xtask test --cluster` installs the server, and runs these.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test fails loudly, its helper functions too"
)]

mod messages;
mod nodes;
mod parent;
mod side_by_side;
mod support;
mod writer;

/// They need three NATS servers.
mod with_cluster {
    mod acknowledgements;
    mod contract;
    mod faults;
    mod fencing;
    mod full;
    mod refused;
    mod registry;
    mod replay;
    mod servers;
    mod take_over;
}
