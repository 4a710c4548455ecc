//! The program itself, run as an owner or a person runs it: real pipes, real signals, real components.
//!
//! One module a subject; `support` has the process. Whatever asserts a time is in `timed`, which the test runner runs alone.
//!
//! These tests are in the program's own package, because Cargo builds a program for the tests of its package only, and tells them
//! where it is.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test fails loudly, its helper functions too"
)]

mod authors;
mod captured;
mod clients;
#[cfg(all(target_os = "linux", feature = "jetstream"))]
mod cluster;
mod commands;
mod compiling;
mod config;
mod daemon;
mod deploy;
mod docs;
mod emit;
#[cfg(target_os = "linux")]
mod environments;
mod examples;
mod grants;
mod inherited;
mod install;
mod journal;
mod malformed_input;
#[cfg(target_os = "linux")]
mod memory;
mod operate;
mod output;
mod owners;
mod plugins;
mod report;
mod session_identity;
mod signals;
mod special_files;
mod support;
// Only Linux tells who sent a signal.
#[cfg(target_os = "linux")]
mod terminal;
mod timed;
#[cfg(feature = "otlp")]
mod traces;
mod untrusted_text;
