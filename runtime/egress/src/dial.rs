//! Makes a connection to a granted destination: resolves the name once, checks every address, and connects to a checked
//! one.
//!
//! A kept connection is also one to a checked address: the name is resolved and the answer checked for each request.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use tokio::{
    net::TcpStream,
    time::{Instant, timeout_at},
};

use crate::{
    account::Account,
    addresses::refusal,
    allow_list::AllowList,
    allowance::Allowance,
    connections,
    destination::{Destination, Host, Scheme},
    error::EgressError,
    io::Transport,
    kept::{self, Kept},
    limits::Limits,
    line::Line,
    lookups::{LookUps, LookedUp, Progress},
    names::Answer,
    resolve::Resolve,
    tls::Tls,
    turns::{Turn, Turns},
};

/// The resources for making connections. A clone shares all of them.
#[derive(Clone)]
pub(crate) struct Dialler {
    resolver: Arc<dyn Resolve>,
    pub(crate) tls: Arc<Tls>,
    lookups: Arc<LookUps>,
    connections: Arc<Turns>,
    pub(crate) kept: Arc<Kept<Line>>,
}

impl Dialler {
    pub(crate) fn new(resolver: Arc<dyn Resolve>) -> Self {
        let (tls, lookups) = (Arc::default(), Arc::new(LookUps::new()));
        let connections = Arc::new(connections::turns());
        let kept = Arc::new(Kept::new(Arc::clone(&connections), kept::BOUNDS));
        Self { resolver, tls, lookups, connections, kept }
    }

    pub(crate) fn with_resolver(self, resolver: Arc<dyn Resolve>) -> Self {
        let lookups = Arc::new(self.lookups.beside());
        Self { resolver, lookups, ..self }
    }

    pub(crate) fn with_tls(self, tls: Tls) -> Self {
        let kept = Arc::new(Kept::new(Arc::clone(&self.connections), kept::BOUNDS));
        Self { tls: Arc::new(tls), kept, ..self }
    }

    /// Returns the checked addresses of `destination`. The caller has checked that it is granted.
    pub(crate) async fn addresses(
        &self,
        destination: &Destination,
        allowance: &Allowance,
        deadline: Instant,
    ) -> Result<Vec<SocketAddr>, EgressError> {
        let addresses = self.resolve(destination.host(), allowance.account(), deadline).await?;
        check(destination, allowance.allow_list(), &addresses)
    }

    /// Waits for the turn of a connection to `destination`, whether it is new or kept.
    pub(crate) async fn turn(
        &self,
        destination: &Destination,
        account: &Account,
        deadline: Instant,
    ) -> Result<Turn, EgressError> {
        timeout_at(deadline, self.connections.take(account))
            .await
            .map_err(|_| EgressError::NoTurnToConnect { destination: destination.clone() })
    }

    /// Connects to the first of the checked `addresses` that accepts. The caller holds a turn.
    pub(crate) async fn dial(
        &self,
        destination: &Destination,
        addresses: &[SocketAddr],
        account: &Account,
        limits: Limits,
        deadline: Instant,
    ) -> Result<Line, EgressError> {
        self.kept.make_room();
        let (stream, peer) = connect(destination, addresses, deadline).await?;
        let transport: Transport = match destination.scheme() {
            Scheme::Http => Box::new(stream),
            Scheme::Https => match timeout_at(deadline, self.tls.connect(account, destination.host(), stream)).await {
                Ok(stream) => Box::new(stream?),
                Err(_) => return Err(EgressError::ConnectTimeout { destination: destination.clone() }),
            },
        };
        Line::new(transport, peer, limits).await
    }

    async fn resolve(&self, host: &Host, account: &Account, deadline: Instant) -> Result<Vec<IpAddr>, EgressError> {
        let host = match host {
            Host::Address(address) => return Ok(vec![*address]),
            Host::Name(name) => name.clone(),
        };
        let mut asked = match self.lookups.ask(&self.resolver, account, &host) {
            LookedUp::Before(answer) => return found(host, answer),
            LookedUp::Now(asked) => asked,
        };
        let answered = async { asked.wait_for(|progress| matches!(progress, Progress::Answered(_))).await.map(drop) };
        if let Ok(Err(gone)) = timeout_at(deadline, answered).await {
            return Err(EgressError::Dns { host, source: io::Error::other(gone) });
        }
        let progress = asked.borrow().clone();
        match progress {
            Progress::WaitsForItsTurn => Err(EgressError::NoTurnToLookUp { host }),
            Progress::Asking => Err(EgressError::DnsTimeout { host }),
            Progress::Answered(answer) => found(host, answer),
        }
    }
}

fn found(host: String, answer: Answer) -> Result<Vec<IpAddr>, EgressError> {
    match answer {
        Err(error) => Err(EgressError::Dns { host, source: io::Error::new(error.kind(), error) }),
        Ok(addresses) if addresses.is_empty() => {
            let source = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
            Err(EgressError::Dns { host, source })
        }
        Ok(addresses) => Ok(addresses.to_vec()),
    }
}

/// Returns all addresses with the granted port, or the refusal of the first one that a guest must not reach. A mixed
/// answer is refused as a whole: an ordinary name does not have private and public addresses at once, a rebinding one
/// does.
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

/// Tries the addresses in turn, and returns the one that accepted. Each gets an equal part of the remaining time, so
/// that one that drops packets does not prevent the next attempt.
async fn connect(
    destination: &Destination,
    addresses: &[SocketAddr],
    deadline: Instant,
) -> Result<(TcpStream, SocketAddr), EgressError> {
    let mut failure = EgressError::ConnectTimeout { destination: destination.clone() };
    let mut left = u32::try_from(addresses.len()).unwrap_or(u32::MAX);
    for &address in addresses {
        let now = Instant::now();
        let part = deadline.saturating_duration_since(now) / left.max(1);
        left = left.saturating_sub(1);
        match timeout_at(now + part, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // Requests are small, so waiting to fill a packet only adds latency. The request works without this
                // option as well.
                drop(stream.set_nodelay(true));
                return Ok((stream, address));
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
