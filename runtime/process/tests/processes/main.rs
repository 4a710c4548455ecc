//! What is promised of processes, with real ones: killed, replaced, orphaned, in namespaces of their own.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot be set up has failed")]
#![allow(clippy::print_stdout, reason = "a test says why it is skipped, and its other process answers so")]

mod identity;
mod namespaces;
mod peers;
mod support;
mod watched;
