//! The destinations that an operator granted.

use std::{collections::BTreeSet, net::SocketAddr};

use crate::destination::{Destination, Host};

/// Destinations that requests may go to. Empty by default: nothing is allowed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowList {
    destinations: BTreeSet<Destination>,
    addresses: BTreeSet<SocketAddr>,
}

impl AllowList {
    /// Whether exactly this scheme, host and port was granted.
    #[must_use]
    pub fn permits(&self, destination: &Destination) -> bool {
        self.destinations.contains(destination)
    }

    /// Whether this address and port was granted as a literal, under any scheme. Only then may a name lead to an
    /// address in a refused range.
    #[must_use]
    pub fn grants_address(&self, address: SocketAddr) -> bool {
        self.addresses.contains(&address)
    }

    /// Whether nothing is allowed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.destinations.is_empty()
    }

    /// Returns the destinations in order.
    pub fn iter(&self) -> impl Iterator<Item = &Destination> {
        self.destinations.iter()
    }
}

impl FromIterator<Destination> for AllowList {
    fn from_iter<I: IntoIterator<Item = Destination>>(destinations: I) -> Self {
        let destinations: BTreeSet<_> = destinations.into_iter().collect();
        let addresses = destinations
            .iter()
            .filter_map(|destination| match destination.host() {
                Host::Address(address) => Some(SocketAddr::new(*address, destination.port())),
                Host::Name(_) => None,
            })
            .collect();
        Self { destinations, addresses }
    }
}
