//! One request and its response over a connection of its own.

use std::{
    fmt,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::Body;
use hyper::{body::Incoming, client::conn::http1};
use tokio::time::{Instant, timeout_at};

use crate::{
    allowance::Allowance,
    dial::Dialled,
    error::{BoxError, EgressError},
    head_gate::HeadGate,
    hyper_error::from_hyper,
    io::GatedIo,
    limits::{Limits, MAX_RESPONSE_HEADERS, MIN_HYPER_BUFFER_BYTES},
    request_body::RequestBody,
    response_body::ResponseBody,
    timeouts::{Timeouts, after},
    turns::Turn,
};

/// Drives a connection: without it neither the rest of the request's body is sent nor the response's body read.
///
/// It ends with the exchange, at the latest at its total timeout; dropping it closes the connection.
pub type Connection = Pin<Box<dyn Future<Output = Result<(), EgressError>> + Send>>;

/// A response whose header has come.
pub struct Sent {
    /// The response. Its body comes while [`connection`](Self::connection) is polled.
    pub response: Response<ResponseBody>,
    /// To be spawned, and to be aborted when the guest's call ends.
    pub connection: Connection,
}

impl fmt::Debug for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sent").field("response", &self.response).finish_non_exhaustive()
    }
}

/// Sends `request`, which was checked and rewritten, and waits for the header of the response.
pub(crate) async fn exchange<B>(
    dialled: Dialled,
    request: Request<B>,
    allowance: &Arc<Allowance>,
    timeouts: Timeouts,
    deadline: Instant,
) -> Result<Sent, EgressError>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let Dialled { transport, turn } = dialled;
    let limits = allowance.limits();
    let head_deadline = after(Instant::now(), timeouts.first_byte);
    let gate = Arc::new(HeadGate::new(limits.max_response_header_bytes));
    let request = request.map(|body| RequestBody::new(body, Arc::clone(allowance)));
    let (mut sender, connection) = http1::Builder::new()
        .max_headers(MAX_RESPONSE_HEADERS)
        .max_buf_size(limits.max_response_header_bytes.max(MIN_HYPER_BUFFER_BYTES))
        .handshake(GatedIo::new(transport, Arc::clone(&gate)))
        .await
        .map_err(|error| from_hyper(error, limits))?;
    let mut driver = Driver { connection: Some(Box::pin(connection)), limits, _turn: turn };
    let mut response = pin!(sender.send_request(request));

    let head = std::future::poll_fn(|cx| {
        if let Poll::Ready(response) = response.as_mut().poll(cx) {
            return Poll::Ready(response.map_err(|error| from_hyper(error, limits)));
        }
        let ended = driver.poll(cx);
        if let Poll::Ready(response) = response.as_mut().poll(cx) {
            return Poll::Ready(response.map_err(|error| from_hyper(error, limits)));
        }
        match ended {
            Poll::Ready(ended) => Poll::Ready(Err(ended.err().unwrap_or(EgressError::Incomplete))),
            Poll::Pending if gate.is_used_up() => {
                Poll::Ready(Err(EgressError::ResponseHeaderTooLarge { limit_bytes: limits.max_response_header_bytes }))
            }
            Poll::Pending => Poll::Pending,
        }
    });
    let response: Response<Incoming> = match timeout_at(head_deadline.min(deadline), head).await {
        Ok(response) => response?,
        Err(_) if deadline <= head_deadline => return Err(EgressError::TotalTimeout),
        Err(_) => return Err(EgressError::FirstByteTimeout),
    };
    gate.open();
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        return Err(EgressError::Protocol("it switched protocols without being asked to".into()));
    }
    let response =
        response.map(|body| ResponseBody::new(body, Arc::clone(allowance), timeouts.between_bytes, deadline));
    let connection = Box::pin(async move {
        let driven = std::future::poll_fn(move |cx| driver.poll(cx));
        timeout_at(deadline, driven).await.unwrap_or(Err(EgressError::TotalTimeout))
    });
    Ok(Sent { response, connection })
}

/// hyper's connection, which must not be polled again after its end: it may end while the header is waited for.
struct Driver<C> {
    connection: Option<Pin<Box<C>>>,
    limits: Limits,
    /// Behind the connection: fields are dropped in their order.
    _turn: Turn,
}

impl<C: Future<Output = hyper::Result<()>>> Driver<C> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), EgressError>> {
        let Some(connection) = &mut self.connection else { return Poll::Ready(Ok(())) };
        connection.as_mut().poll(cx).map(|ended| {
            self.connection = None;
            ended.map_err(|error| from_hyper(error, self.limits))
        })
    }
}
