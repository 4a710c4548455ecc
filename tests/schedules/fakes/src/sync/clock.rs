//! Time that a schedule makes pass. It stands still until a timer goes off, at a moment that the scheduler chooses, or a
//! guest says that it has worked for a while.

use std::cell::Cell;
use std::future::{Future, pending};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
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

/// To be called as a schedule begins.
pub fn begin(time: Time) {
    PASSED.set(Duration::ZERO);
    TIME.set(time);
}

/// From now on timers go off, or do not. Those that were set are not changed by that.
pub fn go_on(time: Time) {
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

/// Timers that go off when the scheduler says.
#[derive(Debug)]
pub struct Timers;

impl Timers {
    /// # Errors
    /// None: the scheduler needs no thread.
    pub fn start() -> io::Result<Self> {
        Ok(Self)
    }

    /// There is no thread that ends.
    pub fn stop(&self) {}

    /// Resolves when the timer goes off.
    pub fn sleep_until(&self, at: Instant) -> impl Future<Output = ()> + Send + use<> {
        sleep_until(at)
    }
}

pub(super) async fn sleep_until(at: Instant) {
    if TIME.get() == Time::Still {
        return pending().await;
    }
    at_some_moment(move || pass(at.saturating_duration_since(now()))).await;
}

/// Resolves when the scheduler says, and does this at that moment.
pub async fn at_some_moment(then: impl FnOnce() + Send + 'static) {
    let timer = Timer::set(then);
    timer.goes_off.notified().await;
}

#[derive(Default)]
struct Timer {
    goes_off: Arc<Notify>,
    is_over: Arc<AtomicBool>,
}

impl Timer {
    fn set(then: impl FnOnce() + Send + 'static) -> Self {
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
            then();
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
