//! `lastword serve`, and the commands that go through a running one.

mod clients;
#[cfg(target_os = "linux")]
mod container;
#[cfg(target_os = "linux")]
mod crowd;
mod journal;
mod operators;
mod owners;
mod reload;
mod socket;
mod stopping;
mod systemd;
mod timed;
mod tokens;
mod with_tools;
