//! Why a request was refused or failed.
//!
//! There is one variant for each error that a guest can distinguish (`wasi:http`'s `error-code`). The messages are for
//! the operator's log: they name hosts and addresses, and the grant or limit to change.

use std::{io, net::SocketAddr};

use thiserror::Error;

use crate::destination::{Destination, ParseDestinationError};

/// An error of any type, from a request's body or from hyper.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why a request was refused, or how it failed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EgressError {
    /// The request's URI is not one that can be checked.
    #[error("the request's URI is refused: {0}")]
    InvalidUri(#[source] ParseDestinationError),
    /// The path is neither absolute (`/…`) nor, with OPTIONS, `*`. Anything else could name another server.
    #[error("the request's path is refused: it must begin with \"/\"")]
    InvalidPath,
    /// The operator did not grant this destination.
    #[error("{destination} is not granted; grant \"{destination}\" to the plugin if it is meant to go there")]
    Denied {
        /// The destination of the request.
        destination: Destination,
    },
    /// CONNECT asks for a tunnel, which would bypass the list of granted destinations.
    #[error("CONNECT is refused: a tunnel would lead past the granted destinations; send the request itself")]
    TunnelRefused,
    /// An upgrade changes the protocol of the connection to one that cannot be checked or limited.
    #[error("protocol upgrades are refused: only HTTP requests can be limited; remove the \"upgrade\" header")]
    UpgradeRefused,
    /// The content-length header contradicts itself or is not a number.
    #[error("the request's content-length is refused: give it once, as a decimal number, or leave it out")]
    InvalidContentLength,
    /// The host leads to an address that is not for guests.
    #[error(
        "{host} leads to {address}, which is not for guests ({reason}){}; grant \"{grant}\" if this is meant",
        if *.mixed { ", and one such address refuses the whole answer of a look-up" } else { "" }
    )]
    AddressRefused {
        /// The host of the request.
        host: String,
        /// The first refused address.
        address: SocketAddr,
        /// The purpose of the address, and the document that defines it.
        reason: String,
        /// Whether the answer also had addresses that are not refused, which is a sign of DNS rebinding.
        mixed: bool,
        /// The grant that would be needed.
        grant: Destination,
    },
    /// The name could not be resolved, or has no address.
    #[error("{host} could not be resolved: {source}; check the name and the system's resolver")]
    Dns {
        /// The name.
        host: String,
        /// The resolver's error.
        source: io::Error,
    },
    /// The look-up took longer than the connect timeout.
    #[error("{host} was not resolved within the connect timeout; check the system's resolver")]
    DnsTimeout {
        /// The name.
        host: String,
    },
    /// The look-up did not begin within the connect timeout.
    #[error(
        "{host} was not looked up within the connect timeout: others of its plugin or tenant, or {} in all, were under way; \
         names whose servers do not answer are the usual cause",
        crate::limits::MAX_LOOKUPS
    )]
    NoTurnToLookUp {
        /// The name.
        host: String,
    },
    /// No connection could be begun within the connect timeout.
    #[error(
        "no connection to {destination} was begun within the connect timeout: its plugin, its tenant, or all together have \
         as many as they may; servers that are slow are the usual cause, and `ulimit -n` is what sets the number"
    )]
    NoTurnToConnect {
        /// The destination of the request.
        destination: Destination,
    },
    /// No server listens at the address.
    #[error("{address} refused the connection; check that the server runs")]
    ConnectionRefused {
        /// The last address tried.
        address: SocketAddr,
    },
    /// The connection attempt failed.
    #[error("no connection to {address}: {source}")]
    ConnectFailed {
        /// The last address tried.
        address: SocketAddr,
        /// The operating system's error.
        source: io::Error,
    },
    /// The connection or the TLS handshake was not complete within the connect timeout.
    #[error("no connection to {destination} within the connect timeout")]
    ConnectTimeout {
        /// The destination of the request.
        destination: Destination,
    },
    /// This host cannot do TLS, for example because it has no root certificates.
    #[error("TLS cannot be used here: {0}; install the operating system's root certificates (ca-certificates)")]
    TlsSetup(#[source] BoxError),
    /// TLS failed, but not for the certificate.
    #[error("TLS with the server failed: {0}")]
    Tls(#[source] io::Error),
    /// The server's certificate was not accepted.
    #[error("the server's certificate was not accepted: {0}; for a private authority add it to the system's roots")]
    Certificate(#[source] io::Error),
    /// The header of the response was not complete in time.
    #[error("no response within the first-byte timeout")]
    FirstByteTimeout,
    /// The body of the response paused for too long.
    #[error("the response's body paused for longer than the between-bytes timeout")]
    BetweenBytesTimeout,
    /// The whole exchange took too long.
    #[error("the request and its response took longer than their total timeout")]
    TotalTimeout,
    /// The call's response bodies are too large in sum.
    #[error("the responses of this call exceed {limit_bytes} bytes; ask for less, or raise the limit")]
    ResponseBodyTooLarge {
        /// The limit, in bytes.
        limit_bytes: u64,
    },
    /// The header of the response is too large, or informational responses do not end.
    #[error("the response's header exceeds {limit_bytes} bytes or {} fields", crate::limits::MAX_RESPONSE_HEADERS)]
    ResponseHeaderTooLarge {
        /// The limit, in bytes.
        limit_bytes: usize,
    },
    /// The call's request bodies are too large in sum.
    #[error("the requests of this call exceed {limit_bytes} bytes; send less, or raise the limit")]
    RequestBodyTooLarge {
        /// The limit, in bytes.
        limit_bytes: u64,
    },
    /// The call made too many requests.
    #[error("more than {limit} requests in one call; make fewer, or raise the limit")]
    TooManyRequests {
        /// The limit.
        limit: u32,
    },
    /// The request's body failed on the guest's side. The guest's error is among the sources.
    #[error("the request's body failed: {0}")]
    RequestBody(#[source] BoxError),
    /// The server ended the connection before the end of the response.
    #[error("the server closed the connection before the response was complete")]
    Incomplete,
    /// The connection broke.
    #[error("the connection broke: {0}")]
    ConnectionLost(#[source] BoxError),
    /// A kept connection ended after this request, or a part of it, had been sent.
    #[error(
        "the server closed a connection that was kept for it, after the request or a part of it was sent and before a \
         response: it may have the request, which is therefore not sent again ({0})"
    )]
    KeptConnectionLost(#[source] Box<EgressError>),
    /// The server's response is not valid HTTP/1.1.
    #[error("the server broke the HTTP protocol: {0}")]
    Protocol(#[source] BoxError),
}

impl EgressError {
    /// Whether a rule of the operator or of this crate forbade the request, before anything was sent.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        matches!(
            self,
            Self::InvalidUri(_)
                | Self::InvalidPath
                | Self::Denied { .. }
                | Self::TunnelRefused
                | Self::UpgradeRefused
                | Self::InvalidContentLength
                | Self::AddressRefused { .. }
        )
    }
}
