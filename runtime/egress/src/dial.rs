//! From a granted destination to a connection: resolve once, check every address, connect to a checked one.

use std::{
    io,
    net::{IpAddr, SocketAddr},
};

use tokio::{
    net::TcpStream,
    time::{Instant, timeout_at},
};

use crate::{
    addresses::refusal,
    allow_list::AllowList,
    destination::{Destination, Host, Scheme},
    error::EgressError,
    io::Transport,
    resolve::Resolve,
    tls::Tls,
};

/// Connects to `destination`, which the caller has found in `allow_list`.
pub(crate) async fn dial(
    destination: &Destination,
    allow_list: &AllowList,
    resolver: &dyn Resolve,
    tls: &Tls,
    deadline: Instant,
) -> Result<Transport, EgressError> {
    let addresses = resolve(destination.host(), resolver, deadline).await?;
    let addresses = check(destination, allow_list, &addresses)?;
    let stream = connect(destination, &addresses, deadline).await?;
    match destination.scheme() {
        Scheme::Http => Ok(Box::new(stream)),
        Scheme::Https => match timeout_at(deadline, tls.connect(destination.host(), stream)).await {
            Ok(stream) => Ok(Box::new(stream?)),
            Err(_) => Err(EgressError::ConnectTimeout { destination: destination.clone() }),
        },
    }
}

async fn resolve(host: &Host, resolver: &dyn Resolve, deadline: Instant) -> Result<Vec<IpAddr>, EgressError> {
    let name = match host {
        Host::Address(address) => return Ok(vec![*address]),
        Host::Name(name) => name,
    };
    match timeout_at(deadline, resolver.resolve(name)).await {
        Err(_) => Err(EgressError::DnsTimeout { host: name.clone() }),
        Ok(Err(source)) => Err(EgressError::Dns { host: name.clone(), source }),
        Ok(Ok(addresses)) if addresses.is_empty() => Err(EgressError::Dns {
            host: name.clone(),
            source: io::Error::new(io::ErrorKind::NotFound, "the name has no address"),
        }),
        Ok(Ok(addresses)) => Ok(addresses),
    }
}

/// All addresses with the granted port, or the refusal of the first that a guest must not reach. A mixed answer is
/// refused whole: an honest name does not have private and public addresses at once, a rebinding one does.
fn check(
    destination: &Destination,
    allow_list: &AllowList,
    addresses: &[IpAddr],
) -> Result<Vec<SocketAddr>, EgressError> {
    let addresses: Vec<_> = addresses.iter().map(|address| SocketAddr::new(*address, destination.port())).collect();
    let refused = |address: &SocketAddr| match refusal(address.ip()) {
        Some(refusal) if !allow_list.grants_address(*address) => Some(refusal),
        _ => None,
    };
    let Some((address, refusal)) = addresses.iter().find_map(|address| refused(address).map(|why| (*address, why)))
    else {
        return Ok(addresses);
    };
    Err(EgressError::AddressRefused {
        host: destination.host().to_string(),
        address,
        reason: format!("{}, {}", refusal.purpose, refusal.source),
        mixed: addresses.iter().any(|address| refused(address).is_none()),
        grant: Destination::literal(destination.scheme(), address),
    })
}

/// Tries the addresses in turn. Each gets an equal part of the time that is left, so that one that swallows packets
/// does not keep the next from being tried.
async fn connect(
    destination: &Destination,
    addresses: &[SocketAddr],
    deadline: Instant,
) -> Result<TcpStream, EgressError> {
    let mut failure = EgressError::ConnectTimeout { destination: destination.clone() };
    let mut left = u32::try_from(addresses.len()).unwrap_or(u32::MAX);
    for &address in addresses {
        let now = Instant::now();
        let part = deadline.saturating_duration_since(now) / left.max(1);
        left = left.saturating_sub(1);
        match timeout_at(now + part, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // One small request: waiting to fill a packet only adds latency. Without it the request works as well.
                drop(stream.set_nodelay(true));
                return Ok(stream);
            }
            Ok(Err(source)) if source.kind() == io::ErrorKind::ConnectionRefused => {
                failure = EgressError::ConnectionRefused { address };
            }
            Ok(Err(source)) => failure = EgressError::ConnectFailed { address, source },
            Err(_) => failure = EgressError::ConnectTimeout { destination: destination.clone() },
        }
    }
    Err(failure)
}
