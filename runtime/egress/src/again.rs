//! Decides which requests are sent a second time.
//!
//! A server may close a kept connection just when a request is on its way. The client then cannot know whether the
//! server has read the request. So only a request that may be repeated (RFC 9110, section 9.2.2) is sent again, once,
//! on a new connection, and only one without a body: a guest's body is a stream whose sent part is not stored.

use http::{Method, Request, header::CONTENT_LENGTH};
use http_body::Body;

use crate::{error::EgressError, request_body::RequestBody};

/// Copies the request, if it may be sent again.
pub(crate) fn copy(request: &Request<RequestBody>) -> Option<Request<RequestBody>> {
    let method = request.method();
    let is_idempotent = [Method::GET, Method::HEAD, Method::PUT, Method::DELETE].contains(method);
    // Without a known length, hyper sends no body with these methods.
    let has_none = [Method::GET, Method::HEAD].contains(method)
        && !request.headers().contains_key(CONTENT_LENGTH)
        && request.body().size_hint().exact().is_none_or(|length| length == 0);
    if !is_idempotent || !has_none && !request.body().is_end_stream() {
        return None;
    }
    let mut copy = Request::new(request.body().none());
    copy.method_mut().clone_from(method);
    copy.uri_mut().clone_from(request.uri());
    copy.headers_mut().clone_from(request.headers());
    *copy.version_mut() = request.version();
    Some(copy)
}

/// Returns the request for a new connection, after a kept connection has failed with `error`, or the caller's error.
///
/// # Errors
/// The error. If the connection has ended, it says that the server may have the request.
pub(crate) fn instead(
    error: EgressError,
    copy: Option<Request<RequestBody>>,
) -> Result<Request<RequestBody>, EgressError> {
    match (error, copy) {
        (EgressError::Incomplete | EgressError::ConnectionLost(_), Some(copy)) => Ok(copy),
        (error @ (EgressError::Incomplete | EgressError::ConnectionLost(_)), None) => {
            Err(EgressError::KeptConnectionLost(Box::new(error)))
        }
        (error, _) => Err(error),
    }
}
