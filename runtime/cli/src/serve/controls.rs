//! What an operator can ask the program for through the daemon's API.

use std::sync::Arc;
use std::time::Instant;

use lastword::Runtime;
use lastword_events::{DrainReason, DrainReport};
use lastword_server::{BoxFuture, Controls, Reloaded};
use tokio::sync::watch;

use super::reload::Reloader;

/// A stop that an operator has asked for, and when.
pub(super) type Asked = Option<(Stop, Instant)>;

/// How the daemon is to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// Every session ends.
    Drain(DrainReason),
    /// Every session stays, for the next daemon.
    HandOver,
}

/// What the server hands on to the program.
pub(super) struct ProgramControls {
    reloader: Arc<Reloader>,
    runtime: Runtime,
    asked: watch::Sender<Asked>,
}

impl ProgramControls {
    /// With it, what hears of a stop.
    pub(super) fn new(reloader: Arc<Reloader>, runtime: Runtime) -> (Self, watch::Receiver<Asked>) {
        let (asked, heard) = watch::channel(None);
        (Self { reloader, runtime, asked }, heard)
    }
}

impl ProgramControls {
    /// The first one counts.
    fn ask(&self, stop: Stop) {
        self.asked.send_if_modified(|asked| {
            let is_first = asked.is_none();
            asked.get_or_insert((stop, Instant::now()));
            is_first
        });
    }
}

impl Controls for ProgramControls {
    fn reload(&self) -> BoxFuture<Result<Reloaded, String>> {
        Box::pin(Arc::clone(&self.reloader).reload())
    }

    /// The drain begins here, and the program joins it: it has the same report.
    fn drain(&self, reason: DrainReason) -> BoxFuture<DrainReport> {
        // First, so that the end of the process is watched from here on.
        self.ask(Stop::Drain(reason));
        Box::pin(self.runtime.drain(reason))
    }

    fn hand_over(&self) {
        self.ask(Stop::HandOver);
    }
}
