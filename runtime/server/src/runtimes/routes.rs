//! Which runtime the unanswered requests of a session are with.
//!
//! Each runtime keeps the order of a session's requests, but only of those that it was handed. A request that follows an
//! unanswered one of its session is handed to the same runtime. While it is not decided yet which runtime carries a
//! request out, those that follow it wait here.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use lastword::Runtime;
use lastword::events::{Identity, Scope};
use parking_lot::Mutex;
use tokio::sync::oneshot;

/// The runtime that carries a request out.
#[derive(Clone)]
pub(super) enum Place {
    /// That of the daemon's own journal.
    Own,
    /// That of an adopted journal.
    Adopted(Runtime),
}

/// The ids with requests that are not answered.
#[derive(Default)]
pub(super) struct Routes(Mutex<HashMap<Identity, Route>>);

/// The unanswered requests of one id.
#[derive(Default)]
struct Route {
    /// How many there are, with those that wait.
    requests: usize,
    /// Whether one of them has the turn to be decided.
    is_turn_taken: bool,
    /// Those that wait for the turn.
    waiting: VecDeque<Waiting>,
    /// Where those that are decided are, by the scope that they say.
    at: HashMap<Scope, At>,
}

struct Waiting {
    turn: oneshot::Sender<()>,
    /// The scope of an event that only shows that a session lives.
    seen: Option<Scope>,
}

/// Where requests of one identity are.
struct At {
    place: Place,
    requests: usize,
}

/// A request that is not answered. Dropping it says that it is.
pub(super) struct Unanswered {
    routes: Arc<Routes>,
    said: Identity,
    turn: Turn,
    /// Whether the request counts in [`Route::at`].
    is_placed: bool,
}

/// A request's turn to be decided.
enum Turn {
    Waits(oneshot::Receiver<()>),
    Has,
    /// The next request has it.
    Given,
}

/// The turn of an event that only shows that a session lives.
pub(super) enum Seen {
    /// No request of the id waits to be decided.
    Now,
    Later(Unanswered),
    /// Another such event waits at the end already, and stands for this one.
    Merged,
}

impl Routes {
    /// Joins the requests of the id at their end.
    pub(super) fn join(self: &Arc<Self>, said: &Identity) -> Unanswered {
        self.join_locked(&mut self.0.lock(), said, None)
    }

    /// Joins with an event that only shows that a session lives. There may be any number of them, so of several in a row
    /// only the first one waits.
    pub(super) fn join_seen(self: &Arc<Self>, said: &Identity) -> Seen {
        let mut routes = self.0.lock();
        let Some(route) = routes.get(&*said.unscoped()).filter(|route| route.is_turn_taken) else { return Seen::Now };
        let mut last = route.waiting.iter().rev().map_while(|waiting| waiting.seen.as_ref());
        if last.any(|scope| *scope == said.scope) {
            return Seen::Merged;
        }
        Seen::Later(self.join_locked(&mut routes, said, Some(said.scope.clone())))
    }

    fn join_locked(
        self: &Arc<Self>,
        routes: &mut HashMap<Identity, Route>,
        said: &Identity,
        seen: Option<Scope>,
    ) -> Unanswered {
        let route = routes.entry(said.unscoped().into_owned()).or_default();
        route.requests += 1;
        let turn = if route.is_turn_taken {
            let (turn, waits) = oneshot::channel();
            route.waiting.push_back(Waiting { turn, seen });
            Turn::Waits(waits)
        } else {
            route.is_turn_taken = true;
            Turn::Has
        };
        Unanswered { routes: self.clone(), said: said.clone(), turn, is_placed: false }
    }
}

impl Route {
    /// Gives the turn to the first request that waits and was not dropped.
    fn give_turn(&mut self) {
        while let Some(next) = self.waiting.pop_front() {
            if next.turn.send(()).is_ok() {
                return;
            }
        }
        self.is_turn_taken = false;
    }
}

impl Unanswered {
    /// Resolves when all requests of the id before this one are decided.
    pub(super) async fn comes(&mut self) {
        if let Turn::Waits(turn) = &mut self.turn {
            // The sender is only dropped with the whole map.
            turn.await.ok();
            self.turn = Turn::Has;
        }
    }

    /// Where unanswered requests of this very identity are.
    pub(super) fn others(&self) -> Option<Place> {
        let routes = self.routes.0.lock();
        let at = routes.get(&*self.said.unscoped())?.at.get(&self.said.scope)?;
        Some(at.place.clone())
    }

