//! The order of the requests of one session id.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use lastword_events::{Identity, Scope};
use tokio::sync::oneshot;

use crate::request::ReceivedEnd;
use crate::sync::Mutex;

/// Makes the requests of one id follow each other in the order in which they were made. Requests of other ids do not wait for them. (An
/// earlier request can decide to which session a later one belongs.) It knows the ends among the requests, because a drain has to know
/// which ends owners have told already.
#[derive(Debug, Default)]
pub(crate) struct SessionOrder(Mutex<HashMap<Identity, Requests>>);

/// The requests of one id that are under way.
#[derive(Debug)]
struct Requests {
    /// The request that has its turn, if the request is an end.
    end: Option<Arc<ReceivedEnd>>,
    waiting: VecDeque<WaitingRequest>,
}

#[derive(Debug)]
struct WaitingRequest {
    turn: oneshot::Sender<()>,
    /// The request, if it is an end.
    end: Option<Arc<ReceivedEnd>>,
    /// The scope of an event that only shows that a session is alive.
    seen: Option<Scope>,
}

/// A request's turn in the order of its id. The request may have to wait for its turn. Dropping the turn lets the next request have its
/// turn.
#[derive(Debug)]
pub(crate) struct Turn {
    order: Arc<SessionOrder>,
    /// The id without a scope.
    id: Identity,
    wait: Option<oneshot::Receiver<()>>,
}

/// The turn of an event that only shows that a session is alive.
#[derive(Debug)]
pub(crate) enum SeenTurn {
    /// No request is under way.
    Now,
    Later(Turn),
    /// Another such event waits there already, and stands for this one.
    Merged,
}

impl SessionOrder {
    /// Joins the order of the id at its end. For an end, `end` is the request.
    pub(crate) fn join(self: &Arc<Self>, identity: &Identity, end: Option<Arc<ReceivedEnd>>) -> Turn {
        self.join_locked(&mut self.0.lock(), identity.unscoped().into_owned(), end)
    }

    /// Joins the orders of two ids at once, so that no two requests wait for each other. Gives one turn if both are the same id.
    pub(crate) fn join_both(self: &Arc<Self>, one: &Identity, other: &Identity) -> (Turn, Option<Turn>) {
        let mut requests = self.0.lock();
        let (one, other) = (one.unscoped().into_owned(), other.unscoped().into_owned());
        let second = (one != other).then(|| self.join_locked(&mut requests, other, None));
        (self.join_locked(&mut requests, one, None), second)
    }

    /// Joins the orders of these ids at once, as [`join_both`](Self::join_both) does. No id may be there twice.
    pub(crate) fn join_all(self: &Arc<Self>, ids: impl IntoIterator<Item = Identity>) -> Vec<Turn> {
        let mut requests = self.0.lock();
        ids.into_iter().map(|id| self.join_locked(&mut requests, id, None)).collect()
    }

    fn join_locked(
        self: &Arc<Self>,
        requests: &mut HashMap<Identity, Requests>,
        id: Identity,
        end: Option<Arc<ReceivedEnd>>,
    ) -> Turn {
        let wait = match requests.entry(id.clone()) {
            Entry::Occupied(mut of_id) => {
                let (turn, wait) = oneshot::channel();
                of_id.get_mut().waiting.push_back(WaitingRequest { turn, end, seen: None });
                Some(wait)
            }
            Entry::Vacant(vacant) => {
                vacant.insert(Requests { end, waiting: VecDeque::new() });
                None
            }
        };
        Turn { order: self.clone(), id, wait }
    }

    /// Joins the order with an event that only shows that a session is alive. Of several in a row only the first waits, because there may
    /// be any number of them.
    pub(crate) fn join_seen(self: &Arc<Self>, identity: &Identity) -> SeenTurn {
        let mut requests = self.0.lock();
        let id = identity.unscoped();
        let Some(of_id) = requests.get_mut(&*id) else { return SeenTurn::Now };
        let mut last = of_id.waiting.iter().rev().map_while(|waiting| waiting.seen.as_ref());
        if last.any(|scope| *scope == identity.scope) {
            return SeenTurn::Merged;
        }
        let (turn, wait) = oneshot::channel();
        of_id.waiting.push_back(WaitingRequest { turn, end: None, seen: Some(identity.scope.clone()) });
        SeenTurn::Later(Turn { order: self.clone(), id: id.into_owned(), wait: Some(wait) })
    }

