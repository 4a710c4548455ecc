//! Runs work once at a time for each tenant, and shares the result among the callers that wait.

use std::sync::Arc;
use std::time::Instant;

use super::tenant_turns::{TenantTurns, Whose};

/// The last result, and when its work began.
type Made<T> = Option<(Instant, Arc<T>)>;

/// Runs work once at a time for each tenant. All callers that ask while the work runs share the result of the next run.
/// So no caller gets a result from before its question, and however many ask, each tenant has one run under way.
pub(crate) struct OneAtATime<T> {
    turns: TenantTurns<Made<T>>,
}

impl<T> Default for OneAtATime<T> {
    fn default() -> Self {
        Self { turns: TenantTurns::default() }
    }
}

impl<T> OneAtATime<T> {
    /// Returns the result of `make`, or of another caller's run that began after this call.
    pub(crate) async fn get(&self, whose: Whose, make: impl Future<Output = T>) -> Arc<T> {
        let asked = Instant::now();
        let mut turn = self.turns.take(whose).await;
        if let Some((began, what)) = &*turn.value
            && *began >= asked
        {
            return what.clone();
        }
        let began = Instant::now();
        let what = Arc::new(make.await);
        *turn.value = Some((began, what.clone()));
        what
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
        let (work, times, goes_on) = (OneAtATime::default(), AtomicUsize::new(0), Notify::new());
        let (work, times, goes_on) = (&work, &times, &goes_on);
        let ask = |whose: &str| {
            work.get(Some(whose.into()), async move {
                let time = times.fetch_add(1, Ordering::SeqCst) + 1;
                goes_on.notified().await;
                time
            })
        };
        let mut first = Box::pin(ask("a"));
        assert!(first.as_mut().now_or_never().is_none());
        let mut others = Box::pin(join_all((0..50).map(|_| ask("a"))));
        assert!(others.as_mut().now_or_never().is_none());
        // Another tenant waits for none of these calls.
        let mut of_b = Box::pin(ask("b"));
        assert!(of_b.as_mut().now_or_never().is_none());
        assert_eq!(times.load(Ordering::SeqCst), 2);
        // A caller that gives up lets the next run begin.
        drop(first);
        goes_on.notify_one();
        assert_eq!(*of_b.await, 2);
        goes_on.notify_one();
        assert!(others.await.iter().all(|time| **time == 3));
        assert!(work.turns.is_empty(), "nothing is kept of who has it");
        goes_on.notify_one();
        assert_eq!(*ask("a").await, 4, "what is asked for later is not from before");
    }
}
