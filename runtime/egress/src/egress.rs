//! Sends guests' requests.

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

/// Sends guests' requests. Make one for each process; a clone shares everything.
#[derive(Clone)]
pub struct Egress {
    dialler: Dialler,
}

impl Egress {
    /// Makes an egress with the operating system's resolver and root certificates. The first `https` request reads the
    /// certificates.
    #[must_use]
    pub fn new() -> Self {
        Self { dialler: Dialler::new(Arc::new(SystemResolver::new())) }
    }

    /// Replaces the resolver. Its answers are checked as well.
    #[must_use]
    pub fn with_resolver(self, resolver: Arc<dyn Resolve>) -> Self {
        Self { dialler: self.dialler.with_resolver(resolver) }
    }

    /// Replaces the TLS configuration, for an embedder's own certificate authority or client certificate. Two settings
    /// are overwritten: ALPN becomes `http/1.1`, and each plugin gets its own store of TLS sessions for each tenant.
    /// Earlier connections are not reused. A clone of the former egress keeps its own connections, and both may then
    /// have the full number of idle ones. So call this before the first request, and drop the clone.
    #[must_use]
    pub fn with_tls(self, config: &ClientConfig) -> Self {
        Self { dialler: self.dialler.with_tls(Tls::with_config(config)) }
    }

    /// Sends one request and waits for the header of its response.
    ///
    /// The request needs a full URI, with scheme and authority. Dropping the future closes the connection.
    ///
    /// The request uses a kept connection, if there is one of the same plugin and tenant to the same scheme, host and
    /// port, at a current address of the name. If that connection ends before a response, the request is sent once more
    /// on a new connection, provided that no byte of it was sent, or that it is a GET, HEAD, PUT or DELETE without a
    /// body.
    ///
    /// # Errors
    ///
    /// A refusal ([`EgressError::is_refusal`]) if a rule forbids the request: nothing was sent, and the allowance
    /// records the refusal. Otherwise the failure before the header was complete; later failures are in the body's
    /// frames.
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

    /// Closes the idle connections. Running requests continue, and their connections are kept again afterwards, for
    /// [`IDLE_CONNECTION_STAYS`](crate::limits::IDLE_CONNECTION_STAYS).
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
