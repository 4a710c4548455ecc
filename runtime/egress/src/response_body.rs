//! Counts and times the response's body while it is read.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::{allowance::Allowance, error::EgressError, hyper_error::from_hyper, timeouts::after};

/// A response's body as the server sent it: not decompressed, without chunk framing.
///
/// The first error ends the body and the connection. Trailers are passed on; hyper limits them to 16 KiB.
#[derive(Debug)]
pub struct ResponseBody {
    /// `None` once the body has ended or failed.
    incoming: Option<Incoming>,
    allowance: Arc<Allowance>,
    between_bytes: Duration,
    deadline: Instant,
    /// Fires at the sooner of the end of the pause and the deadline.
    timer: Pin<Box<Sleep>>,
}

impl ResponseBody {
    pub(crate) fn new(
        incoming: Incoming,
        allowance: Arc<Allowance>,
        between_bytes: Duration,
        deadline: Instant,
    ) -> Self {
        let timer = Box::pin(sleep_until(after(Instant::now(), between_bytes).min(deadline)));
        Self { incoming: Some(incoming), allowance, between_bytes, deadline, timer }
    }

    fn fail(&mut self, error: EgressError) -> Poll<Option<Result<Frame<Bytes>, EgressError>>> {
        self.incoming = None;
        Poll::Ready(Some(Err(error)))
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = EgressError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, EgressError>>> {
        let this = &mut *self;
        let Some(incoming) = &mut this.incoming else { return Poll::Ready(None) };
        // A server that always has the next byte ready must not pass the deadline either.
        if Instant::now() >= this.deadline {
            return this.fail(EgressError::TotalTimeout);
        }
        match Pin::new(incoming).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(data) = frame.data_ref()
                    && let Err(error) = this.allowance.count_response_body(data.len())
                {
                    return this.fail(error);
                }
                this.timer.as_mut().reset(after(Instant::now(), this.between_bytes).min(this.deadline));
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                let error = from_hyper(error, this.allowance.limits());
                this.fail(error)
            }
            Poll::Ready(None) => {
                this.incoming = None;
                Poll::Ready(None)
            }
            Poll::Pending => {
                ready!(this.timer.as_mut().poll(cx));
                if Instant::now() >= this.deadline {
                    this.fail(EgressError::TotalTimeout)
                } else {
                    this.fail(EgressError::BetweenBytesTimeout)
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}
