//! Ends the sessions of owners that died, and of those that were silent for too long.

use std::sync::{Arc, Weak};

use futures_util::stream::{self, StreamExt};
use lastword::{Refusal, Runtime};
use tokio::sync::watch;

use super::Owners;
use super::owned_session::SessionToEnd;
use crate::limits::ENDS_AT_ONCE;

/// Waits for what is due next, and carries it out. While it waits it keeps nothing of the owners.
pub(super) async fn look_after(owners: Weak<Owners>, runtime: Runtime) {
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

/// Resolves when it is true, or nobody can make it so any more.
async fn is_true(stopped: &mut watch::Receiver<bool>) {
    stopped.wait_for(|stopped| *stopped).await.ok();
}

impl Owners {
    fn carry_out_what_is_due(self: &Arc<Self>, runtime: &Runtime) {
        let (now, at) = self.now();
        let passed = self.registry.lock().pass(now, at);
        for lost in &passed.lost {
            self.tell_lost(lost);
        }
        if !passed.ends.is_empty() {
            // Others become due meanwhile.
            tokio::spawn(end_all(self.clone(), runtime.clone(), passed.ends));
        }
    }
}

/// One round: those whose end could not be written down are tried again together, and the log has one line for all of them.
async fn end_all(owners: Arc<Owners>, runtime: Runtime, ends: Vec<SessionToEnd>) {
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

/// Why the end was refused, if it was.
async fn end_one(owners: &Owners, runtime: &Runtime, end: &SessionToEnd) -> Option<Refusal> {
    let answer = owners.ask_for_end(runtime, end)?.await;
    if let Ok(accepted) = &answer {
        owners.observer.accepted("end", accepted);
    }
    owners.end_answered(runtime, &end.identity, None);
    answer.err()
}
