//! The one way out.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use http::Request;
use http_body::Body;
use rustls::ClientConfig;
use tokio::time::Instant;

use crate::{
    allowance::Allowance,
    dial::Dialler,
    error::{BoxError, EgressError},
    exchange::{Exchange, Sent},
    outgoing,
    request_body::RequestBody,
    resolve::{Resolve, SystemResolver},
    timeouts::{Timeouts, after},
    tls::Tls,
};

/// Sends guests' requests. One for each process; a clone shares everything.
#[derive(Clone)]
pub struct Egress {
    dialler: Dialler,
}

impl Egress {
    /// With the operating system's resolver and root certificates. The latter are read by the first `https` request.
    #[must_use]
    pub fn new() -> Self {
        Self { dialler: Dialler::new(Arc::new(SystemResolver::new())) }
    }

    /// With another resolver. Its answers are checked like any other's.
    #[must_use]
    pub fn with_resolver(self, resolver: Arc<dyn Resolve>) -> Self {
        Self { dialler: self.dialler.with_resolver(resolver) }
    }

    /// With another TLS configuration, for an embedder's own certificate authority or client certificate. It is taken
    /// as it is, but for ALPN, which becomes `http/1.1`, and for the store of sessions to resume: each plugin has one of
    /// its own for each tenant. No connection is kept that was made before. A clone of what this was keeps its own: both
    /// may have as many idle ones as there may be. So set it before the first request, and drop the clone.
    #[must_use]
    pub fn with_tls(self, config: &ClientConfig) -> Self {
        Self { dialler: self.dialler.with_tls(Tls::with_config(config)) }
    }

    /// Sends one request and waits for the header of its response.
    ///
    /// The request needs a full URI, with scheme and authority. Dropping the future closes the connection.
    ///
    /// It goes over a connection that is kept from an earlier request, if there is one of the same plugin and tenant to the
    /// same scheme, host and port, at an address that the name has now. When such a connection ends before a response, a
    /// request of which nothing was sent, and a GET, HEAD, PUT or DELETE without a body, is sent once more on a new connection.
    ///
    /// # Errors
    ///
    /// A refusal ([`EgressError::is_refusal`]) when a rule forbids the request: nothing was sent, and it is noted in
    /// the allowance. Otherwise what went wrong until the header had come; what comes later is in the body's frames.
    pub async fn send<B>(
        &self,
        allowance: &Arc<Allowance>,
        request: Request<B>,
        timeouts: Timeouts,
    ) -> Result<Sent, EgressError>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let sent = self.try_send(allowance, request, timeouts).await;
        if let Err(error) = &sent
            && error.is_refusal()
        {
            allowance.note_refusal(error);
        }
        sent
    }

    async fn try_send<B>(
        &self,
        allowance: &Arc<Allowance>,
        request: Request<B>,
        timeouts: Timeouts,
    ) -> Result<Sent, EgressError>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let start = Instant::now();
        let deadline = after(start, timeouts.total);
        allowance.count_request()?;
        let destination = outgoing::destination(request.uri())?;
        if !allowance.allow_list().permits(&destination) {
            return Err(EgressError::Denied { destination });
        }
        let request = outgoing::rewrite(request, &destination, allowance.limits())?;
        let request = request.map(|body| RequestBody::new(body, Arc::clone(allowance)));
        let connected = after(start, timeouts.connect).min(deadline);
        let exchange = Exchange { dialler: &self.dialler, allowance, timeouts, deadline };
        exchange.send(destination, request, connected).await
    }

    /// Closes the connections that are kept and not in use. Requests that are under way go on; their connections are kept
    /// again when they are over, for [`IDLE_CONNECTION_STAYS`](crate::limits::IDLE_CONNECTION_STAYS).
    pub fn close_idle_connections(&self) {
        self.dialler.kept.close();
    }
}

impl Default for Egress {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Egress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Egress").field("tls", &self.dialler.tls).finish_non_exhaustive()
    }
}
