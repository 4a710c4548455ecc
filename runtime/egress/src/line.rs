//! An HTTP/1.1 connection: one request after the other.

use std::{
    future::poll_fn,
    net::SocketAddr,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, Waker},
};

use http::{Request, Response, StatusCode};
use hyper::{
    body::Incoming,
    client::conn::{TrySendError, http1},
};
use tokio::{
    task::coop::unconstrained,
    time::{Instant, timeout_at},
};

use crate::{
    error::EgressError,
    head_gate::HeadGate,
    hyper_error::from_hyper,
    io::{GatedIo, Transport},
    limits::{Limits, MAX_KEPT_HEADER_BYTES, MAX_RESPONSE_HEADERS, MIN_HYPER_BUFFER_BYTES},
    request_body::RequestBody,
};

/// hyper's part of the connection. `None` once it has ended, because it must not be polled again.
type Http = Option<Pin<Box<http1::Connection<GatedIo, RequestBody>>>>;

/// An open connection. Dropping it closes it.
pub(crate) struct Line {
    sender: http1::SendRequest<RequestBody>,
    http: Http,
    gate: Arc<HeadGate>,
    peer: SocketAddr,
    /// The limits of the current exchange's call.
    limits: Limits,
    was_kept: bool,
    /// Whether its buffers have grown for a header.
    is_large: bool,
}

/// The result of a request.
pub(crate) enum Reply {
    /// The header of the response has come.
    Answered(Response<Incoming>),
    /// The connection ended before any byte of the request was sent.
    NotSent(Box<Request<RequestBody>>, EgressError),
    /// Bytes of the request may have been sent.
    Failed(EgressError),
}

impl Line {
    /// Takes a new connection to `peer`, for requests of calls with these header limits.
    pub(crate) async fn new(transport: Transport, peer: SocketAddr, limits: Limits) -> Result<Self, EgressError> {
        let gate = Arc::new(HeadGate::new());
        let (sender, http) = http1::Builder::new()
            .max_headers(MAX_RESPONSE_HEADERS)
            .max_buf_size(limits.max_response_header_bytes.max(MIN_HYPER_BUFFER_BYTES))
            .handshake(GatedIo::new(transport, Arc::clone(&gate)))
            .await
            .map_err(|error| from_hyper(error, limits))?;
        Ok(Self { sender, http: Some(Box::pin(http)), gate, peer, limits, was_kept: false, is_large: false })
    }

    /// Returns the address of its peer.
    pub(crate) const fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// Sends `request`, and waits for the header of the response until the sooner of `head_deadline` and `deadline`,
    /// the exchange's own.
    ///
    /// A kept connection is checked first: hyper reads before it writes, and returns the request if the server has
    /// closed the connection or sent unrequested bytes.
    pub(crate) async fn exchange(
        &mut self,
        request: Request<RequestBody>,
        limits: Limits,
        head_deadline: Instant,
        deadline: Instant,
    ) -> Reply {
        self.limits = limits;
        self.gate.close(limits.max_response_header_bytes, self.was_kept);
        let sent = header_bytes(&request);
        let Self { sender, http, gate, is_large, .. } = self;
        // Without this, a task with no budget left would not see an answer that is ready.
        let mut answer = pin!(unconstrained(sender.try_send_request(request)));
        let head = poll_fn(|cx| {
            if let Poll::Ready(answer) = answer.as_mut().poll(cx) {
                return Poll::Ready(reply(answer, limits));
            }
            let ended = poll_http(http, cx, limits);
            if let Poll::Ready(answer) = answer.as_mut().poll(cx) {
                return Poll::Ready(reply(answer, limits));
            }
            match ended {
                Poll::Ready(ended) => Poll::Ready(Reply::Failed(ended.err().unwrap_or(EgressError::Incomplete))),
                Poll::Pending if gate.is_used_up() => {
                    let limit_bytes = limits.max_response_header_bytes;
                    Poll::Ready(Reply::Failed(EgressError::ResponseHeaderTooLarge { limit_bytes }))
                }
                Poll::Pending => Poll::Pending,
            }
        });
        let reply = match timeout_at(head_deadline.min(deadline), head).await {
            Ok(reply) => reply,
            Err(_) if deadline <= head_deadline => Reply::Failed(EgressError::TotalTimeout),
            Err(_) => Reply::Failed(EgressError::FirstByteTimeout),
        };
        let received = limits.max_response_header_bytes.saturating_sub(gate.open());
        *is_large = sent.saturating_add(received) > MAX_KEPT_HEADER_BYTES;
        match reply {
            Reply::Answered(response) if response.status() == StatusCode::SWITCHING_PROTOCOLS => {
                Reply::Failed(EgressError::Protocol("it switched protocols without being asked to".into()))
            }
            reply => reply,
        }
    }

    /// Sends the rest of the request and reads the rest of the response. Ready when the connection has ended.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), EgressError>> {
        poll_http(&mut self.http, cx, self.limits)
    }

    /// Whether the whole request was sent, the whole response was read from the connection, and the server keeps it
    /// open.
    pub(crate) fn is_idle(&self) -> bool {
        self.http.is_some() && self.sender.is_ready()
    }

    /// Releases the waker of the last task, so that a finished task is neither woken nor kept in memory. `None` if the
    /// server has closed the connection, or if it is too large to be kept.
    pub(crate) fn rest(mut self) -> Option<Self> {
        if self.is_large {
            return None;
        }
        let is_open = self.poll(&mut Context::from_waker(Waker::noop())).is_pending() && self.is_idle();
        self.was_kept = true;
        is_open.then_some(self)
    }
}

/// Returns the size of a request's header in hyper's buffer, in bytes.
fn header_bytes(request: &Request<RequestBody>) -> usize {
    let path = request.uri().path_and_query().map_or(0, |path| path.as_str().len());
    request.headers().iter().fold(path, |bytes, (name, value)| {
        bytes.saturating_add(name.as_str().len()).saturating_add(value.len()).saturating_add(": \r\n".len())
    })
}

fn poll_http(http: &mut Http, cx: &mut Context<'_>, limits: Limits) -> Poll<Result<(), EgressError>> {
    let Some(open) = http else { return Poll::Ready(Ok(())) };
    open.as_mut().poll(cx).map(|ended| {
        *http = None;
        ended.map_err(|error| from_hyper(error, limits))
    })
}

fn reply(answer: Result<Response<Incoming>, TrySendError<Request<RequestBody>>>, limits: Limits) -> Reply {
    match answer {
        Ok(response) => Reply::Answered(response),
        Err(mut failed) => {
            let request = failed.take_message();
            let error = from_hyper(failed.into_error(), limits);
            match request {
                Some(request) => Reply::NotSent(Box::new(request), error),
                None => Reply::Failed(error),
            }
        }
    }
}
