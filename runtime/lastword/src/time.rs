//! The time of a runtime: the machine's clock, or the clock that an embedder has injected.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use lastword_events::Timestamp;

use crate::clock::{Clock, Sleep};
use crate::sync::{self, Timers, thread};

/// The only clock of a runtime, except for code that measures work. Cheap to clone.
#[derive(Clone)]
pub(crate) enum Time {
    /// The machine's clock.
    Machine(Arc<Timers>),
    Injected(Arc<dyn Clock>),
}

impl Time {
    /// The machine's clock, with a thread for the timers.
    ///
    /// # Errors
    /// When the operating system gives no thread.
    pub(crate) fn of_machine() -> std::io::Result<Self> {
        Timers::start().map(|timers| Self::Machine(Arc::new(timers)))
    }

    /// Ends all waiting, and the runtime's own timer thread. An injected clock belongs to the embedder and goes on.
    pub(crate) fn stop(&self) {
        if let Self::Machine(timers) = self {
            timers.stop();
        }
    }

    /// The present moment.
    pub(crate) fn now(&self) -> Instant {
        match self {
            Self::Machine(_) => sync::now(),
            Self::Injected(clock) => clock.now(),
        }
    }

    /// The present moment by the wall clock.
    pub(crate) fn timestamp(&self) -> Timestamp {
        match self {
            Self::Machine(_) => Timestamp::now(),
            Self::Injected(clock) => clock.timestamp(),
        }
    }

    /// The same moment by the machine's clock, for a guest.
    pub(crate) fn by_machine(&self, at: Instant) -> Instant {
        match self {
            Self::Machine(_) => at,
            Self::Injected(clock) => sync::now() + at.saturating_duration_since(clock.now()),
        }
    }

    /// The calling thread sleeps until `at`, or until it is unparked.
    pub(crate) fn park_until(&self, at: Instant) {
        match self {
            Self::Machine(_) => thread::park_timeout(at.saturating_duration_since(sync::now())),
            Self::Injected(clock) => {
                let waker = Waker::from(Arc::new(Unpark(thread::current())));
                let mut sleep = clock.sleep_until(at);
                if sleep.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {
                    thread::park();
                }
            }
        }
    }

    /// The result of `future`, or None if it is not ready at `deadline`.
    pub(crate) async fn timeout_at<F: Future>(&self, deadline: Instant, future: F) -> Option<F::Output> {
        let (mut future, mut sleep) = (pin!(future), self.sleep_until(deadline));
        poll_fn(|cx| match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending => sleep.as_mut().poll(cx).map(|()| None),
        })
        .await
    }

    /// The result of `future`, or None if it is not ready within `time`.
    pub(crate) async fn timeout<F: Future>(&self, time: Duration, future: F) -> Option<F::Output> {
        match self.after(time) {
            Some(deadline) => self.timeout_at(deadline, future).await,
            None => Some(future.await),
        }
    }

    /// The moment after `time`. None if it is too far for the clock.
    pub(crate) fn after(&self, time: Duration) -> Option<Instant> {
        self.now().checked_add(time)
    }

    /// Resolves after `time`.
    pub(crate) async fn sleep(&self, time: Duration) {
        self.timeout(time, std::future::pending::<()>()).await;
    }

    fn sleep_until(&self, at: Instant) -> Sleep {
        match self {
            Self::Machine(timers) => Box::pin(timers.sleep_until(at)),
            Self::Injected(clock) => clock.sleep_until(at),
        }
    }
}

/// Wakes a thread that sleeps.
struct Unpark(thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}
