//! The settings that a program can change.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::limits;

/// How the server watches owners.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnerSettings {
    /// The time between an owner's death and the end of its sessions. An end that the owner sends within it counts, and
    /// the owner may come back. Default: [`DEFAULT_GRACE`](limits::DEFAULT_GRACE).
    pub grace: Duration,
    /// The silence, by kind of owner, after which a session ends as `idle`. A kind that is not named here may be silent
    /// for ever, which is the default. The kind is the one that the owner registered with, else the session's
    /// `owner_kind`.
    pub idle_after: BTreeMap<Arc<str>, Duration>,
    /// The time that an owner's drain (`DELETE /v1/owners/{owner}`) waits for its deliveries. A delivery that is not
    /// made by then stays owed, and is made later. Default: [`DEFAULT_OWNER_DRAIN`](limits::DEFAULT_OWNER_DRAIN).
    pub drain_budget: Duration,
}

impl Default for OwnerSettings {
    fn default() -> Self {
        Self { grace: limits::DEFAULT_GRACE, idle_after: BTreeMap::new(), drain_budget: limits::DEFAULT_OWNER_DRAIN }
    }
}

/// The limits for clients. Change some of the fields of [`ServerLimits::default`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerLimits {
    /// Connections at once to Unix sockets. One more is answered `503` and closed. Default: [`limits::MAX_CONNECTIONS`].
    pub connections: usize,
    /// Connections at once over TCP, which take no place from the Unix sockets. Default: [`limits::MAX_CONNECTIONS`].
    pub network_connections: usize,
    /// TCP connections at once that have not shown a valid token yet. Default: [`limits::MAX_STRANGERS`].
    pub strangers: usize,
    /// Connections at once with tokens of one tenant. Default: [`limits::MAX_TENANT_CONNECTIONS`].
    pub tenant_connections: usize,
    /// Requests at once of one tenant's tokens that wait for deliveries or watch the stream. Default: [`limits::MAX_TENANT_WAITS`].
    pub tenant_waits: usize,
    /// Requests a second with one token. Each line of `POST /v1/events` counts as one. After a second of silence as
    /// many may come at once. Default: [`limits::MAX_REQUESTS_PER_SECOND`].
    pub requests_per_second: u32,
    /// Bytes of a request's body. Default: [`limits::MAX_BODY_BYTES`].
    pub body_bytes: usize,
    /// Bytes of the body of `POST /v1/events`, which has many lines. Default: [`limits::MAX_EVENTS_BODY_BYTES`].
    pub events_body_bytes: usize,
    /// Bytes of all bodies that are held at once; more are answered `503`. Default: [`limits::MAX_BODIES_BYTES`].
    pub bodies_bytes: usize,
    /// Bytes of the bodies of one tenant's tokens that are held at once; more are answered `429`. Default:
    /// [`limits::MAX_TENANT_BODIES_BYTES`].
    pub tenant_bodies_bytes: usize,
    /// The time for a request's head, counted from the end of the request before. So it is also the longest idle time
    /// of a connection. Default: [`limits::HEAD_TIMEOUT`].
    pub head_timeout: Duration,
    /// The time for a request's body. Default: [`limits::BODY_TIMEOUT`].
    pub body_timeout: Duration,
    /// The time in which a client has to take a byte of its answer. Default: [`limits::WRITE_TIMEOUT`].
    pub write_timeout: Duration,
    /// The longest wait of `?wait=delivered`, and its default. Default: [`limits::MAX_WAIT`].
    pub wait: Duration,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            connections: limits::MAX_CONNECTIONS,
            network_connections: limits::MAX_CONNECTIONS,
            strangers: limits::MAX_STRANGERS,
            tenant_connections: limits::MAX_TENANT_CONNECTIONS,
            tenant_waits: limits::MAX_TENANT_WAITS,
            requests_per_second: limits::MAX_REQUESTS_PER_SECOND,
            body_bytes: limits::MAX_BODY_BYTES,
            events_body_bytes: limits::MAX_EVENTS_BODY_BYTES,
            bodies_bytes: limits::MAX_BODIES_BYTES,
            tenant_bodies_bytes: limits::MAX_TENANT_BODIES_BYTES,
            head_timeout: limits::HEAD_TIMEOUT,
            body_timeout: limits::BODY_TIMEOUT,
            write_timeout: limits::WRITE_TIMEOUT,
            wait: limits::MAX_WAIT,
        }
    }
}

impl ServerLimits {
    /// Returns the default limits for a process that may have so many files open. Connections leave enough files to the
    /// journal and to watched owners.
    #[must_use]
    pub fn within(open_files: u64) -> Self {
        let part = usize::try_from(open_files / limits::FILES_FOR_A_CONNECTION).unwrap_or(usize::MAX);
        let connections = part.clamp(1, limits::MAX_CONNECTIONS);
        // Leaves at least as many places to connections with tokens.
        let strangers = (connections / 2).clamp(1, limits::MAX_STRANGERS);
        Self { connections, network_connections: connections, strangers, ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_half_of_the_files_to_the_rest() {
        for (files, connections, strangers) in [(0, 1, 1), (1024, 256, 128), (4096, 1024, 512)] {
            let limits = ServerLimits::within(files);
            assert_eq!((limits.connections, limits.network_connections), (connections, connections), "{files}");
            assert_eq!(limits.strangers, strangers, "{files}");
        }
        assert_eq!(ServerLimits::within(u64::MAX), ServerLimits::default());
    }
}
