//! Sends one request to a daemon, and reads its answer.

use anyhow::anyhow;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST, HeaderMap};
use hyper::http::request::Builder;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;

/// A daemon's answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// Why a request was refused, as in RFC 9457.
#[derive(Debug, Default, serde::Deserialize)]
pub(crate) struct Problem {
    pub(crate) title: Option<String>,
    pub(crate) detail: Option<String>,
    pub(crate) code: Option<String>,
}

/// Begins a request.
pub(crate) fn request(method: Method, path: &str) -> Builder {
    Request::builder().method(method).uri(path).header(HOST, "localhost").header(CONTENT_TYPE, "application/json")
}

/// Sends the request, and reads at most `most` bytes of the answer. Call it in a tokio runtime.
///
/// # Errors
/// When there is no answer, or the answer cannot be read.
pub(crate) async fn exchange(stream: UnixStream, request: Request<Full<Bytes>>, most: usize) -> anyhow::Result<Answer> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // The connection is done when the answer is there.
    let connection = tokio::spawn(connection);
    let response = sender.send_request(request).await?;
    let (parts, body) = response.into_parts();
    let body = Limited::new(body, most).collect().await;
    connection.abort();
    let body = body.map_err(|error| anyhow!(error))?.to_bytes();
    Ok(Answer { status: parts.status, headers: parts.headers, body })
}
