//! The clock of journals. It is not the runtime's: whether the servers answer in time, and whether a drain's budget ends, is drawn apart.

use std::cell::Cell;
use std::future::{Future, pending, poll_fn};
use std::ops::Add;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use lastword_fakes::sync::at_some_moment;
use tokio::time::MissedTickBehavior;

// Of the one thread of the operating system that runs a schedule.
thread_local! {
    static PASSED: Cell<Duration> = const { Cell::new(Duration::ZERO) };
    static PATIENCE: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

/// To be called as a schedule begins. Timers up to `longest` go off, each at a moment that the scheduler chooses, and longer ones never
/// do: the servers answer before.
pub fn begin(longest: Duration) {
    PATIENCE.set(longest);
}

/// A moment of the schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Instant(Duration);

impl Instant {
    pub(crate) fn now() -> Self {
        Self(PASSED.get())
    }

    pub(crate) fn elapsed(self) -> Duration {
        PASSED.get().saturating_sub(self.0)
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    fn add(self, time: Duration) -> Self {
        Self(self.0.saturating_add(time))
    }
}

/// Nobody is awaited for so long.
#[derive(Debug)]
pub(crate) struct TimedOut;

pub(crate) async fn sleep_until(Instant(at): Instant) {
    let time = at.saturating_sub(PASSED.get());
    if time > PATIENCE.get() {
        return pending().await;
    }
    // What takes longer is more often overtaken.
    for _ in 0..=time.as_secs() / 2 {
        at_some_moment(|| ()).await;
    }
    PASSED.set(PASSED.get().max(at));
}

pub(crate) async fn timeout<F: Future>(time: Duration, work: F) -> Result<F::Output, TimedOut> {
    let (mut work, mut timer) = (pin!(work), pin!(sleep_until(Instant::now() + time)));
    poll_fn(|cx| match work.as_mut().poll(cx) {
        Poll::Ready(done) => Poll::Ready(Ok(done)),
        Poll::Pending => timer.as_mut().poll(cx).map(|()| Err(TimedOut)),
    })
    .await
}

/// One that never ticks: what is done now and then changes nothing that a schedule looks at.
pub(crate) struct Interval;

pub(crate) fn interval_at(_start: Instant, _period: Duration) -> Interval {
    Interval
}

impl Interval {
    #[expect(clippy::unused_self, reason = "tokio's has a state")]
    pub(crate) fn set_missed_tick_behavior(&mut self, _behavior: MissedTickBehavior) {}

    pub(crate) async fn tick(&mut self) {
        pending::<()>().await;
    }
}
