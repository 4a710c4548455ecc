//! What decides in which order things happen: locks, threads, tasks and timers.
//!
//! Every part of the runtime that other threads can see takes them from here, because `tests/schedules` compiles these
//! sources once more with others in their place, which do what a test's scheduler says. What is here is all there is to
//! it: names for what is used in any case, at no cost.
//!
//! The runtime takes its time from [`Time`](crate::time::Time), which is made of [`now`] and [`Timers`] where no clock is injected.
//! What measures work, which no clock of a test can speed up, asks [`now`] itself.
//!
//! The channels of `tokio::sync` are not among them. They wait by wakers, so a task that waits for one waits for whoever
//! schedules it.

mod timer_queue;
mod timers;

use std::time::Instant;

pub(crate) use std::thread;

pub(crate) use parking_lot::{Mutex, MutexGuard, RwLock};
pub(crate) use tokio::runtime::Handle;
pub(crate) use tokio::task::JoinHandle;

#[cfg(feature = "test-util")]
pub(crate) use self::timer_queue::{Timer, TimerClock, TimerQueue};
pub(crate) use self::timers::Timers;

/// The present moment, by the machine's clock.
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// What comes of `work`, done where a thread may be blocked. None when it panicked, or tokio's runtime is going.
pub(crate) async fn blocking<T: Send + 'static>(
    handle: &Handle,
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    handle.spawn_blocking(work).await.ok()
}
