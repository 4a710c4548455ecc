//! The future of a request, and the notification of observers if the request is refused.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use lastword_events::{Hook, Identity};
use lastword_journal::JournalError;

use crate::core::Core;
use crate::in_flight::Ticket;
use crate::request::{Accepted, Refusal};
use crate::session_order::Turn;
use crate::sync::JoinHandle;

/// The answer to a request. The request is carried out even if this is dropped.
pub(crate) enum RequestFuture<T = Accepted> {
    Answered(Option<Result<T, Refusal>>),
    Waiting(JoinHandle<Result<T, Refusal>>),
}

impl<T: Send + 'static> RequestFuture<T> {
    pub(crate) fn refused(refusal: Refusal) -> Self {
        Self::Answered(Some(Err(refusal)))
    }

    /// Carries `work` out when the request has its turn. Observers are told if it is refused.
    pub(crate) fn begin<F>(
        core: &Arc<Core>,
        turn: Turn,
        ticket: Option<Ticket>,
        observed: ObservedRequest,
        work: F,
    ) -> Self
    where
        F: Future<Output = Result<T, Refusal>> + Send + 'static,
    {
        Self::run(core, OrderedRequest { work: Box::pin(work), observed, _ticket: ticket, turn })
    }

    /// Carries out `work`: now, if it has to wait for nothing, and as a task of its own otherwise.
    pub(crate) fn carry_out<F>(core: &Arc<Core>, work: F) -> Self
    where
        F: Future<Output = Result<T, Refusal>> + Send + 'static,
    {
        Self::run(core, Box::pin(work))
    }

    fn run<F>(core: &Arc<Core>, mut work: F) -> Self
    where
        F: Future<Output = Result<T, Refusal>> + Unpin + Send + 'static,
    {
        match Pin::new(&mut work).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(answer) => Self::Answered(Some(answer)),
            Poll::Pending => Self::Waiting(core.handle().spawn(work)),
        }
    }
}

/// A request that is carried out when it has its turn. Its fields are dropped in their order: the next request of the session follows when
/// nothing is left of this one.
struct OrderedRequest<F> {
    /// In a box, because it is large and would be moved from place to place.
    work: Pin<Box<F>>,
    observed: ObservedRequest,
    _ticket: Option<Ticket>,
    turn: Turn,
}

impl<T, F: Future<Output = Result<T, Refusal>>> Future for OrderedRequest<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        ready!(self.turn.poll_comes(cx));
        let answer = ready!(self.work.as_mut().poll(cx));
        Poll::Ready(answer.inspect_err(|refusal| self.observed.tell(refusal)))
    }
}

impl<T: Send + Unpin + 'static> Future for RequestFuture<T> {
    type Output = Result<T, Refusal>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut *self {
            Self::Answered(answer) => answer.take().map_or(Poll::Pending, Poll::Ready),
            // The task is gone only when the tokio runtime is shutting down.
            Self::Waiting(task) => Pin::new(task).poll(cx).map(|done| done.unwrap_or(Err(JournalError::Closed.into()))),
        }
    }
}

/// A request that may be refused. Observers are told of the refusal once for each event of the request. Without observers this holds
/// nothing.
pub(crate) struct ObservedRequest(Option<Observed>);

struct Observed {
    core: Arc<Core>,
    events: Vec<(Identity, Hook)>,
}

impl ObservedRequest {
    pub(crate) fn new(core: &Arc<Core>, identity: &Identity, hook: Hook) -> Self {
        Self::of_each(core, [(identity, hook)])
    }

    pub(crate) fn of_each<const N: usize>(core: &Arc<Core>, events: [(&Identity, Hook); N]) -> Self {
        let is_observed = !core.publisher().observers().is_empty();
        let events = || events.map(|(identity, hook)| (identity.clone(), hook)).into();
        Self(is_observed.then(|| Observed { core: core.clone(), events: events() }))
    }

    /// The request is refused at once.
    pub(crate) fn refuse<T: Send + 'static>(&self, refusal: Refusal) -> RequestFuture<T> {
        self.tell(&refusal);
        RequestFuture::refused(refusal)
    }

    fn tell(&self, refusal: &Refusal) {
        let Some(Observed { core, events }) = &self.0 else { return };
        for (identity, hook) in events {
            core.publisher().observers().refused(identity, *hook, refusal);
        }
    }
}
