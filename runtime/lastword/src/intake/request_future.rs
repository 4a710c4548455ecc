//! The future that an embedder waits for.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use lastword_journal::JournalError;

use super::RequestResult;
use crate::core::Core;
use crate::in_flight::Ticket;
use crate::request::Refusal;
use crate::session_order::Turn;
use crate::sync::JoinHandle;

/// The answer to a request. The request is carried out even if this is dropped.
pub(crate) enum RequestFuture {
    Answered(Option<RequestResult>),
    Waiting(JoinHandle<RequestResult>),
}

impl RequestFuture {
    pub(crate) fn refused(refusal: Refusal) -> Self {
        Self::Answered(Some(Err(refusal)))
    }

    /// Carries the request out when it has its turn: now, if nothing has to be waited for, and as a task of its own otherwise.
    pub(crate) fn begin<F>(core: &Arc<Core>, mut turn: Turn, ticket: Option<Ticket>, work: F) -> Self
    where
        F: Future<Output = RequestResult> + Send + 'static,
    {
        let mut work = Box::pin(async move {
            turn.comes().await;
            let answer = work.await;
            drop(ticket);
            answer
        });
        match work.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(answer) => Self::Answered(Some(answer)),
            Poll::Pending => Self::Waiting(core.handle().spawn(work)),
        }
    }
}

impl Future for RequestFuture {
    type Output = RequestResult;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<RequestResult> {
        match &mut *self {
            Self::Answered(answer) => answer.take().map_or(Poll::Pending, Poll::Ready),
            // The task is gone only when the tokio runtime is shutting down.
            Self::Waiting(task) => Pin::new(task).poll(cx).map(|done| done.unwrap_or(Err(JournalError::Closed.into()))),
        }
    }
}
