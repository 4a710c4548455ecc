//! One connection, from its first byte.

use std::io::Cursor;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use futures_util::future::Either;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use lastword_process::Peer;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, join};
use tokio::net::UnixStream;
use tokio::time::timeout;
use tokio_io_timeout::TimeoutStream;
use tower::ServiceExt;

use super::caller::Origin;
use super::client_gone;
use super::connections::Place;
use crate::limits::{MAX_HEAD_BYTES, MAX_HEADERS};
use crate::raw;
use crate::shared::Shared;

/// The first byte of a line of the stdio protocol. No HTTP request begins with it.
const LINE_BEGINS: u8 = b'{';

/// Serves a connection of the Unix socket: the stdio protocol, or HTTP.
pub(crate) async fn serve_socket(shared: Arc<Shared>, stream: UnixStream, router: Router, place: Place) {
    let peer = Peer::of(&stream).inspect_err(|error| tracing::debug!(%error, "a peer cannot be seen")).ok();
    let (mut reader, writer) = stream.into_split();
    let mut closing = shared.connections.closing();
    let mut first = [0];
    let read = tokio::select! {
        biased;
        () = closing.comes() => return,
        read = timeout(shared.limits.head_timeout, reader.read(&mut first)) => read,
    };
    if !matches!(read, Ok(Ok(1))) {
        return;
    }
    if first == [LINE_BEGINS] {
        let mut cut = shared.connections.closing();
        let serving = raw::serve(shared.clone(), reader, writer, first.to_vec());
        tokio::select! {
            () = serving => {}
            () = cut.cuts() => {}
        }
        drop(place);
        return;
    }
    let stream = join(Cursor::new(first).chain(reader), writer);
    serve_http(&shared, stream, Origin::socket(peer), router, place).await;
}

/// Serves HTTP until the client leaves, is too slow, or the server closes.
pub(crate) async fn serve_http<S>(shared: &Arc<Shared>, stream: S, origin: Origin, router: Router, place: Place)
where
    S: AsyncRead + AsyncWrite + Send + 'static,
{
    let io = TokioIo::new(patient(stream, shared.limits.write_timeout));
    let is_socket = origin.is_socket();
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(origin.clone());
        let (router, request) = (router.clone(), request.map(Body::new));
        match is_socket {
            true => Either::Left(router.oneshot(request)),
            false => Either::Right(client_gone::answer(router, request)),
        }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(shared.limits.head_timeout)
        .max_headers(MAX_HEADERS)
        .max_header_size(MAX_HEAD_BYTES)
        // A client of the socket that has sent everything may close its half and read the answer. A client over TCP may
        // be gone, and the tasks that wait for it have to be told.
        .half_close(is_socket);
    let mut serving = pin!(http.serve_connection(io, service));
    let (mut closing, mut cut) = (shared.connections.closing(), shared.connections.closing());
    let served = tokio::select! {
        served = serving.as_mut() => Some(served),
        () = closing.comes() => None,
    };
    let served = match served {
        Some(served) => Some(served),
        None => {
            // The connection answers the request that is under way, and takes no other.
            serving.as_mut().graceful_shutdown();
            tokio::select! {
                served = serving.as_mut() => Some(served),
                () = cut.cuts() => None,
            }
        }
    };
    if let Some(Err(error)) = served {
        tracing::debug!(%error, "a connection ended before its time");
    }
    drop(place);
}

/// Returns a stream that fails when its reader takes no byte for `patience`.
fn patient<S: AsyncRead + AsyncWrite>(stream: S, patience: Duration) -> std::pin::Pin<Box<TimeoutStream<S>>> {
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(patience));
    Box::pin(stream)
}
