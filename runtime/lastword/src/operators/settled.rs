//! Waits until a delivery is settled, on record.
//!
//! The waiter is noted before the journal is asked, and the waiters are looked at after an outcome was handed to the journal. So none is
//! missed: an outcome that was handed over before the note is on record when the journal is asked, and of a later outcome the waiter is
//! told.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Arc, Weak};
use std::task::Poll;

use lastword_events::DeliveryId;
use lastword_journal::{DeliveryKey, DeliveryRow, DeliveryState, JournalError};

use super::listing::rows;
use crate::core::Core;
use crate::waiters::{Settled, Told, Waiter};

/// Resolves when the delivery is settled on record: at once if it is settled already. While it waits, it does not keep the runtime alive.
pub(crate) fn settled_of(core: &Arc<Core>, id: &DeliveryId) -> impl Future<Output = Told> + Send + 'static + use<> {
    let is_ours = id.journal == core.journal_name();
    let mut waiter = core.operators().waiters().join(DeliveryKey::from(id));
    let (flushed, mut phase) = (core.journal().flush(), core.dispatcher().watch_phase());
    let runtime = Arc::downgrade(core);
    async move {
        if !is_ours {
            return Ok(Settled::NotOwed);
        }
        if let Err(told) = waiter.or_told(flushed.await) {
            return told;
        }
        if let Some(told) = look(&runtime, &mut waiter).await {
            return told;
        }
        {
            let mut over = pin!(async { drop(phase.wait_for(|phase| phase.is_over()).await) });
            let told = poll_fn(|cx| match waiter.poll_told(cx) {
                Poll::Ready(told) => Poll::Ready(Some(told)),
                Poll::Pending => over.as_mut().poll(cx).map(|()| None),
            });
            if let Some(told) = told.await {
                return told;
            }
        }
        // Nobody is called any more. What was handed over by then is on record after this.
        let Some(flushed) = runtime.upgrade().map(|core| core.journal().flush()) else {
            return Err(JournalError::Closed);
        };
        if let Err(told) = waiter.or_told(flushed.await) {
            return told;
        }
        look(&runtime, &mut waiter).await.unwrap_or(Ok(Settled::Deferred))
    }
}

/// What the waiter was told, or the journal says. None while the delivery is owed.
async fn look(runtime: &Weak<Core>, waiter: &mut Waiter) -> Option<Told> {
    let rows = match runtime.upgrade() {
        Some(core) => rows(&core, vec![waiter.key().clone()]).await,
        None => Err(JournalError::Closed),
    };
    // The delivery may have been settled since the journal was asked, and then the waiter knows how.
    if let Some(told) = waiter.was_told() {
        return Some(told);
    }
    let settled = match rows {
        Err(error) => return Some(Err(error)),
        Ok(mut rows) => match rows.pop().flatten() {
            None => Settled::NotOwed,
            Some(DeliveryRow { state: DeliveryState::Dead, failures, cause, message, .. }) => {
                Settled::dead(failures, cause, message)
            }
            Some(_) => return None,
        },
    };
    // A journal in memory may have carried out what is not on record yet.
    let Some(flushed) = runtime.upgrade().map(|core| core.journal().flush()) else {
        return Some(Err(JournalError::Closed));
    };
    Some(waiter.or_told(flushed.await).map_or_else(|told| told, |()| Ok(settled)))
}
