//! The runtimes that a request may be for: the daemon's own, and those of adopted journals.
//!
//! A node that has adopted a dead node's journal has its sessions in a second runtime. An owner that comes back in time
//! to this node goes on with its session there, under the same generation: a request of a session that is active there,
//! and not in the own runtime, goes there. So does an end that is on record there and is sent again, which would get
//! another delivery id elsewhere. Everything else goes to the own runtime.
//!
//! [`routes`] keeps the order of a session whose requests change from one runtime to the other.

mod routes;

use std::future::Future;
use std::sync::Arc;

use futures_util::future::{Either, FutureExt, ready};
use lastword::events::{DeliveryId, Event, Identity, Session};
use lastword::{Accepted, EndRequest, JournalError, Refusal, Runtime, Settled};
use lastword_protocol::input::OwnerEvent;
use tokio::runtime::Handle;

use crate::cluster::Cluster;
use crate::requests::{Answered, ask, end_request, op_of};
use routes::{Place, Routes, Seen, Unanswered};

/// The runtimes. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Runtimes {
    own: Runtime,
    nodes: Option<Nodes>,
}

/// What there is only in a node of a cluster.
#[derive(Clone)]
struct Nodes {
    cluster: Arc<dyn Cluster>,
    routes: Arc<Routes>,
    /// Carries requests out that have to wait.
    handle: Handle,
}

impl Runtimes {
    /// Call it in a tokio runtime.
    pub(crate) fn new(own: Runtime, cluster: Option<Arc<dyn Cluster>>) -> Self {
        let nodes = |cluster| Nodes { cluster, routes: Arc::default(), handle: Handle::current() };
        Self { own, nodes: cluster.map(nodes) }
    }

    pub(crate) fn cluster(&self) -> Option<&Arc<dyn Cluster>> {
        self.nodes.as_ref().map(|nodes| &nodes.cluster)
    }

    /// The runtime that the daemon was built with.
    pub(crate) fn own(&self) -> &Runtime {
        &self.own
    }

    fn adopted(&self) -> Vec<Runtime> {
        self.cluster().map(|cluster| cluster.adopted()).unwrap_or_default()
    }

    /// The runtime of an adopted journal in which this session is active.
    fn adopted_with(&self, identity: &Identity) -> Option<Runtime> {
        self.adopted().into_iter().find(|runtime| runtime.session(identity).is_some())
    }

    /// The runtime with the journal of this delivery. The own one for a journal that nobody here has.
    pub(crate) fn of_delivery(&self, delivery: &DeliveryId) -> Runtime {
        if delivery.journal == self.own.journal_name() {
            return self.own.clone();
        }
        let adopted = self.cluster().and_then(|cluster| cluster.adopted_of(delivery.journal));
        adopted.unwrap_or_else(|| self.own.clone())
    }

    /// The active session of this identity, wherever it is.
    pub(crate) fn session(&self, identity: &Identity) -> Option<Arc<Session>> {
        let own = self.own.session(identity);
        own.or_else(|| self.adopted_with(identity)?.session(identity))
    }

