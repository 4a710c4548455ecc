//! The runtimes that a request may be for: the daemon's own, and those of adopted journals.
//!
//! A node that has adopted a dead node's journal has its sessions in a second runtime. An owner that comes back in time
//! to this node goes on with its session there, under the same generation: a request of a session that is active there,
//! and not in the own runtime, goes there. Everything else goes to the own runtime.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use futures_util::future::Either;
use lastword::events::{DeliveryId, Event, Identity, Session};
use lastword::{Accepted, EndRequest, JournalError, Refusal, Runtime, Settled};
use lastword_protocol::input::OwnerEvent;

use crate::cluster::Cluster;
use crate::requests::{Answered, ask};

/// The runtimes. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Runtimes {
    own: Runtime,
    cluster: Option<Arc<dyn Cluster>>,
}

impl Runtimes {
    pub(crate) fn new(own: Runtime, cluster: Option<Arc<dyn Cluster>>) -> Self {
        Self { own, cluster }
    }

    pub(crate) fn cluster(&self) -> Option<&Arc<dyn Cluster>> {
        self.cluster.as_ref()
    }

    /// The runtime that the daemon was built with.
    pub(crate) fn own(&self) -> &Runtime {
        &self.own
    }

    /// The runtime of an adopted journal in which this session is active. `None`: it is not, or is in the own one too.
    fn adopted_with(&self, identity: &Identity) -> Option<Runtime> {
        let cluster = self.cluster.as_ref()?;
        let adopted = cluster.adopted();
        if adopted.is_empty() || self.own.session(identity).is_some() {
            return None;
        }
        adopted.into_iter().find(|runtime| runtime.session(identity).is_some())
    }

    /// The runtime with the journal of this delivery. The own one for a journal that nobody here has.
    pub(crate) fn of_delivery(&self, delivery: &DeliveryId) -> Runtime {
        if delivery.journal == self.own.journal_name() {
            return self.own.clone();
        }
        let adopted = self.cluster.as_ref().and_then(|cluster| cluster.adopted_of(delivery.journal));
        adopted.unwrap_or_else(|| self.own.clone())
    }

    /// The active session of this identity, wherever it is.
    pub(crate) fn session(&self, identity: &Identity) -> Option<Arc<Session>> {
        let own = self.own.session(identity);
        own.or_else(|| self.adopted_with(identity)?.session(identity))
    }

    /// Hands an event to the runtime of its session, where it takes its place in the session's order now.
    pub(crate) fn ask(&self, event: OwnerEvent) -> impl Future<Output = Answered> + Send + 'static + use<> {
        match self.adopted_with(&event.session.identity) {
            None => Either::Left(ask(&self.own, event)),
            Some(adopted) => Either::Right(self.ask_adopted(&adopted, event)),
        }
    }

    /// A start must begin no session in an adopted journal, which is to become empty. Should the session end just now, a
    /// start begins it anew in the own journal.
    fn ask_adopted(
        &self,
        adopted: &Runtime,
        event: OwnerEvent,
    ) -> Pin<Box<dyn Future<Output = Answered> + Send + 'static>> {
        let Event::Start(_) = event.event else { return Box::pin(ask(adopted, event)) };
        let (own, said) = (self.own.clone(), event.session.clone());
        // The owner may have left out the scope, and an update is of one session exactly.
        let active = adopted.session(&said.identity);
        let identity = active.map_or_else(|| said.identity.clone(), |active| active.identity.clone());
        // 0 stands for any generation.
        let updated = adopted.update_session(Session { identity, generation: 0, ..said });
        Box::pin(async move {
            let result = match updated.await {
                Ok(Some(accepted)) => Ok(accepted),
                Ok(None) => return ask(&own, event).await,
                Err(refusal) => Err(refusal),
            };
            let mut dropped = event.dropped;
            if let Ok(accepted) = &result {
                dropped.extend_from_slice(&accepted.dropped);
            }
            Answered { op: "start", op_id: event.op_id, dropped, result }
        })
    }

    pub(crate) fn seen(&self, identity: &Identity) {
        match self.adopted_with(identity) {
            Some(adopted) => adopted.seen(identity),
            None => self.own.seen(identity),
        }
    }

    pub(crate) fn end_session(
        &self,
        end: EndRequest,
    ) -> impl Future<Output = Result<Accepted, Refusal>> + Send + 'static + use<> {
        match self.adopted_with(&end.session.identity) {
            Some(adopted) => adopted.end_session(end),
            None => self.own.end_session(end),
        }
    }

    pub(crate) fn update_session(
        &self,
        session: Session,
    ) -> impl Future<Output = Result<Option<Accepted>, Refusal>> + Send + 'static + use<> {
        match self.adopted_with(&session.identity) {
            Some(adopted) => adopted.update_session(session),
            None => self.own.update_session(session),
        }
    }

    pub(crate) fn settled_of(
        &self,
        delivery: &DeliveryId,
    ) -> impl Future<Output = Result<Settled, JournalError>> + Send + 'static + use<> {
        self.of_delivery(delivery).settled_of(delivery)
    }
}
