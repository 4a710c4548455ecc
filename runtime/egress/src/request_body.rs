//! The request's body, counted while it is sent.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::{
    allowance::Allowance,
    error::{BoxError, EgressError},
};

/// Fails with [`EgressError::RequestBodyTooLarge`] before a byte too many is sent, and with
/// [`EgressError::RequestBody`] when the guest's side fails. With the former as well when the call was told that more was
/// taken from the guest: [`Allowance::take_request_body`].
pub(crate) struct RequestBody<B> {
    inner: Pin<Box<B>>,
    allowance: Arc<Allowance>,
}

impl<B> RequestBody<B> {
    pub(crate) fn new(inner: B, allowance: Arc<Allowance>) -> Self {
        Self { inner: Box::pin(inner), allowance }
    }
}

impl<B> Body for RequestBody<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = EgressError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, EgressError>>> {
        let next = ready!(self.inner.as_mut().poll_frame(cx));
        if let Err(error) = self.allowance.check_taken() {
            return Poll::Ready(Some(Err(error)));
        }
        let frame = match next {
            None => return Poll::Ready(None),
            Some(frame) => frame.map_err(|error| EgressError::RequestBody(error.into())),
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
