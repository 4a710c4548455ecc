//! Which requests are sent a second time.
//!
//! A server may close a connection that was kept just when a request is on its way to it. Whether it has read the request cannot be
//! known then. So only a request that may be made twice (RFC 9110, section 9.2.2) is sent again, once, on a new connection; and
//! only one without a body: a guest's body is a stream, of which nobody keeps what was sent.

use http::{Method, Request, header::CONTENT_LENGTH};
use http_body::Body;

use crate::{error::EgressError, request_body::RequestBody};

/// The same request once more, if it may be sent again.
pub(crate) fn copy(request: &Request<RequestBody>) -> Option<Request<RequestBody>> {
    let method = request.method();
    let is_idempotent = [Method::GET, Method::HEAD, Method::PUT, Method::DELETE].contains(method);
    // hyper sends no body with these whose length nobody has said.
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

/// What is sent on a new connection, once one that was kept has failed with `error`; or what the caller is told.
///
/// # Errors
/// The error, which says that the server may have the request, when the connection has ended.
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
