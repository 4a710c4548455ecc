//! The timeouts of one request and of its parts.

use std::time::Duration;

use tokio::time::Instant;

/// Used if an addition would overflow: practically never, and tokio's own choice.
const FAR_FUTURE: Duration = Duration::from_secs(86_400 * 365 * 30);

/// The longest times of one request. The caller clamps them to the rest of the guest's call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// For the look-up, the connection and the TLS handshake together.
    pub connect: Duration,
    /// From the connection until the response's header is complete; the request is sent in it.
    pub first_byte: Duration,
    /// Between two pieces of the response's body.
    pub between_bytes: Duration,
    /// For everything, until the last byte of the response's body. The other three alone do not stop a server that
    /// repeatedly sends one byte just in time.
    pub total: Duration,
}

/// Returns the moment `duration` after `start`.
pub(crate) fn after(start: Instant, duration: Duration) -> Instant {
    start.checked_add(duration).unwrap_or_else(|| start + FAR_FUTURE)
}
