//! `lastword serve`, and the commands that go through a running one.

mod journal;
mod operators;
mod owners;
mod reload;
mod socket;
mod stopping;
mod systemd;
mod timed;
mod tokens;
