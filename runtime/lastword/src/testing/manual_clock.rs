//! A clock that a test advances.

use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};

use lastword_events::Timestamp;
use parking_lot::Mutex;

use crate::clock::{Clock, Sleep};
use crate::sync::{Timer, TimerClock, TimerQueue};

/// A clock that stands still until a test [advances](Self::advance) it. It begins at the present moment. Clones share the clock: give one
/// to [`Builder::clock`](crate::Builder::clock) and keep another.
///
/// [`Runtime::settled`](crate::Runtime::settled) waits for everything that is due by the clock. A drain whose plugins answer ends while the
/// clock stands still. A drain whose plugins hang ends when the clock has reached the end of the budget.
#[derive(Clone, Debug)]
pub struct ManualClock {
    began: Instant,
    began_at: Timestamp,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    passed: Duration,
    queue: TimerQueue,
}

impl ManualClock {
    /// A clock that stands at the present moment.
    #[must_use]
    pub fn new() -> Self {
        Self { began: Instant::now(), began_at: Timestamp::now(), state: Arc::default() }
    }

    /// Advances the clock at once. Whoever is woken by that finds the clock at the new moment.
    pub fn advance(&self, by: Duration) {
        let due = {
            let mut state = self.state.lock();
            state.passed = state.passed.saturating_add(by);
            let now = self.began + state.passed;
            state.queue.take_due(now)
        };
        due.into_iter().for_each(Waker::wake);
    }

    /// How much time has passed since it was made.
    #[must_use]
    pub fn passed(&self) -> Duration {
        self.state.lock().passed
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Instant {
        self.began + self.passed()
    }

    fn timestamp(&self) -> Timestamp {
        self.began_at.plus(self.passed())
    }

    fn sleep_until(&self, at: Instant) -> Sleep {
        Box::pin(Timer::new(self.clone(), at))
    }
}

impl TimerClock for ManualClock {
    fn with_queue<T>(&self, work: impl FnOnce(&mut TimerQueue, Instant) -> T) -> T {
        let mut state = self.state.lock();
        let now = self.began + state.passed;
        work(&mut state.queue, now)
    }
}

#[cfg(test)]
mod tests {
    use std::task::Context;

    use super::*;

    #[test]
    fn it_stands_still_until_it_is_advanced() {
        let clock = ManualClock::new();
        let (now, timestamp) = (clock.now(), clock.timestamp());
        let second = Duration::from_secs(1);
        let mut sleep = clock.sleep_until(now + second);
        let mut poll = || sleep.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(poll().is_pending());
        clock.advance(second / 2);
        assert!(poll().is_pending());
        clock.clone().advance(second / 2);
        assert!(poll().is_ready());
        assert_eq!((clock.now(), clock.timestamp()), (now + second, timestamp.plus(second)));
        drop(sleep);
        assert_eq!(clock.state.lock().queue.first(), None);
    }
}
