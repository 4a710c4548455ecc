//! The steps that the signal thread takes at once at the first signal, before it wakes any other thread.

use std::time::Duration;

use lastword::Durability;
use tokio::task::AbortHandle;

use crate::exit;
use crate::limits::WATCHDOG_OVERRUN;
use crate::signals::Signals;
use crate::watchdog::Watchdog;

pub(crate) struct AtSignal {
    pub(crate) watchdog: Watchdog,
    /// The task that returns memory, which would delay the end.
    pub(crate) giving_back: AbortHandle,
    pub(crate) durability: Durability,
    /// The drain's budget.
    pub(crate) budget: Duration,
}

impl AtSignal {
    /// From now on a signal begins the end, and the watchdog counts from the moment when the signal thread saw it. The
    /// log names the end with `word`. A Ctrl-C does not begin the end if an owner holds our stdin.
    pub(crate) fn arm(self, signals: &Signals, owner_holds_stdin: bool, word: &'static str) {
        let Self { watchdog, giving_back, durability, budget } = self;
        signals.serve(owner_holds_stdin, move |signal| {
            // Holds until the last steps know more.
            watchdog.expect(exit::undelivered(durability));
            watchdog.arm(signal.at + budget + WATCHDOG_OVERRUN);
            giving_back.abort();
            tracing::info!("{}: {word}", signal.name);
        });
    }
}
