//! Work that is done for one tenant at a time, and once for all who want it meanwhile.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use tokio::sync::Mutex as TurnMutex;

/// Whose work it is; none: of every tenant.
type Whose = Option<Arc<str>>;

/// What was made last, and when that was begun.
type Made<T> = Option<(Instant, Arc<T>)>;

/// Work that is done for one tenant at a time. Who asks while it is under way is given what comes of the next time, with all others who do:
/// nobody is given what is from before the question, and however many ask, the work is under way once for each tenant.
pub(crate) struct OneAtATime<T> {
    /// Those of whom somebody asks.
    of: Mutex<HashMap<Whose, Arc<TurnMutex<Made<T>>>>>,
}

impl<T> Default for OneAtATime<T> {
    fn default() -> Self {
        Self { of: Mutex::default() }
    }
}

impl<T> OneAtATime<T> {
    /// What comes of `make`, or of another one's that was begun after this was asked for.
    pub(crate) async fn get(&self, whose: Whose, make: impl Future<Output = T>) -> Arc<T> {
        let asked = Instant::now();
        let entered = self.enter(whose);
        let mut made = entered.turn.lock().await;
        if let Some((began, what)) = &*made
            && *began >= asked
        {
            return what.clone();
        }
        let began = Instant::now();
        let what = Arc::new(make.await);
        *made = Some((began, what.clone()));
        what
    }

    fn enter(&self, whose: Whose) -> Entered<'_, T> {
        let turn = self.of.lock().entry(whose.clone()).or_default().clone();
        Entered { of: self, whose, turn }
    }
}

/// One who asks, until it is dropped. With the last one what was made is forgotten.
struct Entered<'a, T> {
    of: &'a OneAtATime<T>,
    whose: Whose,
    turn: Arc<TurnMutex<Made<T>>>,
}

impl<T> Drop for Entered<'_, T> {
    fn drop(&mut self) {
        let mut of = self.of.of.lock();
        // Under this lock nobody else enters or leaves: the last who leaves finds the list's alone.
        drop(std::mem::take(&mut self.turn));
        if of.get(&self.whose).is_some_and(|turn| Arc::strong_count(turn) == 1) {
            of.remove(&self.whose);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::FutureExt;
    use futures_util::future::join_all;
    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn who_asks_while_it_is_under_way_shares_the_next_time_with_the_others() {
        let (turns, times, goes_on) = (OneAtATime::default(), AtomicUsize::new(0), Notify::new());
        let (turns, times, goes_on) = (&turns, &times, &goes_on);
        let ask = |whose: &str| {
            turns.get(Some(whose.into()), async move {
                let time = times.fetch_add(1, Ordering::SeqCst) + 1;
                goes_on.notified().await;
                time
            })
        };
        let mut first = Box::pin(ask("a"));
        assert!(first.as_mut().now_or_never().is_none());
        let mut others = Box::pin(join_all((0..50).map(|_| ask("a"))));
        assert!(others.as_mut().now_or_never().is_none());
        // Another tenant's waits for none of them.
        let mut of_b = Box::pin(ask("b"));
        assert!(of_b.as_mut().now_or_never().is_none());
        assert_eq!(times.load(Ordering::SeqCst), 2);
        // Who gives up lets the next one begin.
        drop(first);
        goes_on.notify_one();
        assert_eq!(*of_b.await, 2);
        goes_on.notify_one();
        assert!(others.await.iter().all(|time| **time == 3));
        assert!(turns.of.lock().is_empty(), "nothing is kept of who has it");
        goes_on.notify_one();
        assert_eq!(*ask("a").await, 4, "what is asked for later is not from before");
    }
}
