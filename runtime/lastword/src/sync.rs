//! What decides in which order things happen: locks, threads, tasks and timers.
//!
//! Every part of the runtime that other threads can see takes these from here. `tests/schedules` compiles the same sources with
//! replacements that a test's scheduler controls. This module only gives names to what the runtime uses in any case, at no cost.
//!
//! The runtime takes its time from [`Time`](crate::time::Time), which uses [`now`] and [`Timers`] unless a clock is injected. Code that
//! measures work uses [`now`] itself, because no clock of a test can speed up work.
//!
//! The channels of `tokio::sync` are not among these. They wait by wakers, so the scheduler that runs the waiting task controls them.

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

/// The result of `work`, which is done where a thread may block. None if `work` panicked, or the tokio runtime is shutting down.
pub(crate) async fn blocking<T: Send + 'static>(
    handle: &Handle,
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    handle.spawn_blocking(work).await.ok()
}
