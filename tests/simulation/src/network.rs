//! The three NATS servers, and who reaches whom.

use std::time::Duration;

/// A server.
pub(crate) type ServerId = usize;

/// Servers in all. Streams have a copy on each, and need two.
pub(crate) const SERVERS: usize = 3;

#[derive(Debug)]
pub(crate) struct Network {
    servers: [Server; SERVERS],
}

#[derive(Debug, Default)]
struct Server {
    is_down: bool,
    /// It reaches neither of the others.
    is_apart: bool,
    slow_until: Duration,
}

impl Network {
    pub(crate) fn new() -> Self {
        Self { servers: std::array::from_fn(|_| Server::default()) }
    }

    pub(crate) fn is_up(&self, server: ServerId) -> bool {
        !self.servers[server].is_down
    }

    pub(crate) fn set_up(&mut self, server: ServerId, is_up: bool) {
        self.servers[server].is_down = !is_up;
    }

    pub(crate) fn is_apart(&self, server: ServerId) -> bool {
        self.servers[server].is_apart
    }

    pub(crate) fn set_apart(&mut self, server: ServerId, is_apart: bool) {
        self.servers[server].is_apart = is_apart;
    }

    pub(crate) fn slow_down(&mut self, server: ServerId, until: Duration) {
        self.servers[server].slow_until = until;
    }

    pub(crate) fn is_slow(&self, server: ServerId, now: Duration) -> bool {
        self.servers[server].slow_until > now
    }

    /// Whether what one server has reaches the other.
    pub(crate) fn joins(&self, one: ServerId, other: ServerId) -> bool {
        self.is_up(one) && self.is_up(other) && (one == other || !(self.is_apart(one) || self.is_apart(other)))
    }

    /// Whether a stream that this server leads can write.
    pub(crate) fn has_quorum(&self, leader: ServerId) -> bool {
        (0..SERVERS).filter(|&server| self.joins(leader, server)).count() >= 2
    }

    /// Servers that can be elected.
    pub(crate) fn electable(&self) -> Vec<ServerId> {
        (0..SERVERS).filter(|&server| self.has_quorum(server)).collect()
    }

    /// Whether anything is wrong with a server now.
    pub(crate) fn is_disturbed(&self) -> bool {
        self.servers.iter().any(|server| server.is_down || server.is_apart)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_servers_that_reach_each_other_are_a_quorum() {
        let mut network = Network::new();
        assert_eq!(network.electable(), [0, 1, 2]);
        network.set_apart(0, true);
        assert_eq!(network.electable(), [1, 2]);
        assert!(network.joins(0, 0) && !network.joins(0, 1) && network.joins(1, 2));
        network.set_up(1, false);
        assert!(network.electable().is_empty());
    }
}