    /// Says where this request is, and those of its identity that follow it.
    pub(super) fn goes_to(&mut self, place: &Place) {
        let mut routes = self.routes.0.lock();
        let Some(route) = routes.get_mut(&*self.said.unscoped()) else { return };
        let at = route.at.entry(self.said.scope.clone());
        let at = at.or_insert_with(|| At { place: place.clone(), requests: 0 });
        at.place = place.clone();
        at.requests += usize::from(!self.is_placed);
        self.is_placed = true;
    }

    /// The runtime has the request: the next one may be decided.
    pub(super) fn is_decided(&mut self) {
        if !matches!(self.turn, Turn::Has) {
            return;
        }
        self.turn = Turn::Given;
        if let Some(route) = self.routes.0.lock().get_mut(&*self.said.unscoped()) {
            route.give_turn();
        }
    }
}

impl Drop for Unanswered {
    fn drop(&mut self) {
        let routes = self.routes.clone();
        let mut routes = routes.0.lock();
        let id = self.said.unscoped().into_owned();
        let Some(route) = routes.get_mut(&id) else { return };
        if self.is_placed
            && let Some(at) = route.at.get_mut(&self.said.scope)
        {
            at.requests -= 1;
            if at.requests == 0 {
                route.at.remove(&self.said.scope);
            }
        }
        let has_turn = match &mut self.turn {
            Turn::Has => true,
            Turn::Given => false,
            Turn::Waits(turn) => turn.try_recv().is_ok(),
        };
        // The receiver of a request that waits is dropped while the lock is held: otherwise a turn could be given to it
        // and be lost.
        self.turn = Turn::Given;
        if has_turn {
            route.give_turn();
        }
        route.requests -= 1;
        if route.requests == 0 {
            routes.remove(&id);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn id() -> Identity {
        Identity::new("t", "s")
    }

    fn has_come(request: &mut Unanswered) -> bool {
        request.comes().now_or_never().is_some()
    }

    fn is_own(request: &Unanswered) -> bool {
        matches!(request.others(), Some(Place::Own))
    }

    #[test]
    fn requests_of_an_id_are_decided_in_their_order_and_nothing_is_kept_of_them() {
        let routes = Arc::new(Routes::default());
        let mut first = routes.join(&id());
        let mut second = routes.join(&id().in_scope("x"));
        let dropped = routes.join(&id());
        let mut last = routes.join(&id());
        assert!(has_come(&mut first) && !has_come(&mut second) && !has_come(&mut last));
        assert!(has_come(&mut routes.join(&Identity::new("t", "other"))));
        drop(dropped);
        first.is_decided();
        assert!(has_come(&mut second) && !has_come(&mut last));
        drop(second);
        assert!(has_come(&mut last));
        // One that was given the turn, and is dropped before it knows.
        let (unaware, mut behind) = (routes.join(&id()), routes.join(&id()));
        drop(last);
        drop(unaware);
        assert!(has_come(&mut behind));
        drop((first, behind));
        assert!(routes.0.lock().is_empty());
    }

    #[test]
    fn those_that_follow_go_where_the_unanswered_ones_of_the_same_identity_are() {
        let routes = Arc::new(Routes::default());
        let mut first = routes.join(&id());
        assert!(first.others().is_none());
        first.goes_to(&Place::Own);
        first.is_decided();
        let mut second = routes.join(&id());
        assert!(is_own(&second));
        second.goes_to(&Place::Own);
        second.goes_to(&Place::Own);
        drop(first);
        let mut scoped = routes.join(&id().in_scope("x"));
        assert!(is_own(&second) && scoped.others().is_none());
        scoped.goes_to(&Place::Own);
        drop(second);
        assert!(routes.join(&id()).others().is_none() && is_own(&scoped));
        drop(scoped);
        assert!(routes.0.lock().is_empty());
    }

    #[test]
    fn of_what_only_shows_life_one_waits_in_a_row() {
        let routes = Arc::new(Routes::default());
        assert!(matches!(routes.join_seen(&id()), Seen::Now));
        let mut undecided = routes.join(&id());
        let Seen::Later(mut seen) = routes.join_seen(&id()) else { panic!("it does not wait") };
        assert!(matches!(routes.join_seen(&id()), Seen::Merged));
        let Seen::Later(_other) = routes.join_seen(&id().in_scope("x")) else { panic!("it does not wait") };
        assert!(matches!(routes.join_seen(&id()), Seen::Merged));
        let behind = routes.join(&id());
        let Seen::Later(_again) = routes.join_seen(&id()) else { panic!("it is behind another request") };
        undecided.is_decided();
        assert!(has_come(&mut seen));
        drop(behind);
    }
}
