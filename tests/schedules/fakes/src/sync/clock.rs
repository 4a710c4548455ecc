//! Time that a schedule makes pass. It stands still until a timer goes off, at a moment that the scheduler chooses, or a
//! guest says that it has worked for a while.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::Poll;
use std::time::{Duration, Instant};

use shuttle::future::yield_now;
use shuttle::rand::{Rng, thread_rng};
use tokio::sync::Notify;

/// Whether timers go off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Time {
    /// None does: whatever waits has to be woken, or shuttle reports a deadlock.
    #[default]
    Still,
    /// Each does, at a moment that the scheduler chooses.
    Passes,
}

/// A timer waits for up to this many powers of two of the scheduler's turns.
const PATIENCE: u32 = 9;

// Of the one thread of the operating system that runs a schedule.
thread_local! {
    static PASSED: Cell<Duration> = const { Cell::new(Duration::ZERO) };
    static TIME: Cell<Time> = const { Cell::new(Time::Still) };
}

/// The time did not suffice.
#[derive(Debug)]
pub struct Elapsed;

/// To be called as a schedule begins.
pub fn begin(time: Time) {
    PASSED.set(Duration::ZERO);
    TIME.set(time);
}

/// The moment of the schedule.
#[must_use]
pub fn now() -> Instant {
    static BEGINNING: OnceLock<Instant> = OnceLock::new();
    *BEGINNING.get_or_init(Instant::now) + PASSED.get()
}

/// Somebody has worked for so long.
pub fn pass(time: Duration) {
    PASSED.set(PASSED.get() + time);
}

/// `future`, or an error when a timer goes off before it is ready.
///
/// # Errors
/// See above.
pub async fn timeout_at<F: Future>(deadline: Instant, future: F) -> Result<F::Output, Elapsed> {
    if TIME.get() == Time::Still {
        return Ok(future.await);
    }
    let timer = Timer::set(deadline);
    let mut future = pin!(future);
    let mut goes_off = pin!(timer.goes_off.notified());
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Ok(output)),
        Poll::Pending => goes_off.as_mut().poll(cx).map(|()| Err(Elapsed)),
    })
    .await
}

/// As [`timeout_at`].
///
/// # Errors
/// As [`timeout_at`].
pub async fn timeout<F: Future>(time: Duration, future: F) -> Result<F::Output, Elapsed> {
    timeout_at(now() + time, future).await
}

#[derive(Default)]
struct Timer {
    goes_off: Arc<Notify>,
    is_over: Arc<AtomicBool>,
}

impl Timer {
    fn set(deadline: Instant) -> Self {
        let timer = Self::default();
        let (goes_off, is_over) = (timer.goes_off.clone(), timer.is_over.clone());
        let turns = thread_rng().gen_range(0..1u32 << thread_rng().gen_range(0..=PATIENCE));
        // Nobody waits for it.
        drop(shuttle::future::spawn(async move {
            for _ in 0..turns {
                yield_now().await;
                if is_over.load(Ordering::Relaxed) {
                    return;
                }
            }
            pass(deadline.saturating_duration_since(now()));
            goes_off.notify_one();
        }));
        timer
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}
