//! The machine's clock.

use std::time::Instant;

use lastword::events::Timestamp;
use lastword::{Clock, Sleep};

/// The machine's clock, with tokio's timers. Owners' deaths wait for tokio in any case.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MachineClock;

impl Clock for MachineClock {
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn timestamp(&self) -> Timestamp {
        Timestamp::now()
    }

    fn sleep_until(&self, at: Instant) -> Sleep {
        Box::pin(tokio::time::sleep_until(at.into()))
    }
}
