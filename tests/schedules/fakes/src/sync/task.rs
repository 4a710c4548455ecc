//! Tasks of shuttle's with the interface of tokio's.

use std::future::Future;

use tokio::runtime::TryCurrentError;

pub use shuttle::future::JoinHandle;

/// Spawns tasks, of which the scheduler runs one at a time.
#[derive(Clone, Debug)]
pub struct Handle;

impl Handle {
    /// # Errors
    /// None: there is always a scheduler.
    pub fn try_current() -> Result<Self, TryCurrentError> {
        Ok(Self)
    }

    /// Begins a task; it goes on if the handle is dropped.
    #[track_caller]
    pub fn spawn<F>(&self, work: F) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        shuttle::future::spawn(work)
    }

    /// Every thread is in its context.
    #[must_use]
    pub fn enter(&self) -> Entered {
        Entered
    }
}

/// What comes of `work`, done whenever the scheduler comes to it.
pub async fn blocking<T: Send + 'static>(handle: &Handle, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    handle.spawn(async move { work() }).await.ok()
}

/// A thread in the context of a [`Handle`].
#[derive(Debug)]
pub struct Entered;
