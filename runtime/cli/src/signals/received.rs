//! A signal that was received, and who sent it.

use std::time::Instant;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::low_level::siginfo::{Cause, Origin};

/// A signal that was received.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Received {
    /// As the system calls it.
    pub(crate) name: &'static str,
    /// When the signal thread saw it: a moment after the kernel had it, and later on a machine that is too busy for that thread.
    pub(crate) at: Instant,
    /// A terminal's Ctrl-C, which it sends to all processes in the foreground.
    pub(crate) by_terminal: bool,
}

impl Received {
    pub(super) fn new(origin: &Origin) -> Self {
        // Who sends with `kill` is named; the kernel is not, and the only SIGINT of its own is a terminal's. Systems
        // that do not say (macOS) leave it unknown, and the signal is taken for one that is meant for us.
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
