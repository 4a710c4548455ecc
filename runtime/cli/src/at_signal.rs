//! What the first signal does at once, on the thread that waits for signals, before anybody is woken for it.

use std::time::Duration;

use lastword::Durability;
use tokio::task::AbortHandle;

use crate::exit;
use crate::limits::WATCHDOG_OVERRUN;
use crate::signals::Signals;
use crate::watchdog::Watchdog;

pub(crate) struct AtSignal {
    pub(crate) watchdog: Watchdog,
    /// What would only be in the way of the end.
    pub(crate) giving_back: AbortHandle,
    pub(crate) durability: Durability,
    /// The drain's.
    pub(crate) budget: Duration,
}

impl AtSignal {
    /// From now on a signal begins the end, and the watchdog counts from when the signal thread saw it. `word` is the log's for
    /// that. A Ctrl-C does not begin it, if an owner holds our stdin.
    pub(crate) fn arm(self, signals: &Signals, owner_holds_stdin: bool, word: &'static str) {
        let Self { watchdog, giving_back, durability, budget } = self;
        signals.serve(owner_holds_stdin, move |signal| {
            // Until the last steps have told more.
            watchdog.expect(exit::undelivered(durability));
            watchdog.arm(signal.at + budget + WATCHDOG_OVERRUN);
            giving_back.abort();
            tracing::info!("{}: {word}", signal.name);
        });
    }
}
