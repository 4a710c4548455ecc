//! The journal on JetStream with three real servers, which are killed, suspended and configured wrongly, and whose disks are full.
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

mod access;
mod certificates;
mod messages;
mod nodes;
mod page;
mod parent;
mod side_by_side;
mod support;
mod tokens;
mod writer;

/// They need three NATS servers.
mod with_cluster {
    mod acknowledgements;
    mod contract;
    mod credentials;
    mod faults;
    mod fencing;
    mod first_steps;
    mod full;
    mod full_disk;
    mod hosts;
    mod permissions;
    mod proof;
    mod reader;
    mod refused;
    mod registry;
    mod replay;
    mod servers;
    mod take_over;
    mod tls;
}
