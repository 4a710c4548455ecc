//! The journal on JetStream with three real servers, which are killed, suspended and configured wrongly.
//!
//! `cargo xtask test --cluster` installs the server, and runs these.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails loudly, its helper functions too")]

mod support;

/// They need three NATS servers.
mod with_cluster {
    mod servers;
}
