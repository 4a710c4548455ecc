use std::collections::HashMap;
use std::collections::VecDeque;
use std::sync::Arc;

use lastword_events::Identity;
use tokio::sync::oneshot;

use crate::sync::Mutex;

/// Makes the requests of one session follow each other, in the order in which they were made, while those of other
/// sessions go on at once.
#[derive(Debug, Default)]
pub(crate) struct Places(Mutex<HashMap<Identity, VecDeque<oneshot::Sender<()>>>>);

/// A place in a session's order. Dropping it lets the next one in.
#[derive(Debug)]
pub(crate) struct Place {
    places: Arc<Places>,
    identity: Identity,
    wait: Option<oneshot::Receiver<()>>,
}

impl Places {
    /// Takes a place at the end of the session's order.
    pub(crate) fn take(self: &Arc<Self>, identity: &Identity) -> Place {
        let mut places = self.0.lock();
        let wait = match places.get_mut(identity) {
            Some(waiting) => {
                let (sender, receiver) = oneshot::channel();
                waiting.push_back(sender);
                Some(receiver)
            }
            None => {
                places.insert(identity.clone(), VecDeque::new());
                None
            }
        };
        Place { places: self.clone(), identity: identity.clone(), wait }
    }

    /// See [`Runtime::leftovers`](crate::Runtime::leftovers).
    #[cfg(shuttle)]
    pub(crate) fn held(&self) -> u64 {
        u64::try_from(self.0.lock().len()).unwrap_or(u64::MAX)
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
        let Some(waiting) = places.get_mut(&self.identity) else { return };
        while let Some(next) = waiting.pop_front() {
            if next.send(()).is_ok() {
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
    use super::*;

    fn has_come(place: &mut Place) -> bool {
        place.has_come()
    }

    #[test]
    fn one_after_the_other_in_one_session_and_at_once_in_others() {
        let places = Arc::new(Places::default());
        let (a, b) = (Identity::new("t", "a"), Identity::new("t", "b"));
        let first = places.take(&a);
        let mut second = places.take(&a);
        let mut third = places.take(&a);
        assert!(has_come(&mut places.take(&b)));
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
        let first = places.take(&a);
        let second = places.take(&a);
        let mut third = places.take(&a);
        drop(second);
        drop(first);
        assert!(has_come(&mut third));
        drop(third);
        assert!(places.0.lock().is_empty());
    }
}
