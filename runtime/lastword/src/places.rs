use std::collections::HashMap;
use std::collections::VecDeque;
use std::sync::Arc;

use lastword_events::Identity;
use tokio::sync::oneshot;

use crate::request::EndRequest;
use crate::sync::Mutex;

/// Makes the requests of one session follow each other, in the order in which they were made, while those of other
/// sessions go on at once. It knows which of them are ends: a drain has to know what an owner has said already.
#[derive(Debug, Default)]
pub(crate) struct Places(Mutex<HashMap<Identity, Order>>);

/// The requests of one session that are under way.
#[derive(Debug)]
struct Order {
    /// What the one whose turn it is says, if it is an end.
    end: Option<Arc<EndRequest>>,
    waiting: VecDeque<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    turn: oneshot::Sender<()>,
    /// What it says, if it is an end.
    end: Option<Arc<EndRequest>>,
}

/// A place in a session's order. Dropping it lets the next one in.
#[derive(Debug)]
pub(crate) struct Place {
    places: Arc<Places>,
    identity: Identity,
    wait: Option<oneshot::Receiver<()>>,
}

impl Places {
    /// Takes a place at the end of the session's order; for an end, with what it says.
    pub(crate) fn take(self: &Arc<Self>, identity: &Identity, end: Option<Arc<EndRequest>>) -> Place {
        let mut places = self.0.lock();
        let wait = match places.get_mut(identity) {
            Some(order) => {
                let (turn, wait) = oneshot::channel();
                order.waiting.push_back(Waiting { turn, end });
                Some(wait)
            }
            None => {
                places.insert(identity.clone(), Order { end, waiting: VecDeque::new() });
                None
            }
        };
        Place { places: self.clone(), identity: identity.clone(), wait }
    }

    /// The first end that is under way for each session: it is the end of the generation that is active now.
    pub(crate) fn ends(&self) -> Vec<(Identity, Arc<EndRequest>)> {
        let places = self.0.lock();
        places.iter().filter_map(|(identity, order)| Some((identity.clone(), order.first_end()?.clone()))).collect()
    }

    /// The same for one session.
    pub(crate) fn end_of(&self, identity: &Identity) -> Option<Arc<EndRequest>> {
        self.0.lock().get(identity)?.first_end().cloned()
    }

    /// See [`Runtime::leftovers`](crate::Runtime::leftovers).
    #[cfg(shuttle)]
    pub(crate) fn held(&self) -> u64 {
        u64::try_from(self.0.lock().len()).unwrap_or(u64::MAX)
    }
}

impl Order {
    fn first_end(&self) -> Option<&Arc<EndRequest>> {
        // Whoever has given up waiting has nothing to say.
        let waiting = self.waiting.iter().filter(|waiting| !waiting.turn.is_closed());
        self.end.as_ref().or_else(|| waiting.filter_map(|waiting| waiting.end.as_ref()).next())
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
        let Some(order) = places.get_mut(&self.identity) else { return };
        while let Some(next) = order.waiting.pop_front() {
            if next.turn.send(()).is_ok() {
                order.end = next.end;
                return;
            }
        }
        places.remove(&self.identity);
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
            Some(Arc::new(EndRequest::new(session, reason)))
        };
        let reason = || places.end_of(&a).map(|end| end.event.reason.clone());
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
        drop(second);
        assert!(places.ends().is_empty());
    }
}
