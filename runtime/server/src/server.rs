//! The server, as the program holds it.

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

/// Serves owners, operators and readers, on as many listeners as the program has. Cheap to clone.
///
/// To stop a daemon, keep serving while the runtime drains, so that ends are still taken and outcomes told. Then call
/// [`drained`](Self::drained) with the report, and then [`close`](Self::close). To hand the sessions over to the next
/// run, call `close` first, then `Runtime::detach`.
#[derive(Clone)]
pub struct Server {
    shared: Arc<Shared>,
}

/// A listener that the server refuses to serve.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ServeError {
    /// Tokens would be readable on the way.
    #[error(
        "{0} can be reached from other machines, and without TLS whoever is between reads the tokens: give it a certificate"
    )]
    PlainOffLoopback(SocketAddr),
    /// The listener does not tell its address.
    #[error("the address of the listener cannot be read: {0}")]
    Address(#[from] std::io::Error),
}

impl Server {
    /// Begins to build a server of this runtime. Pass an observer of the same runtime
    /// ([`lastword::Builder::observer`]).
    #[must_use]
    pub fn builder(runtime: Runtime, observer: ServerObserver) -> ServerBuilder {
        ServerBuilder::new(runtime, observer)
    }

    pub(crate) fn new(builder: ServerBuilder) -> Self {
        Self { shared: Shared::begin(builder) }
    }

    /// Continues the sessions of owners that outlived the last run: those whose process still runs, and, for the time
    /// of their lease, those that had one. Call it once, before the first listener is served and within the runtime's
    /// [`attach_grace`](lastword::Builder::attach_grace), which should be
    /// [`OwnerSettings::grace`](crate::OwnerSettings::grace) or longer. The other sessions of the last run end after
    /// that grace, unless an owner starts them again within it.
    pub async fn resume(&self) -> Resumed {
        self.shared.owners.resume(&self.shared.runtimes).await
    }

    /// Serves a Unix socket until [`close`](Self::close). A caller that can open it is operator of all tenants.
    pub async fn serve_unix(&self, listener: UnixListener) {
        http::serve_unix(&self.shared, listener).await;
    }

    /// Serves a TCP listener until [`close`](Self::close), for callers with a token.
    ///
    /// # Errors
    /// When other machines reach the listener and it has no TLS.
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

    /// Reports the daemon's drain to raw connections, streams and metrics. Call it once, between the drain and
    /// [`close`](Self::close).
    pub fn drained(&self, report: &DrainReport) {
        self.shared.observer.drained(report);
    }

    /// Takes no new connection and no new request, lets those under way finish until `until`, and closes all
    /// connections. Stops watching owners: active sessions stay active.
    pub async fn close(&self, until: Instant) {
        self.shared.owners.stop();
        self.shared.connections.close(until).await;
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Returns the daemon's work at this moment.
    #[must_use]
    pub fn activity(&self) -> Activity {
        self.shared.activity()
    }

    /// Returns what is active, owed and wrong.
    #[must_use]
    pub fn status(&self) -> Status {
        self.shared.status()
    }
}
