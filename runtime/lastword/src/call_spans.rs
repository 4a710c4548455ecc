//! The spans that observers have for one call.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use tracing::Span;

use crate::sandbox::{Call, CallReport};

/// The spans of one call, the outermost first. Without any nothing is allocated.
#[derive(Debug, Default)]
pub(crate) struct CallSpans(Vec<Span>);

impl CallSpans {
    pub(crate) fn add(&mut self, span: Option<Span>) {
        self.0.extend(span.filter(|span| !span.is_disabled()));
    }

    /// Does something in all of them.
    pub(crate) fn in_scope<T>(&self, work: impl FnOnce() -> T) -> T {
        in_scope(&self.0, work)
    }
}

fn in_scope<T>(spans: &[Span], work: impl FnOnce() -> T) -> T {
    match spans.split_first() {
        None => work(),
        Some((outermost, rest)) => {
            let _entered = outermost.enter();
            in_scope(rest, work)
        }
    }
}

/// A call that is polled and dropped in its spans: the last that a guest has printed is logged as its store is dropped.
pub(crate) struct ObservedCall {
    /// None only while the value is dropped.
    call: Option<Pin<Box<Call>>>,
    spans: CallSpans,
}

impl ObservedCall {
    pub(crate) fn new(call: Call, spans: CallSpans) -> Self {
        Self { call: Some(Box::pin(call)), spans }
    }

    /// See [`Call::cut_at`].
    pub(crate) fn cut_at(&self, at: Instant) {
        if let Some(call) = &self.call {
            call.cut_at(at);
        }
    }

    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<CallReport> {
        match &mut self.call {
            Some(call) => self.spans.in_scope(|| call.as_mut().poll(cx)),
            None => Poll::Pending,
        }
    }
}

impl Drop for ObservedCall {
    fn drop(&mut self) {
        let call = self.call.take();
        self.spans.in_scope(|| drop(call));
    }
}
