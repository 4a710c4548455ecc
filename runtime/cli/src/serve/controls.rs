//! The program's side of the daemon's API: the actions that an operator can ask for.

use std::sync::Arc;
use std::time::Instant;

use lastword::Runtime;
use lastword_events::{DrainReason, DrainReport};
use lastword_server::{BoxFuture, Controls, Reloaded};
use tokio::sync::watch;

use super::reload::Reloader;

/// A stop that an operator has asked for, and its time.
pub(super) type Asked = Option<(Stop, Instant)>;

/// The kind of a stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// Ends every session.
    Drain(DrainReason),
    /// Keeps every session for the next daemon.
    HandOver,
}

/// Carries out the actions that the server cannot.
pub(super) struct ProgramControls {
    reloader: Arc<Reloader>,
    runtime: Runtime,
    asked: watch::Sender<Asked>,
}

impl ProgramControls {
    /// Makes the controls, and the receiver of a stop.
    pub(super) fn new(reloader: Arc<Reloader>, runtime: Runtime) -> (Self, watch::Receiver<Asked>) {
        let (asked, heard) = watch::channel(None);
        (Self { reloader, runtime, asked }, heard)
    }
}

impl ProgramControls {
    /// Asks for a stop. The first one counts.
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

    /// Begins the drain here. The program joins it, and gets the same report.
    fn drain(&self, reason: DrainReason) -> BoxFuture<DrainReport> {
        // Comes first, so that the watchdog watches from here on.
        self.ask(Stop::Drain(reason));
        Box::pin(self.runtime.drain(reason))
    }

    fn hand_over(&self) {
        self.ask(Stop::HandOver);
    }
}
