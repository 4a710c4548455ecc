//! POST, through `wasi:http`, and what the answer means for the delivery. Synchronous, as hooks are.

use serde::Serialize;
use wasip2::http::outgoing_handler;
use wasip2::http::types::{ErrorCode, Fields, Method, OutgoingBody, OutgoingRequest, Scheme};

use crate::HookError;

/// WASI takes no more at once.
const PIECE_BYTES: usize = 4096;

/// Posts `body` as JSON, and gives the status when the server has taken it.
///
/// `idempotency_key` says to the server that it is the same request once more.
pub(crate) fn json(url: &str, body: &impl Serialize, idempotency_key: &str) -> Result<u16, HookError> {
    let body = serde_json::to_vec(body).map_err(|error| HookError::Fatal(error.to_string()))?;
    judge(url, send(url, &body, idempotency_key))
}

fn send(url: &str, body: &[u8], idempotency_key: &str) -> Result<u16, ErrorCode> {
    let request = request(url, body.len(), idempotency_key).ok_or(ErrorCode::HttpRequestUriInvalid)?;
    let outgoing = request.body().map_err(|()| ErrorCode::InternalError(None))?;
    // It is on its way from here on; the body follows.
    let answer = outgoing_handler::handle(request, None)?;
    // Of a connection that breaks meanwhile the answer tells, and better.
    write(outgoing, body);
    // Not for ever: Lastword gives a request less time than the call has.
    answer.subscribe().block();
    match answer.get() {
        Some(Ok(response)) => Ok(response?.status()),
        _ => Err(ErrorCode::InternalError(None)),
    }
}

fn request(url: &str, length: usize, idempotency_key: &str) -> Option<OutgoingRequest> {
    let (scheme, authority, path) = split(url)?;
    let fields = Fields::from_list(&[
        ("content-type".to_owned(), b"application/json".to_vec()),
        ("content-length".to_owned(), length.to_string().into_bytes()),
        ("idempotency-key".to_owned(), idempotency_key.as_bytes().to_vec()),
    ]);
    let request = OutgoingRequest::new(fields.ok()?);
    request.set_method(&Method::Post).ok()?;
    request.set_scheme(Some(&scheme)).ok()?;
    request.set_authority(Some(authority)).ok()?;
    request.set_path_with_query(Some(path)).ok()?;
    Some(request)
}

/// `http://127.0.0.1:37777/api`: scheme, server, path.
fn split(url: &str) -> Option<(Scheme, &str, &str)> {
    let (scheme, rest) = url.split_once("://")?;
    let scheme = match scheme {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        _ => return None,
    };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    (!authority.is_empty()).then_some((scheme, authority, if path.is_empty() { "/" } else { path }))
}

fn write(outgoing: OutgoingBody, body: &[u8]) -> Option<()> {
    let stream = outgoing.write().ok()?;
    for piece in body.chunks(PIECE_BYTES) {
        stream.blocking_write_and_flush(piece).ok()?;
    }
    // It must be closed before the body can be finished.
    drop(stream);
    OutgoingBody::finish(outgoing, None).ok()
}

/// What the server's status, or that there is none, means for the delivery.
fn judge(url: &str, answer: Result<u16, ErrorCode>) -> Result<u16, HookError> {
    match answer {
        Ok(status @ 200..=299) => Ok(status),
        // It is too busy, or broken: another time it may not be.
        Ok(status @ (408 | 429 | 500..)) => Err(HookError::Retry(format!("{url} answered {status}"))),
        // It does not want this, and will not want it later.
        Ok(status) => Err(HookError::Fatal(format!("{url} answered {status}"))),
        // The setting is no address, or the grant `http` does not name it: somebody has to configure it.
        Err(error @ (ErrorCode::HttpRequestUriInvalid | ErrorCode::HttpRequestDenied)) => {
            Err(HookError::Fatal(format!("no answer from {url}: {error:?}")))
        }
        // Nobody listens there, or it took too long, …
        Err(error) => Err(HookError::Retry(format!("no answer from {url}: {error:?}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_known_scheme_and_a_server() {
        assert!(matches!(split("http://127.0.0.1:37777"), Some((Scheme::Http, "127.0.0.1:37777", "/"))));
        assert!(matches!(split("https://example.com/a?b"), Some((Scheme::Https, "example.com", "/a?b"))));
        for wrong in ["", "127.0.0.1:37777", "ftp://example.com", "http://", "http:///hooks"] {
            assert!(split(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn what_may_pass_is_tried_again_and_what_will_not_is_given_up() {
        let judge = |answer| judge("http://worker/init", answer);
        for done in [200, 201, 204] {
            assert!(judge(Ok(done)).is_ok(), "{done}");
        }
        for again in [500, 502, 503, 599, 408, 429] {
            assert!(matches!(judge(Ok(again)), Err(HookError::Retry(why)) if why.contains(&again.to_string())));
        }
        for never in [302, 400, 401, 404, 422] {
            assert!(matches!(judge(Ok(never)), Err(HookError::Fatal(why)) if why.contains(&never.to_string())));
        }
        for error in [ErrorCode::ConnectionRefused, ErrorCode::ConnectionReadTimeout] {
            assert!(matches!(judge(Err(error)), Err(HookError::Retry(why)) if why.contains("Connection")));
        }
        assert!(matches!(judge(Err(ErrorCode::HttpRequestDenied)), Err(HookError::Fatal(_))));
    }
}
