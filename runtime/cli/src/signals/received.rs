//! A received signal and its sender.

use std::time::Instant;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::low_level::siginfo::{Cause, Origin};

/// A received signal.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Received {
    /// The system's name of the signal.
    pub(crate) name: &'static str,
    /// When the signal thread saw it: a moment after the kernel, and later on an overloaded machine.
    pub(crate) at: Instant,
    /// Whether it is a terminal's Ctrl-C, which reaches all foreground processes.
    pub(crate) by_terminal: bool,
}

impl Received {
    pub(super) fn new(origin: &Origin) -> Self {
        // The system names a process that used `kill`, but not the kernel, whose only SIGINT is a terminal's. A system
        // that does not tell (macOS) leaves the sender unknown, and the signal then counts as meant for us.
        let by_terminal = origin.signal == SIGINT && origin.cause == Cause::Kernel;
        Self { name: name(origin.signal), at: Instant::now(), by_terminal }
    }
}

fn name(signal: i32) -> &'static str {
    match signal {
        SIGTERM => "SIGTERM",
        SIGINT => "SIGINT",
        _ => "SIGHUP",
    }
}
