//! What decides in which order things happen: locks, threads, tasks and time.
//!
//! Every part of the runtime that other threads can see takes them from here, because `tests/schedules` compiles these
//! sources once more with others in their place, which do what a test's scheduler says. What is here is all there is to
//! it: names for what is used in any case, at no cost.
//!
//! The channels of `tokio::sync` are not among them. They wait by wakers, so a task that waits for one waits for whoever
//! schedules it.

use std::future::Future;
use std::time::Instant;

pub(crate) use std::thread;

pub(crate) use parking_lot::{Mutex, MutexGuard};
pub(crate) use tokio::runtime::Handle;
pub(crate) use tokio::task::JoinHandle;
pub(crate) use tokio::time::{Timeout, timeout};

/// The present moment.
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

/// `future`, or an error when it is not ready at `deadline`.
pub(crate) fn timeout_at<F: Future>(deadline: Instant, future: F) -> Timeout<F> {
    tokio::time::timeout_at(deadline.into(), future)
}
