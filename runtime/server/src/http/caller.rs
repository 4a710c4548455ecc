//! The caller of a request.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use lastword_process::Peer;
use parking_lot::Mutex;

use super::client_gone::ClientGone;
use super::connections::{Connections, StrangersPlace};
use super::problem::Problem;
use super::tenant_places::TenantPlace;
use crate::access::{Access, Known, Needs};
use crate::owners::Witness;

/// The origin of a connection. All requests of the connection share it.
#[derive(Clone)]
pub(crate) struct Origin {
    /// The process at the other end of the socket. `None` over the network, or if the system did not tell it.
    peer: Option<Arc<Peer>>,
    is_socket: bool,
    is_tls: bool,
    /// The connection's place among its tenant's, once a token of a tenant was seen.
    place: Arc<Mutex<Option<OwnPlace>>>,
    /// The connection's place among strangers, until a valid token is seen.
    stranger: Arc<Mutex<Option<StrangersPlace>>>,
}

/// A tenant, and the connection's place among that tenant's.
type OwnPlace = (Arc<str>, TenantPlace);

impl Origin {
    /// The Unix socket.
    pub(crate) fn socket(peer: Option<Peer>) -> Self {
        let peer = peer.map(Arc::new);
        Self { peer, is_socket: true, is_tls: false, place: Arc::default(), stranger: Arc::default() }
    }

    /// A TCP connection that has not shown a token yet.
    pub(crate) fn network(stranger: StrangersPlace, is_tls: bool) -> Self {
        let stranger = Arc::new(Mutex::new(Some(stranger)));
        Self { peer: None, is_socket: false, is_tls, place: Arc::default(), stranger }
    }

    /// Whether the connection is encrypted.
    pub(crate) fn is_tls(&self) -> bool {
        self.is_tls
    }

    /// Whether the caller had to be able to open the socket.
    pub(crate) fn is_socket(&self) -> bool {
        self.is_socket
    }

    /// Frees the stranger's place: a valid token was seen.
    pub(crate) fn becomes_known(&self) {
        drop(self.stranger.lock().take());
    }

    /// Counts the connection as one of this tenant's. Returns false if the tenant has too many.
    pub(crate) fn enter(&self, tenant: &Arc<str>, connections: &Connections) -> bool {
        let mut place = self.place.lock();
        if place.as_ref().is_some_and(|(of, _)| of == tenant) {
            return true;
        }
        let Some(entered) = connections.enter_tenant(tenant) else { return false };
        *place = Some((tenant.clone(), entered));
        true
    }
}

/// The proof of the caller's identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    /// The caller could open the socket.
    Socket,
    /// `Authorization: Bearer`, which no browser sends by itself.
    Bearer,
    /// `Authorization: Basic`, which a browser repeats by itself once a server has asked for it.
    Basic,
    /// The cookie of the login with this hash.
    Login([u8; 32]),
}

/// The caller of a request, and its access.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) access: Access,
    /// `None` for a caller over the socket.
    token: Option<Known>,
    shown: Shown,
    peer: Option<Arc<Peer>>,
    /// `None` if nothing tells of the client's leaving before the answer.
    gone: Option<ClientGone>,
    /// Whether the hook comes from the spool: a process of our own user left it where nobody else can write.
    is_spool: bool,
}

impl Caller {
    /// A caller over the socket.
    pub(crate) fn of_socket(origin: &Origin) -> Self {
        let peer = origin.peer.clone();
        Self { access: Access::of_socket(), token: None, shown: Shown::Socket, peer, gone: None, is_spool: false }
    }

    /// A caller with this token.
    pub(crate) fn with_token(token: Known, shown: Shown, origin: &Origin) -> Self {
        Self {
            access: token.access.clone(),
            token: Some(token),
            shown,
            peer: origin.peer.clone(),
            gone: None,
            is_spool: false,
        }
    }

    /// A caller that left a hook in our own user's spool.
    pub(crate) fn of_spool() -> Self {
        let access = Access::of_socket();
        Self { access, token: None, shown: Shown::Socket, peer: None, gone: None, is_spool: true }
    }

    /// Sets how the server learns that the client is gone.
    pub(crate) fn with_client(self, gone: Option<ClientGone>) -> Self {
        Self { gone, ..self }
    }

    #[cfg(test)]
    pub(crate) fn of(access: Access) -> Self {
        Self { access, token: None, shown: Shown::Bearer, peer: None, gone: None, is_spool: false }
    }

    /// Returns the token that was shown. `None` over the socket.
    pub(crate) fn token(&self) -> Option<&Known> {
        self.token.as_ref()
    }

    /// Returns the proof of the caller's identity.
    pub(crate) fn shown(&self) -> Shown {
        self.shown
    }

    /// Returns the binding of this caller's form tokens. `None`: it needs none, because no browser sends this proof by
    /// itself.
    pub(crate) fn form_binding(&self) -> Option<Vec<u8>> {
        let bound = |how: &[u8], to: &[u8]| Some([how, to].concat());
        match self.shown {
            Shown::Bearer => None,
            Shown::Socket => bound(b"socket", &[]),
            Shown::Basic => bound(b"basic", self.token.as_ref().map(Known::hash).unwrap_or_default()),
            Shown::Login(hash) => bound(b"login", &hash),
        }
    }

    /// Returns the witness of the processes that this caller names.
    pub(crate) fn witness(&self) -> Witness<'_> {
        match &self.peer {
            Some(peer) => Witness::Peer(peer),
            None if self.is_spool => Witness::OwnUser,
            None => Witness::Nobody,
        }
    }

    /// Waits for the future. Returns `None` if the client leaves first.
    pub(crate) async fn unless_gone<T>(&self, waits: impl Future<Output = T>) -> Option<T> {
        match &self.gone {
            Some(gone) => gone.or(waits).await,
            None => Some(waits.await),
        }
    }

    /// Refuses a caller without this permission.
    pub(crate) fn needs(&self, needs: Needs) -> Result<(), Problem> {
        if self.access.allows(needs) { Ok(()) } else { Err(Problem::forbidden()) }
    }

    /// Refuses a caller without this permission for every tenant. A caller of one tenant gets `404`.
    pub(crate) fn needs_all_tenants(&self, needs: Needs) -> Result<(), Problem> {
        if !self.access.is_of_all() {
            return Err(Problem::not_found());
        }
        self.needs(needs)
    }

    /// Returns the tenant that a request is about: the named one, else the caller's. `None` is every tenant. Another
    /// tenant's is answered as not found.
    pub(crate) fn tenant(&self, named: Option<&str>) -> Result<Option<Arc<str>>, Problem> {
        match (named, self.access.tenant()) {
            (Some(named), _) if !self.access.sees(named) => Err(Problem::not_found()),
            (Some(named), _) => Ok(Some(named.into())),
            (None, own) => Ok(own.cloned()),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        // `authorize` has put it there.
        parts.extensions.get::<Self>().cloned().ok_or_else(Problem::unauthorized)
    }
}
