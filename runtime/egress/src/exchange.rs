//! One request and its response.

use std::{
    fmt,
    future::{poll_fn, ready},
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::Poll,
};

use http::{Request, Response};
use hyper::body::Incoming;
use tokio::{
    runtime::Handle,
    time::{Instant, timeout_at},
};

use crate::{
    again,
    allowance::Allowance,
    destination::Destination,
    dial::Dialler,
    error::EgressError,
    idle::KeptFor,
    kept::Kept,
    limits::CLOSED_CONNECTIONS_TRIED,
    line::{Line, Reply},
    request_body::RequestBody,
    response_body::ResponseBody,
    timeouts::{Timeouts, after},
    turns::Turn,
};

/// Drives a connection: sends the rest of the request's body, and reads the response's body.
///
/// The future ends with the exchange, at the latest at its total timeout. If both were complete, the connection is then
/// kept for the next request. Dropping the future earlier closes the connection.
pub type Connection = Pin<Box<dyn Future<Output = Result<(), EgressError>> + Send>>;

/// A response whose header has come.
pub struct Sent {
    /// The response. Its body comes while [`connection`](Self::connection) is polled.
    pub response: Response<ResponseBody>,
    /// Spawn it, and abort it when the guest's call ends.
    pub connection: Connection,
}

impl fmt::Debug for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sent").field("response", &self.response).finish_non_exhaustive()
    }
}

/// A request that is being sent, and its timeouts.
#[derive(Clone, Copy)]
pub(crate) struct Exchange<'a> {
    pub(crate) dialler: &'a Dialler,
    pub(crate) allowance: &'a Arc<Allowance>,
    pub(crate) timeouts: Timeouts,
    pub(crate) deadline: Instant,
}

impl Exchange<'_> {
    /// Sends `request`, which was checked and rewritten, to `destination`, and waits for the header of the response.
    /// `connected` is the deadline for the connection and everything else that sending needs.
    pub(crate) async fn send(
        self,
        destination: Destination,
        mut request: Request<RequestBody>,
        mut connected: Instant,
    ) -> Result<Sent, EgressError> {
        let Self { dialler, allowance, .. } = self;
        let (account, limits) = (allowance.account(), allowance.limits());
        let addresses = dialler.addresses(&destination, allowance, connected).await?;
        // Declared before the connection, because variables are dropped in reverse order.
        let turn = dialler.turn(&destination, account, connected).await?;
        let kept_for = Arc::new(KeptFor {
            account: account.clone(),
            destination,
            max_response_header_bytes: limits.max_response_header_bytes,
            runtime: Handle::current().id(),
        });
        let is_checked = |line: &Line| addresses.contains(&line.peer());
        let mut closed = 0;
        while closed < CLOSED_CONNECTIONS_TRIED
            && let Some(mut line) = dialler.kept.take(&kept_for, is_checked)
        {
            let copy = again::copy(&request);
            match line.exchange(request, limits, self.head_deadline(), self.deadline).await {
                Reply::Answered(response) => return Ok(self.answered(response, line, turn, kept_for)),
                Reply::NotSent(back, _) => {
                    request = *back;
                    closed += 1;
                }
                Reply::Failed(error) => {
                    request = again::instead(error, copy)?;
                    connected = after(Instant::now(), self.timeouts.connect).min(self.deadline);
                    break;
                }
            }
        }
        let mut line = self.dial(&kept_for.destination, &addresses, connected).await?;
        match line.exchange(request, limits, self.head_deadline(), self.deadline).await {
            Reply::Answered(response) => Ok(self.answered(response, line, turn, kept_for)),
            Reply::NotSent(_, error) | Reply::Failed(error) => Err(error),
        }
    }

    async fn dial(
        self,
        destination: &Destination,
        addresses: &[SocketAddr],
        connected: Instant,
    ) -> Result<Line, EgressError> {
        let (account, limits) = (self.allowance.account(), self.allowance.limits());
        self.dialler.dial(destination, addresses, account, limits, connected).await
    }

    fn head_deadline(self) -> Instant {
        after(Instant::now(), self.timeouts.first_byte)
    }

    fn answered(self, response: Response<Incoming>, line: Line, turn: Turn, kept_for: Arc<KeptFor>) -> Sent {
        let Self { dialler, allowance, timeouts, deadline } = self;
        let response =
            response.map(|body| ResponseBody::new(body, Arc::clone(allowance), timeouts.between_bytes, deadline));
        let busy = Busy { line, turn, kept: Arc::clone(&dialler.kept), kept_for };
        let connection: Connection = if busy.line.is_idle() {
            // A short response comes with its header, so nothing is left to drive.
            busy.keep();
            Box::pin(ready(Ok(())))
        } else {
            Box::pin(busy.drive(deadline))
        };
        Sent { response, connection }
    }
}

/// A connection whose exchange is not complete.
struct Busy {
    line: Line,
    /// Declared after the connection, because fields are dropped in order.
    turn: Turn,
    kept: Arc<Kept<Line>>,
    kept_for: Arc<KeptFor>,
}

impl Busy {
    async fn drive(mut self, deadline: Instant) -> Result<(), EgressError> {
        let over = poll_fn(|cx| match self.line.poll(cx) {
            Poll::Pending if self.line.is_idle() => Poll::Ready(Ok(())),
            polled => polled,
        });
        let over = timeout_at(deadline, over).await.unwrap_or(Err(EgressError::TotalTimeout));
        if self.line.is_idle() {
            self.keep();
        }
        over
    }

    /// Keeps the connection for the next request of the same plugin, tenant and destination.
    fn keep(self) {
        let Self { line, turn, kept, kept_for } = self;
        if let Some(line) = line.rest() {
            kept.put(kept_for, line, turn);
        }
    }
}
