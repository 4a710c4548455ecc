//! A fleet of nodes in virtual time: their members ([`lastword_cluster::Member`]) and the chains that write their journals
//! ([`lastword_jetstream::chain::Chain`]) are the real ones, everything around them is a model that does what a seed says.
//!
//! What is modelled, with times that were measured where docs/scale.md says so: three NATS servers with a leader for each stream, elections,
//! partitions, slow disks and lost answers; connections; the registry; owners that start and end sessions; calls. A stream has real messages,
//! and what a node finds that takes it over is read from them. In large fleets a session is a number in a record of a few bytes, so a million of
//! them fit one core; with [`Settings::is_full`] records, snapshots, purges and replay are the real ones too.
//!
//! What has to hold is asked all the time ([`Broken`]), and at the end every session whose start was acknowledged must have been told to the
//! plugin. The same settings give the same run.

#![forbid(unsafe_code)]
#![allow(
    clippy::indexing_slicing,
    clippy::expect_used,
    clippy::panic,
    reason = "numbers here are places in tables of the same run, and a simulation that is wrong should stop"
)]

mod full;
mod histogram;
mod ledger;
mod network;
mod node;
mod queue;
mod reader;
mod report;
mod request;
mod settings;
mod slots;
mod stream;
mod world;

pub use histogram::Histogram;
pub use report::{Broken, Report, Slowest, WITHIN, WITHIN_WITHOUT_LEADER};
pub use settings::{Fault, Mutation, Settings};
pub use world::{Progress, Tells, run};