    /// The ends under way, those of one id in their order. The first end of a session is that of the generation which is active now.
    pub(crate) fn ends(&self) -> Vec<Arc<ReceivedEnd>> {
        self.0.lock().values().flat_map(Requests::ends).cloned().collect()
    }

    /// The ends under way of one id, in their order.
    pub(crate) fn ends_of(&self, identity: &Identity) -> Vec<Arc<ReceivedEnd>> {
        self.0.lock().get(&*identity.unscoped()).into_iter().flat_map(Requests::ends).cloned().collect()
    }

    /// See [`Runtime::held_resources`](crate::Runtime::held_resources).
    #[cfg(shuttle)]
    pub(crate) fn held(&self) -> u64 {
        u64::try_from(self.0.lock().len()).unwrap_or(u64::MAX)
    }
}

impl Requests {
    fn ends(&self) -> impl Iterator<Item = &Arc<ReceivedEnd>> {
        // A request that was dropped does not need its turn.
        let waiting = self.waiting.iter().filter(|waiting| !waiting.turn.is_closed());
        self.end.iter().chain(waiting.filter_map(|waiting| waiting.end.as_ref()))
    }
}

impl Turn {
    /// Resolves when all requests before this one are done.
    pub(crate) async fn comes(&mut self) {
        poll_fn(|cx| self.poll_comes(cx)).await;
    }

    /// The same as [`comes`](Self::comes).
    pub(crate) fn poll_comes(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(wait) = &mut self.wait {
            // The sender is only dropped with the whole map, and then there is nothing to wait for.
            ready!(Pin::new(wait).poll(cx)).ok();
            self.wait = None;
        }
        Poll::Ready(())
    }
}

/// Whether the turn has come for which a request waits.
fn has_come(wait: &mut Option<oneshot::Receiver<()>>) -> bool {
    if wait.as_mut().is_some_and(|wait| wait.try_recv().is_ok()) {
        *wait = None;
    }
    wait.is_none()
}

impl Drop for Turn {
    fn drop(&mut self) {
        let Self { order, id, wait } = self;
        let mut requests = order.0.lock();
        if !has_come(wait) {
            // The request before this one finds no receiver here and goes on to the next one. The receiver is dropped while the lock is
            // held: otherwise a turn could be given to this request and be lost.
            *wait = None;
            return;
        }
        let Entry::Occupied(mut of_id) = requests.entry(id.clone()) else { return };
        while let Some(next) = of_id.get_mut().waiting.pop_front() {
            if next.turn.send(()).is_ok() {
                of_id.get_mut().end = next.end;
                return;
            }
        }
        of_id.remove();
    }
}

#[cfg(test)]
mod tests {
    use lastword_events::EndReason;

    use super::*;
    use crate::request::EndRequest;
    use crate::time::Time;

    fn has_come(turn: &mut Turn) -> bool {
        super::has_come(&mut turn.wait)
    }

    #[test]
    fn one_after_the_other_in_one_session_and_at_once_in_others() {
        let order = Arc::new(SessionOrder::default());
        let (a, b) = (Identity::new("t", "a"), Identity::new("t", "b"));
        let first = order.join(&a, None);
        let mut second = order.join(&a, None);
        let mut third = order.join(&a, None);
        assert!(has_come(&mut order.join(&b, None)));
        assert!(!has_come(&mut second));
        drop(first);
        assert!(!has_come(&mut third));
        drop(second);
        assert!(has_come(&mut third));
        drop(third);
        assert!(order.0.lock().is_empty(), "nothing is kept of sessions without requests");
    }

