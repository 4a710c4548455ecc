//! Who asks.

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

/// Where a connection comes from. It is the same for all of its requests.
#[derive(Clone)]
pub(crate) struct Origin {
    /// Who is at the other end of the socket; none where it is the network, or could not be seen.
    peer: Option<Arc<Peer>>,
    is_socket: bool,
    is_tls: bool,
    /// The tenant's place that the connection has taken, once a token of one was seen.
    place: Arc<Mutex<Option<OwnPlace>>>,
    /// The stranger's place that the connection has until a valid token is seen.
    stranger: Arc<Mutex<Option<StrangersPlace>>>,
}

/// A tenant, and the place of its own that a connection has.
type OwnPlace = (Arc<str>, TenantPlace);

impl Origin {
    /// The Unix socket.
    pub(crate) fn socket(peer: Option<Peer>) -> Self {
        let peer = peer.map(Arc::new);
        Self { peer, is_socket: true, is_tls: false, place: Arc::default(), stranger: Arc::default() }
    }

    /// TCP, of which nobody knows yet who it is.
    pub(crate) fn network(stranger: StrangersPlace, is_tls: bool) -> Self {
        let stranger = Arc::new(Mutex::new(Some(stranger)));
        Self { peer: None, is_socket: false, is_tls, place: Arc::default(), stranger }
    }

    /// Whether what is said is read by nobody on the way.
    pub(crate) fn is_tls(&self) -> bool {
        self.is_tls
    }

    /// Whether whoever asks had to be able to open the socket.
    pub(crate) fn is_socket(&self) -> bool {
        self.is_socket
    }

    /// A valid token was seen: it is no stranger's any more.
    pub(crate) fn becomes_known(&self) {
        drop(self.stranger.lock().take());
    }

    /// Counts the connection as one of this tenant's. False when it has too many.
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

/// What showed who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    /// It could open the socket.
    Socket,
    /// `Authorization: Bearer`, which no browser sends by itself.
    Bearer,
    /// `Authorization: Basic`, which a browser sends again to whoever has asked for it once.
    Basic,
    /// The cookie of the login of this hash.
    Login([u8; 32]),
}

/// Who asks, and what they may do.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) access: Access,
    /// None: whoever could open the socket.
    token: Option<Known>,
    shown: Shown,
    peer: Option<Arc<Peer>>,
    /// None where nothing tells of it before the answer.
    gone: Option<ClientGone>,
    /// It is our own user's, and not seen: what it says was left where nobody else can write.
    is_spool: bool,
}

impl Caller {
    /// Who came over the socket.
    pub(crate) fn of_socket(origin: &Origin) -> Self {
        let peer = origin.peer.clone();
        Self { access: Access::of_socket(), token: None, shown: Shown::Socket, peer, gone: None, is_spool: false }
    }

    /// Who has this token.
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

    /// Who has left its word in a spool of our own user's.
    pub(crate) fn of_spool() -> Self {
        let access = Access::of_socket();
        Self { access, token: None, shown: Shown::Socket, peer: None, gone: None, is_spool: true }
    }

    /// Who is told in this way when the client is gone.
    pub(crate) fn with_client(self, gone: Option<ClientGone>) -> Self {
        Self { gone, ..self }
    }

    #[cfg(test)]
    pub(crate) fn of(access: Access) -> Self {
        Self { access, token: None, shown: Shown::Bearer, peer: None, gone: None, is_spool: false }
    }

    /// The token that was shown; none over the socket.
    pub(crate) fn token(&self) -> Option<&Known> {
        self.token.as_ref()
    }

    /// What showed who it is.
    pub(crate) fn shown(&self) -> Shown {
        self.shown
    }

    /// What the form tokens of this caller are bound to; none: it needs none, because no browser says by itself who it is in this way.
    pub(crate) fn form_binding(&self) -> Option<Vec<u8>> {
        let bound = |how: &[u8], to: &[u8]| Some([how, to].concat());
        match self.shown {
            Shown::Bearer => None,
            Shown::Socket => bound(b"socket", &[]),
            Shown::Basic => bound(b"basic", self.token.as_ref().map(Known::hash).unwrap_or_default()),
            Shown::Login(hash) => bound(b"login", &hash),
        }
    }

    /// Who says whose process it is that owns something.
    pub(crate) fn witness(&self) -> Witness<'_> {
        match &self.peer {
            Some(peer) => Witness::Peer(peer),
            None if self.is_spool => Witness::OwnUser,
            None => Witness::Nobody,
        }
    }

    /// What the client waits for; none if it is gone before.
    pub(crate) async fn unless_gone<T>(&self, waits: impl Future<Output = T>) -> Option<T> {
        match &self.gone {
            Some(gone) => gone.or(waits).await,
            None => Some(waits.await),
        }
    }

    /// Refuses whoever may not do it.
    pub(crate) fn needs(&self, needs: Needs) -> Result<(), Problem> {
        if self.access.allows(needs) { Ok(()) } else { Err(Problem::forbidden()) }
    }

    /// Refuses whoever may not do it for every tenant. To who has one tenant it is not there.
    pub(crate) fn needs_all_tenants(&self, needs: Needs) -> Result<(), Problem> {
        if !self.access.is_of_all() {
            return Err(Problem::not_found());
        }
        self.needs(needs)
    }

    /// The tenant that a request is about: the one that it names, else the caller's own; none: every tenant. Another tenant's is not there.
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
        // Put there when the request was let in.
        parts.extensions.get::<Self>().cloned().ok_or_else(Problem::unauthorized)
    }
}
