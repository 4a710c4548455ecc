//! Tasks that run when their owner waits for one of them, as they do on tokio's runtime of one thread.

use std::future::Future;
use std::pin::Pin;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::task::JoinError;

/// A set of tasks. They end with it.
pub(crate) struct JoinSet<T>(FuturesUnordered<Pin<Box<dyn Future<Output = T> + Send>>>);

impl<T> JoinSet<T> {
    pub(crate) fn new() -> Self {
        Self(FuturesUnordered::new())
    }

    pub(crate) fn spawn(&mut self, work: impl Future<Output = T> + Send + 'static) {
        self.0.push(Box::pin(work));
    }

    /// None if there is no task.
    pub(crate) async fn join_next(&mut self) -> Option<Result<T, JoinError>> {
        self.0.next().await.map(Ok)
    }
}
