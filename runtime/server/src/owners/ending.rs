//! Ends the sessions of dead owners and of silent ones.

use std::sync::{Arc, Weak};

use futures_util::stream::{self, StreamExt};
use lastword::Refusal;
use tokio::sync::watch;

use super::Owners;
use super::owned_session::SessionToEnd;
use crate::limits::ENDS_AT_ONCE;
use crate::runtimes::Runtimes;

/// Waits for the next deadline, and carries out what is due. Holds no reference to the owners while it waits.
pub(super) async fn look_after(owners: Weak<Owners>, runtime: Runtimes) {
    let Some((wake, mut stopped, clock)) =
        owners.upgrade().map(|owners| (owners.wake.clone(), owners.stopped.subscribe(), owners.clock.clone()))
    else {
        return;
    };
    loop {
        let Some(next) = owners.upgrade().map(|owners| owners.registry.lock().next_due()) else { return };
        let due = async {
            match next {
                Some(next) => clock.sleep_until(next).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = is_true(&mut stopped) => return,
            () = wake.notified() => {}
            () = due => {}
        }
        let Some(owners) = owners.upgrade() else { return };
        owners.carry_out_what_is_due(&runtime);
    }
}

/// Resolves when the value is true, or its sender is dropped.
async fn is_true(stopped: &mut watch::Receiver<bool>) {
    stopped.wait_for(|stopped| *stopped).await.ok();
}

impl Owners {
    fn carry_out_what_is_due(self: &Arc<Self>, runtime: &Runtimes) {
        let (now, at) = self.now();
        let passed = self.registry.lock().pass(now, at);
        for lost in &passed.lost {
            self.tell_lost(lost);
        }
        for revealed in &passed.revealed {
            self.observer.death_revealed(revealed, self.settings.grace);
        }
        if !passed.ends.is_empty() {
            // More sessions become due meanwhile.
            tokio::spawn(end_all(self.clone(), runtime.clone(), passed.ends));
        }
    }
}

/// Ends the due sessions. Retries those whose end could not be written down together, with one log line for all.
async fn end_all(owners: Arc<Owners>, runtime: Runtimes, ends: Vec<SessionToEnd>) {
    let (owners, runtime) = (&owners, &runtime);
    let refused: Vec<_> = stream::iter(ends)
        .map(|end| async move { end_one(owners, runtime, &end).await.map(|refusal| (end, refusal)) })
        .buffer_unordered(ENDS_AT_ONCE)
        .filter_map(std::future::ready)
        .collect()
        .await;
    let Some((_, refusal)) = refused.first() else { return };
    tracing::warn!(sessions = refused.len(), %refusal, "the ends of sessions without an owner wait");
    let ends: Vec<_> = refused.into_iter().map(|(end, _)| end).collect();
    owners.registry.lock().try_again(&ends, owners.clock.now());
    owners.wake.notify_one();
}

/// Returns the refusal of the end, if there is one.
async fn end_one(owners: &Owners, runtime: &Runtimes, end: &SessionToEnd) -> Option<Refusal> {
    let answer = owners.ask_for_end(runtime, end)?.await;
    if let Ok(accepted) = &answer {
        owners.observer.accepted("end", accepted);
    }
    owners.end_answered(runtime, &end.identity, None);
    answer.err()
}
