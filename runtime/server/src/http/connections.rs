//! Counts and closes connections.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::watch;
use tokio::time::timeout_at;

use super::places::{Places, TakenPlace};
use super::tenant_places::{TenantPlace, TenantPlaces};
use crate::settings::ServerLimits;

/// The server's progress towards its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Serving,
    /// The server takes no new request.
    Closing,
    /// The server cuts the requests that are under way.
    Cut,
}

/// The connections of every listener. TCP connections take no place from those of a Unix socket, and connections
/// without a token take none from those with one.
pub(crate) struct Connections {
    socket: Places,
    network: Places,
    strangers: Places,
    of_tenants: TenantPlaces,
    waits: TenantPlaces,
    /// The number of open connections.
    open: watch::Sender<usize>,
    phase: watch::Sender<Phase>,
}

/// One connection, until it is dropped.
pub(crate) struct Place {
    open: watch::Sender<usize>,
    taken: Option<TakenPlace>,
}

/// One connection that has not shown a valid token, until it is dropped.
pub(crate) type StrangersPlace = TakenPlace;

impl Connections {
    pub(crate) fn new(limits: &ServerLimits) -> Self {
        Self {
            socket: Places::new(limits.connections),
            network: Places::new(limits.network_connections),
            strangers: Places::new(limits.strangers),
            of_tenants: TenantPlaces::new(limits.tenant_connections),
            waits: TenantPlaces::new(limits.tenant_waits),
            open: watch::Sender::new(0),
            phase: watch::Sender::new(Phase::Serving),
        }
    }

    /// Takes a place for a Unix socket connection. `None`: there is no room.
    pub(crate) fn enter_socket(&self) -> Option<Place> {
        let taken = self.socket.take("connections to the socket")?;
        Some(self.opened(taken))
    }

    /// Takes a place for a TCP connection, which is a stranger's until it has shown a token. `None`: there is no room.
    pub(crate) fn enter_network(&self) -> Option<(Place, StrangersPlace)> {
        let stranger = self.strangers.take("connections over TCP that show no valid token")?;
        let taken = self.network.take("connections over TCP")?;
        Some((self.opened(taken), stranger))
    }

    fn opened(&self, taken: TakenPlace) -> Place {
        self.open.send_modify(|open| *open += 1);
        Place { open: self.open.clone(), taken: Some(taken) }
    }

    /// Takes a place among a tenant's connections. `None`: there is no room.
    pub(crate) fn enter_tenant(&self, tenant: &Arc<str>) -> Option<TenantPlace> {
        self.of_tenants.take(tenant)
    }

    /// Takes a place among a tenant's long requests. `None`: there is no room.
    pub(crate) fn wait_of_tenant(&self, tenant: &Arc<str>) -> Option<TenantPlace> {
        self.waits.take(tenant)
    }

    /// Returns the number of open connections.
    pub(crate) fn open(&self) -> u64 {
        *self.open.borrow() as u64
    }

    pub(crate) fn is_closing(&self) -> bool {
        *self.phase.borrow() >= Phase::Closing
    }

    /// Returns a handle that tells when the server takes no new request.
    pub(crate) fn closing(&self) -> Closing {
        Closing { phase: self.phase.subscribe() }
    }

    /// Takes no new request from now on. Waits until all connections are closed, and at `until` cuts the open ones.
    pub(crate) async fn close(&self, until: Instant) {
        self.phase.send_replace(Phase::Closing);
        let mut open = self.open.subscribe();
        if timeout_at(until.into(), nobody(&mut open)).await.is_err() {
            let left = self.open();
            tracing::warn!("{left} connections were cut: what they wait for took too long");
            self.phase.send_replace(Phase::Cut);
        }
    }
}

async fn nobody(open: &mut watch::Receiver<usize>) {
    open.wait_for(|open| *open == 0).await.ok();
}

impl Drop for Place {
    fn drop(&mut self) {
        // Frees the place before the count changes, so that a task that sees the new count finds the place free.
        drop(self.taken.take());
        self.open.send_modify(|open| *open = open.saturating_sub(1));
    }
}

/// Tells when the server closes.
pub(crate) struct Closing {
    phase: watch::Receiver<Phase>,
}

impl Closing {
    /// Resolves when the server takes no new request.
    pub(crate) async fn comes(&mut self) {
        self.phase.wait_for(|phase| *phase >= Phase::Closing).await.ok();
    }

    /// Resolves when the server cuts the requests that are under way.
    pub(crate) async fn cuts(&mut self) {
        self.phase.wait_for(|phase| *phase == Phase::Cut).await.ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_so_many_places_and_each_is_free_again() {
        let connections = Connections::new(&ServerLimits { connections: 2, ..ServerLimits::default() });
        let (first, _second) = (connections.enter_socket().unwrap(), connections.enter_socket().unwrap());
        assert!(connections.enter_socket().is_none());
        drop(first);
        let _third = connections.enter_socket().unwrap();
        assert_eq!(connections.open(), 2);
    }

    #[test]
    fn strangers_over_tcp_take_no_place_from_the_socket_nor_from_those_with_tokens() {
        let limits = ServerLimits { connections: 1, network_connections: 2, strangers: 1, ..ServerLimits::default() };
        let connections = Connections::new(&limits);
        let (_known, stranger) = connections.enter_network().unwrap();
        assert!(connections.enter_network().is_none(), "there is one stranger already");
        // The connection has shown a token.
        drop(stranger);
        let (_other, stranger) = connections.enter_network().unwrap();
        drop(stranger);
        assert!(connections.enter_network().is_none(), "there is no room over TCP");
        assert!(connections.enter_socket().is_some());
        assert_eq!((connections.network.taken(), connections.strangers.taken()), (2, 0));
    }
}
