//! Three real NATS servers for the tests of the journal on JetStream, and what happens to them: they are killed, suspended, started
//! again and configured wrongly, and their disks are full. A [`NatsProxy`] before them loses, holds back and cuts off acknowledgements, and
//! with [`Hosts`] they are on machines that do not reach each other.
//!
//! `cargo xtask test --cluster` installs the server and runs the tests. They name it in `LASTWORD_NATS_SERVER`.
//!
//! What it is not for: power that goes. A server that is killed has left everything that it wrote in the memory of the system, so nothing
//! here would notice one that does not sync. What `sync_interval` does is the server's promise; that the program asks for it is tested.

#![cfg(target_os = "linux")]
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test whose servers cannot be started has failed, and shows what they said"
)]

mod address;
mod cluster;
mod configuration;
mod frames;
mod hosts;
mod load;
mod monitoring;
mod namespace;
mod operator;
mod patience;
mod proxy;
mod reached;
mod server;
mod starter;

pub use address::host;
pub use cluster::NatsCluster;
pub use configuration::{APPLICATION, NatsSettings, SERVERS, SYSTEM, ServerTls, User};
pub use hosts::{Host, Hosts};
pub use load::{Load, Loaded, WRITERS, start_op};
pub use monitoring::StreamView;
pub use patience::{PATIENCE, look, look_for};
pub use proxy::{Acknowledgement, Fate, NatsProxy};
pub use reached::settings;
pub use server::server_program;