    #[test]
    fn whoever_waits_for_two_ids_holds_up_nobody_who_waits_for_the_same() {
        let order = Arc::new(SessionOrder::default());
        let (a, b) = (Identity::new("t", "a"), Identity::new("t", "b"));
        let (one, other) = order.join_both(&a, &b);
        let (mut second, second_other) = order.join_both(&b, &a);
        assert!(!has_come(&mut second) && !has_come(&mut second_other.unwrap()));
        drop((one, other));
        assert!(has_come(&mut second));
        let (_of_one, none) = order.join_both(&a.clone().in_scope("x"), &a);
        assert!(none.is_none(), "it would wait for itself");
    }

    /// One caller waits as the end of a grace does, the other as the replacement of two sessions of that grace.
    #[test]
    fn whoever_waits_for_many_ids_and_whoever_waits_for_two_of_them_do_not_wait_for_each_other() {
        let order = Arc::new(SessionOrder::default());
        let (a, b) = (Identity::new("t", "a"), Identity::new("t", "b"));
        let mut two = None;
        // Between the two ids the other caller joins, if it can.
        let ids = [a.clone(), b.clone()].into_iter().inspect(|id| {
            if *id == b && order.0.try_lock().is_some() {
                two = Some(order.join_both(&b, &a));
            }
        });
        let mut many = order.join_all(ids);
        let (mut one, other) = two.unwrap_or_else(|| order.join_both(&b, &a));
        let mut other = other.unwrap();
        assert!(many.iter_mut().all(has_come), "they were first with one of the ids, and wait for none");
        assert!(!has_come(&mut one) && !has_come(&mut other));
        drop(many);
        assert!(has_come(&mut one) && has_come(&mut other));
    }

    #[test]
    fn whoever_gives_up_waiting_holds_up_nobody() {
        let order = Arc::new(SessionOrder::default());
        let a = Identity::new("t", "a");
        let first = order.join(&a, None);
        let second = order.join(&a, None);
        let mut third = order.join(&a, None);
        drop(second);
        drop(first);
        assert!(has_come(&mut third));
        drop(third);
        assert!(order.0.lock().is_empty());
    }

    #[test]
    fn the_first_end_under_way_is_known_whether_or_not_it_has_its_turn() {
        let order = Arc::new(SessionOrder::default());
        let (a, time) = (Identity::new("t", "a"), Time::of_machine().unwrap());
        let end = |reason| {
            let session = lastword_events::Session::new("t", "a");
            Some(Arc::new(ReceivedEnd::new(EndRequest::new(session, reason), &time)))
        };
        let reason = || order.ends_of(&a).first().map(|end| end.request.event.reason.clone());
        let start = order.join(&a, None);
        assert_eq!(reason(), None);
        let gave_up = order.join(&a, end(EndReason::Deleted));
        let first = order.join(&a, end(EndReason::Reset));
        let second = order.join(&a, end(EndReason::New));
        drop(gave_up);
        assert_eq!(reason(), Some(EndReason::Reset), "it waits behind the start");
        drop(start);
        assert_eq!(reason(), Some(EndReason::Reset), "it has its turn");
        drop(first);
        assert_eq!(reason(), Some(EndReason::New));
        assert_eq!(order.ends().len(), 1);
        assert_eq!(order.ends_of(&a.clone().in_scope("key")).len(), 1, "the order is the id's");
        drop(second);
        assert!(order.ends().is_empty());
    }

    #[test]
    fn of_events_that_only_show_life_one_waits_behind_the_others() {
        let order = Arc::new(SessionOrder::default());
        let a = Identity::new("t", "a");
        let other = a.clone().in_scope("key");
        assert!(matches!(order.join_seen(&a), SeenTurn::Now));
        let first = order.join(&a, None);
        let SeenTurn::Later(mut seen) = order.join_seen(&a) else { panic!() };
        let SeenTurn::Later(_other) = order.join_seen(&other) else { panic!("it is of another session") };
        assert!(matches!(order.join_seen(&a), SeenTurn::Merged));
        let end = order.join(&a, None);
        assert!(matches!(order.join_seen(&a), SeenTurn::Later(_)), "the other is before that end");
        drop((first, end));
        assert!(has_come(&mut seen));
    }
}
