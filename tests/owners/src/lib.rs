//! Trials with real agents: one of them is started with Lastword's hooks, used for a turn, and ended in one way. What a
//! plugin was told of its sessions is the result.
//!
//! Each trial has a home of its own, a daemon of its own with one plugin (the example `rust-session-log`, which prints
//! all that it is told), and a server on loopback that answers in the place of the model. The agent's own hook for the
//! end of a session is configured as well: what it is told is what everybody else would have been told without
//! Lastword.
//!
//! `cargo xtask test --owners` installs the agents and runs the trials. One alone, in a terminal:
//!
//! ```sh
//! cargo run --package lastword-test-owners -- codex terminal closed
//! ```
//!
//! with `LASTWORD_OWNER_CODEX` set to the folder in which xtask has installed it, which `cargo xtask test --owners`
//! prints.
//!
//! What it is not for: payloads. What each agent writes to its hooks is tested from `tests/data`, without any agent.

#![cfg(target_os = "linux")]
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a trial that cannot be carried out fails loudly, and shows what was said"
)]

mod agents;
mod board;
mod daemon;
mod descendants;
mod expected;
mod judge;
mod limits;
mod named;
mod patience;
mod process;
mod report;
mod screen;
mod setting;
mod stand_in;
mod terminal;
mod trial;

pub use expected::{Expected, expected};
pub use limits::FROM_DEATH_TO_END;
pub use named::{Mode, Owner, Way, word};
pub use report::{End, Report, SessionTold};
pub use trial::carry_out;
