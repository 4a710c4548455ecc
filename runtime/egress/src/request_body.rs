//! Counts the request's body while it is sent.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, combinators::UnsyncBoxBody};

use crate::{
    allowance::Allowance,
    error::{BoxError, EgressError},
};

/// A request's body. It fails with [`EgressError::RequestBodyTooLarge`] before it sends a byte too many, and with
/// [`EgressError::RequestBody`] when the guest's side fails. It also fails with the former after
/// [`Allowance::take_request_body`] has counted too many bytes.
///
/// All requests on a connection have bodies of this type, whatever the caller's type is.
pub(crate) struct RequestBody {
    inner: UnsyncBoxBody<Bytes, BoxError>,
    allowance: Arc<Allowance>,
}

impl RequestBody {
    pub(crate) fn new<B>(inner: B, allowance: Arc<Allowance>) -> Self
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        Self { inner: inner.map_err(Into::into).boxed_unsync(), allowance }
    }

    /// Makes an empty body for the same call.
    pub(crate) fn none(&self) -> Self {
        Self { inner: UnsyncBoxBody::default(), allowance: Arc::clone(&self.allowance) }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = EgressError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, EgressError>>> {
        let next = ready!(Pin::new(&mut self.inner).poll_frame(cx));
        if let Err(error) = self.allowance.check_taken() {
            return Poll::Ready(Some(Err(error)));
        }
        let frame = match next {
            None => return Poll::Ready(None),
            Some(frame) => frame.map_err(EgressError::RequestBody),
        };
        Poll::Ready(Some(frame.and_then(|frame| {
            if let Some(data) = frame.data_ref() {
                self.allowance.count_request_body(data.len())?;
            }
            Ok(frame)
        })))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