    /// Hands an event to the runtime of its session, where it takes its place in the session's order now, or behind those
    /// that are not decided yet.
    pub(crate) fn ask(&self, event: OwnerEvent) -> impl Future<Output = Answered> + Send + 'static + use<> {
        let Some(nodes) = &self.nodes else { return Either::Left(ask(&self.own, event)) };
        let (op, op_id) = (op_of(&event.event), event.op_id.clone());
        let request = nodes.routes.join(&event.session.identity);
        let answer = carried_out(nodes, self.clone().ask_in_turn(request, event));
        Either::Right(answer.map(move |answered| {
            answered.unwrap_or_else(|| Answered { op, op_id, dropped: Vec::new(), result: Err(gone()) })
        }))
    }

    async fn ask_in_turn(self, mut request: Unanswered, event: OwnerEvent) -> Answered {
        request.comes().await;
        let identity = &event.session.identity;
        let place = match self.place_of(&request, identity) {
            Some(place) => place,
            None => self.place_of_unknown(&event).await,
        };
        request.goes_to(&place);
        let is_end = matches!(event.event, Event::End(_));
        match place {
            Place::Own => self.ask_own(request, event).await,
            Place::Adopted(adopted) if is_end => ask_and_go_on(request, &adopted, event).await,
            Place::Adopted(adopted) => self.ask_active(request, &adopted, event).await,
        }
    }

    /// A session that begins here is another than the one that has ended in an adopted journal: its end repeats none.
    async fn ask_own(&self, request: Unanswered, event: OwnerEvent) -> Answered {
        if !matches!(event.event, Event::End(_)) {
            self.adopted().iter().for_each(|adopted| adopted.seen(&event.session.identity));
        }
        ask_and_go_on(request, &self.own, event).await
    }

    /// A start and a compaction must begin no session in an adopted journal, which is to become empty. Should the session
    /// end just now, it begins anew in the own journal. Requests that follow wait until that is known.
    async fn ask_active(&self, mut request: Unanswered, adopted: &Runtime, event: OwnerEvent) -> Answered {
        let said = &event.session;
        // The owner may have left out the scope, and an update is of one session exactly.
        let active = adopted.session(&said.identity);
        let identity = active.map_or_else(|| said.identity.clone(), |active| active.identity.clone());
        let is_start = matches!(event.event, Event::Start(_));
        // Of a compaction only the identity counts.
        let more = if is_start { said.clone() } else { Session::of(identity.clone()) };
        // 0 stands for any generation.
        let result = match adopted.update_session(Session { identity, generation: 0, ..more }).await {
            Ok(None) => {
                request.goes_to(&Place::Own);
                return self.ask_own(request, event).await;
            }
            Ok(Some(_)) if !is_start => return ask_and_go_on(request, adopted, event).await,
            Ok(Some(accepted)) => Ok(accepted),
            Err(refusal) => Err(refusal),
        };
        let mut dropped = event.dropped;
        if let Ok(accepted) = &result {
            dropped.extend_from_slice(&accepted.dropped);
        }
        Answered { op: op_of(&event.event), op_id: event.op_id, dropped, result }
    }

    /// Where a request goes, as far as its session says so: it is active, or has requests that are not answered.
    fn place_of(&self, request: &Unanswered, identity: &Identity) -> Option<Place> {
        request.others().or_else(|| match self.own.session(identity) {
            Some(_) => Some(Place::Own),
            None => self.adopted_with(identity).map(Place::Adopted),
        })
    }

    /// Where an event of a session goes that is active nowhere.
    async fn place_of_unknown(&self, event: &OwnerEvent) -> Place {
        match end_request(event) {
            Some(end) => self.place_of_end(&end).await,
            None => Place::Own,
        }
    }

    /// Where the end of a session goes that is active nowhere: to the runtime that has the end already.
    async fn place_of_end(&self, end: &EndRequest) -> Place {
        for adopted in self.adopted() {
            if adopted.knows_end(end).await {
                return Place::Adopted(adopted);
            }
        }
        Place::Own
    }

    fn at<'r>(&'r self, place: &'r Place) -> &'r Runtime {
        match place {
            Place::Own => &self.own,
            Place::Adopted(adopted) => adopted,
        }
    }

    /// Tells every runtime: a session that lives may have ended in an adopted journal, and its next end is a new one.
    pub(crate) fn seen(&self, identity: &Identity) {
        let Some(nodes) = &self.nodes else { return self.own.seen(identity) };
        match nodes.routes.join_seen(identity) {
            Seen::Now => self.seen_everywhere(identity),
            Seen::Merged => {}
            Seen::Later(mut seen) => {
                let (runtimes, identity) = (self.clone(), identity.clone());
                nodes.handle.spawn(async move {
                    seen.comes().await;
                    runtimes.seen_everywhere(&identity);
                });
            }
        }
    }

    fn seen_everywhere(&self, identity: &Identity) {
        self.own.seen(identity);
        self.adopted().iter().for_each(|adopted| adopted.seen(identity));
    }

    pub(crate) fn end_session(
        &self,
        end: EndRequest,
    ) -> impl Future<Output = Result<Accepted, Refusal>> + Send + 'static + use<> {
        let Some(nodes) = &self.nodes else { return Either::Left(self.own.end_session(end)) };
        let (runtimes, mut request) = (self.clone(), nodes.routes.join(&end.session.identity));
        let answer = carried_out(nodes, async move {
            request.comes().await;
            let place = match runtimes.place_of(&request, &end.session.identity) {
                Some(place) => place,
                None => runtimes.place_of_end(&end).await,
            };
            request.goes_to(&place);
            let answer = runtimes.at(&place).end_session(end);
            request.is_decided();
            answer.await
        });
        Either::Right(answer.map(|answered| answered.unwrap_or_else(|| Err(gone()))))
    }

    pub(crate) fn update_session(
        &self,
        session: Session,
    ) -> impl Future<Output = Result<Option<Accepted>, Refusal>> + Send + 'static + use<> {
        let Some(nodes) = &self.nodes else { return Either::Left(self.own.update_session(session)) };
        let (runtimes, mut request) = (self.clone(), nodes.routes.join(&session.identity));
        let answer = carried_out(nodes, async move {
            request.comes().await;
            let place = runtimes.place_of(&request, &session.identity).unwrap_or(Place::Own);
            request.goes_to(&place);
            let answer = runtimes.at(&place).update_session(session);
            request.is_decided();
            answer.await
        });
        Either::Right(answer.map(|answered| answered.unwrap_or_else(|| Err(gone()))))
    }

    pub(crate) fn settled_of(
        &self,
        delivery: &DeliveryId,
    ) -> impl Future<Output = Result<Settled, JournalError>> + Send + 'static + use<> {
        self.of_delivery(delivery).settled_of(delivery)
    }
}

/// Hands an event to a runtime, so that the next request of its session may be decided, and waits for the answer.
async fn ask_and_go_on(mut request: Unanswered, runtime: &Runtime, event: OwnerEvent) -> Answered {
    let answer = ask(runtime, event);
    request.is_decided();
    answer.await
}

/// Carries a request out, whether or not anybody waits for it: now, as far as it has to wait for nothing. `None`: tokio's
/// runtime is shutting down.
fn carried_out<T, F>(nodes: &Nodes, work: F) -> impl Future<Output = Option<T>> + Send + 'static + use<T, F>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let mut work = Box::pin(work);
    match work.as_mut().now_or_never() {
        Some(answer) => Either::Left(ready(Some(answer))),
        None => Either::Right(nodes.handle.spawn(work).map(Result::ok)),
    }
}

/// Why a request is refused that is not carried out to its end.
fn gone() -> Refusal {
    JournalError::Closed.into()
}
