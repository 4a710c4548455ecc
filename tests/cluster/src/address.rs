//! Where the servers of one test listen.
//!
//! On [hosts](crate::Hosts) of their own it is where servers listen everywhere. Otherwise each test has an address of loopback of its own, on which the system picks the ports. So a server that is started again finds its ports
//! free: what others connect to, and what the system picks for them meanwhile, is on 127.0.0.1.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use crate::hosts::Host;

/// Three ports of one server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Addresses {
    pub(crate) clients: SocketAddr,
    pub(crate) routes: SocketAddr,
    pub(crate) monitoring: SocketAddr,
}

impl Addresses {
    /// Those of a server that has a host of its own.
    pub(crate) fn on(host: &Host) -> Self {
        let at = |port| SocketAddr::from((host.address(), port));
        Self { clients: at(4222), routes: at(6222), monitoring: at(8222) }
    }

    /// Those of so many servers, on one address. They are free now; who takes one before its server does has the test start over.
    pub(crate) fn pick(servers: usize) -> io::Result<Vec<Self>> {
        let address = host();
        // All at once, for each to be another one.
        let mut listeners = Vec::new();
        let mut next = || -> io::Result<SocketAddr> {
            let listener = TcpListener::bind((address, 0))?;
            let picked = listener.local_addr()?;
            listeners.push(listener);
            Ok(picked)
        };
        (0..servers).map(|_| Ok(Self { clients: next()?, routes: next()?, monitoring: next()? })).collect()
    }
}

/// The address on which the servers of this process listen: one of 127.0.0.0/8, by the number of the process. Tests run in a process each.
#[must_use]
pub fn host() -> Ipv4Addr {
    let [_, high, middle, low] = std::process::id().to_be_bytes();
    // Neither 127.0.0.1 nor what ends in 0 or 255.
    Ipv4Addr::new(127, 64 | (high & 0x3f), middle, 1 + low % 254)
}
