use std::collections::HashMap;
use std::collections::VecDeque;
use std::sync::Arc;

use lastword_events::Identity;
use tokio::sync::oneshot;

use crate::request::ReceivedEnd;
use crate::sync::Mutex;

/// Makes the requests of one id follow each other, in the order in which they were made, while those of other ids go on at
/// once. (Of which of its sessions a request is may depend on the one before it.) It knows which of them are ends: a drain has to know what an owner has said already.
#[derive(Debug, Default)]
pub(crate) struct Places(Mutex<HashMap<Identity, Order>>);

/// The requests of one id that are under way.
#[derive(Debug)]
struct Order {
    /// What the one whose turn it is says, if it is an end.
    end: Option<Arc<ReceivedEnd>>,
    waiting: VecDeque<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    turn: oneshot::Sender<()>,
    /// What it says, if it is an end.
    end: Option<Arc<ReceivedEnd>>,
    /// Of an event that only shows that a session lives: its scope.
    seen: Option<Arc<str>>,
}

/// A place in an id's order. Dropping it lets the next one in.
#[derive(Debug)]
pub(crate) struct Place {
    places: Arc<Places>,
    /// Without a scope.
    id: Identity,
    wait: Option<oneshot::Receiver<()>>,
}

/// When an event that only shows that a session lives has its turn.
#[derive(Debug)]
pub(crate) enum Turn {
    Now,
    Later(Place),
    /// It need not: another one has this place.
    Taken,
}

impl Places {
    /// Takes a place at the end of the id's order; for an end, with what it says.
    pub(crate) fn take(self: &Arc<Self>, identity: &Identity, end: Option<Arc<ReceivedEnd>>) -> Place {
        let mut places = self.0.lock();
        let id = identity.unscoped();
        let wait = match places.get_mut(&id) {
            Some(order) => {
                let (turn, wait) = oneshot::channel();
                order.waiting.push_back(Waiting { turn, end, seen: None });
                Some(wait)
            }
            None => {
                places.insert(id.clone(), Order { end, waiting: VecDeque::new() });
                None
            }
        };
        Place { places: self.clone(), id, wait }
    }

    /// A place for an event that only shows that a session lives. None when nobody is before it, and when another of its kind
    /// waits there already: there may be any number of these.
    pub(crate) fn take_behind(self: &Arc<Self>, identity: &Identity) -> Turn {
        let mut places = self.0.lock();
        let id = identity.unscoped();
        let Some(order) = places.get_mut(&id) else { return Turn::Now };
        let mut last = order.waiting.iter().rev().map_while(|waiting| waiting.seen.as_ref());
        if last.any(|scope| *scope == identity.scope) {
            return Turn::Taken;
        }
        let (turn, wait) = oneshot::channel();
        order.waiting.push_back(Waiting { turn, end: None, seen: Some(identity.scope.clone()) });
        Turn::Later(Place { places: self.clone(), id, wait: Some(wait) })
    }

    /// The ends that are under way, those of one id in their order: the first of a session is the end of the generation that
    /// is active now.
    pub(crate) fn ends(&self) -> Vec<Arc<ReceivedEnd>> {
        self.0.lock().values().flat_map(Order::ends).cloned().collect()
    }

    /// The same for one id.
    pub(crate) fn ends_of(&self, identity: &Identity) -> Vec<Arc<ReceivedEnd>> {
        self.0.lock().get(&identity.unscoped()).into_iter().flat_map(Order::ends).cloned().collect()
    }

    /// See [`Runtime::leftovers`](crate::Runtime::leftovers).
    #[cfg(shuttle)]
    pub(crate) fn held(&self) -> u64 {
        u64::try_from(self.0.lock().len()).unwrap_or(u64::MAX)
    }
}

impl Order {
    fn ends(&self) -> impl Iterator<Item = &Arc<ReceivedEnd>> {
        // Whoever has given up waiting has nothing to say.
        let waiting = self.waiting.iter().filter(|waiting| !waiting.turn.is_closed());
        self.end.iter().chain(waiting.filter_map(|waiting| waiting.end.as_ref()))
    }
}

