//! The server: what the program holds of all this.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use lastword::Runtime;
use lastword::events::DrainReport;
use thiserror::Error;
use tokio::net::{TcpListener, UnixListener};

use crate::activity::Activity;
use crate::builder::ServerBuilder;
use crate::http;
use crate::observer::ServerObserver;
use crate::owners::Resumed;
use crate::shared::Shared;
use crate::status::Status;

/// Serves owners, operators and those who only look, on as many listeners as the program has. Cheap to clone.
///
/// To stop a daemon: leave it serving while the runtime drains, so that ends are still taken and outcomes told; call
/// [`drained`](Self::drained) with the report; then [`close`](Self::close). To hand its sessions over to the next run: `close` first, then
/// `Runtime::detach`.
#[derive(Clone)]
pub struct Server {
    shared: Arc<Shared>,
}

/// A listener that is not served.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ServeError {
    /// Tokens would be readable by everybody on the way.
    #[error(
        "{0} can be reached from other machines, and without TLS whoever is between reads the tokens: give it a certificate"
    )]
    PlainOffLoopback(SocketAddr),
    /// The listener does not say where it listens.
    #[error("the address of the listener cannot be read: {0}")]
    Address(#[from] std::io::Error),
}

impl Server {
    /// Begins to build a server of this runtime. The observer is one of the runtime's ([`lastword::Builder::observer`]).
    #[must_use]
    pub fn builder(runtime: Runtime, observer: ServerObserver) -> ServerBuilder {
        ServerBuilder::new(runtime, observer)
    }

    pub(crate) fn new(builder: ServerBuilder) -> Self {
        Self { shared: Shared::begin(builder) }
    }

    /// Goes on with the sessions of owners that outlived the last run: those whose process still runs, and for the time of their lease
    /// those that had one. Call it once, before the first listener is served and within the runtime's
    /// [`attach_grace`](lastword::Builder::attach_grace), which should be [`OwnerSettings::grace`](crate::OwnerSettings::grace) or
    /// longer. Other sessions of the last run are left to that grace: whoever starts them again within it has them.
    pub async fn resume(&self) -> Resumed {
        self.shared.owners.resume(&self.shared.runtime).await
    }

    /// Serves a Unix socket until [`close`](Self::close). Whoever can open it is operator of all tenants.
    pub async fn serve_unix(&self, listener: UnixListener) {
        http::serve_unix(&self.shared, listener).await;
    }

    /// Serves a TCP listener until [`close`](Self::close), to whoever has a token.
    ///
    /// # Errors
    /// When other machines reach it and there is no TLS.
    pub async fn serve_tcp(
        &self,
        listener: TcpListener,
        tls: Option<Arc<rustls::ServerConfig>>,
    ) -> Result<(), ServeError> {
        let address = listener.local_addr()?;
        if tls.is_none() && !address.ip().is_loopback() {
            return Err(ServeError::PlainOffLoopback(address));
        }
        self.shared.serves(address, tls.is_some());
        http::serve_tcp(&self.shared, listener, tls).await;
        Ok(())
    }

    /// Tells raw connections, streams and metrics how the daemon's drain went. To be called once, between the drain and
    /// [`close`](Self::close).
    pub fn drained(&self, report: &DrainReport) {
        self.shared.observer.drained(report);
    }

    /// Takes no new connection and no new request, lets those under way come to their end until then, and closes all
    /// connections. Owners are not looked after any more: what is active stays so.
    pub async fn close(&self, until: Instant) {
        self.shared.owners.stop();
        self.shared.connections.close(until).await;
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Whether anybody needs the server.
    #[must_use]
    pub fn activity(&self) -> Activity {
        self.shared.activity()
    }

    /// What is active, owed and wrong.
    #[must_use]
    pub fn status(&self) -> Status {
        self.shared.status()
    }
}