impl Place {
    /// Resolves when everything before it is done.
    pub(crate) async fn comes(&mut self) {
        if let Some(wait) = &mut self.wait {
            // The sender is only ever dropped with the whole map, and then there is nothing to wait for.
            wait.await.ok();
            self.wait = None;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let places = self.places.clone();
        let mut places = places.0.lock();
        if !self.has_come() {
            // Whoever is before it finds nobody there and goes on to the next. The receiver goes while the lock is
            // held: a place that is given to one who is leaving would be lost.
            self.wait = None;
            return;
        }
        let Some(order) = places.get_mut(&self.id) else { return };
        while let Some(next) = order.waiting.pop_front() {
            if next.turn.send(()).is_ok() {
                order.end = next.end;
                return;
            }
        }
        places.remove(&self.id);
    }
}

impl Place {
    fn has_come(&mut self) -> bool {
        if self.wait.as_mut().is_some_and(|wait| wait.try_recv().is_ok()) {
            self.wait = None;
        }
        self.wait.is_none()
    }
}

#[cfg(test)]
mod tests {
    use lastword_events::EndReason;

    use super::*;
    use crate::request::EndRequest;

    fn has_come(place: &mut Place) -> bool {
        place.has_come()
    }

    #[test]
    fn one_after_the_other_in_one_session_and_at_once_in_others() {
        let places = Arc::new(Places::default());
        let (a, b) = (Identity::new("t", "a"), Identity::new("t", "b"));
        let first = places.take(&a, None);
        let mut second = places.take(&a, None);
        let mut third = places.take(&a, None);
        assert!(has_come(&mut places.take(&b, None)));
        assert!(!has_come(&mut second));
        drop(first);
        assert!(!has_come(&mut third));
        drop(second);
        assert!(has_come(&mut third));
        drop(third);
        assert!(places.0.lock().is_empty(), "nothing is kept of sessions without requests");
    }

    #[test]
    fn whoever_gives_up_waiting_holds_up_nobody() {
        let places = Arc::new(Places::default());
        let a = Identity::new("t", "a");
        let first = places.take(&a, None);
        let second = places.take(&a, None);
        let mut third = places.take(&a, None);
        drop(second);
        drop(first);
        assert!(has_come(&mut third));
        drop(third);
        assert!(places.0.lock().is_empty());
    }

    #[test]
    fn the_first_end_under_way_is_known_whether_or_not_it_has_its_turn() {
        let places = Arc::new(Places::default());
        let a = Identity::new("t", "a");
        let end = |reason| {
            let session = lastword_events::Session::new("t", "a");
            Some(Arc::new(ReceivedEnd::from(EndRequest::new(session, reason))))
        };
        let reason = || places.ends_of(&a).first().map(|end| end.request.event.reason.clone());
        let start = places.take(&a, None);
        assert_eq!(reason(), None);
        let gave_up = places.take(&a, end(EndReason::Deleted));
        let first = places.take(&a, end(EndReason::Reset));
        let second = places.take(&a, end(EndReason::New));
        drop(gave_up);
        assert_eq!(reason(), Some(EndReason::Reset), "it waits behind the start");
        drop(start);
        assert_eq!(reason(), Some(EndReason::Reset), "it has its turn");
        drop(first);
        assert_eq!(reason(), Some(EndReason::New));
        assert_eq!(places.ends().len(), 1);
        assert_eq!(places.ends_of(&a.clone().in_scope("key")).len(), 1, "the order is the id's");
        drop(second);
        assert!(places.ends().is_empty());
    }

    #[test]
    fn of_events_that_only_show_life_one_waits_behind_the_others() {
        let places = Arc::new(Places::default());
        let a = Identity::new("t", "a");
        let other = a.clone().in_scope("key");
        assert!(matches!(places.take_behind(&a), Turn::Now));
        let first = places.take(&a, None);
        let Turn::Later(mut seen) = places.take_behind(&a) else { panic!() };
        let Turn::Later(_other) = places.take_behind(&other) else { panic!("it is of another session") };
        assert!(matches!(places.take_behind(&a), Turn::Taken));
        let end = places.take(&a, None);
        assert!(matches!(places.take_behind(&a), Turn::Later(_)), "the other is before that end");
        drop((first, end));
        assert!(has_come(&mut seen));
    }
}
