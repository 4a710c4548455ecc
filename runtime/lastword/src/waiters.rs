//! Waiters for deliveries to be settled.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use lastword_events::{FailureCause, Outcome, PluginName};
use lastword_journal::{DeliveryKey, JournalError};
use tokio::sync::oneshot::{Receiver, Sender, channel};

use crate::dispatch::FinishedCall;
use crate::sync::Mutex;

/// What became of a delivery, on record.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Settled {
    /// The delivery is made: the plugin has it.
    Delivered,
    /// The delivery was given up. An operator may have it made again.
    Dead {
        /// Recorded failures.
        failures: u32,
        /// The cause of the last failure, as the word of a [`FailureCause`].
        cause: String,
        /// The message of the last failure.
        message: String,
    },
    /// An operator has forgotten the delivery.
    Forgotten,
    /// The journal does not have the delivery: it was made or forgotten before anybody asked, its session goes on, or it never existed. A
    /// journal keeps nothing of a delivery that was made.
    NotOwed,
    /// The run is over, and the delivery is still owed: the next start makes it.
    Deferred,
}

impl Settled {
    /// What became of the delivery of a call that is over. None while the delivery is owed.
    fn of(call: &FinishedCall) -> Option<Self> {
        match &call.outcome {
            Outcome::Delivered => Some(Self::Delivered),
            Outcome::Failed { cause, message } if call.is_dead() => {
                Some(Self::dead(call.delivery.failures, Some(cause.to_string()), Some(message.clone())))
            }
            Outcome::Failed { .. } | Outcome::Deferred(_) => None,
        }
    }

    /// The delivery was given up, with what is known of its last failure.
    pub(crate) fn dead(failures: u32, cause: Option<String>, message: Option<String>) -> Self {
        let cause = cause.unwrap_or_else(|| FailureCause::Lost.to_string());
        Self::Dead { failures, cause, message: message.unwrap_or_default() }
    }
}

/// What a waiter is told.
pub(crate) type Told = Result<Settled, JournalError>;

/// The waiters for deliveries to be settled.
#[derive(Debug, Default)]
pub(crate) struct Waiters {
    /// How many waiters there are. Nearly always there are none, and then nobody takes the lock.
    count: AtomicUsize,
    waiting: Mutex<HashMap<DeliveryKey, Vec<Sender<Told>>>>,
}

/// Deliveries that somebody waits for, and what became of them.
pub(crate) type Awaited = Vec<(DeliveryKey, Settled)>;

impl Waiters {
    /// Adds a waiter, until the returned value is dropped.
    pub(crate) fn join(self: &Arc<Self>, key: DeliveryKey) -> Waiter {
        let (sender, told) = channel();
        let mut waiting = self.waiting.lock();
        waiting.entry(key.clone()).or_default().push(sender);
        self.count.fetch_add(1, Ordering::SeqCst);
        drop(waiting);
        Waiter { waiters: self.clone(), key, told }
    }

    /// The deliveries of these calls that are settled and that somebody waits for. The caller has told the journal of them before.
    pub(crate) fn awaited<'a>(&self, plugin: &PluginName, calls: impl Iterator<Item = &'a FinishedCall>) -> Awaited {
        if self.count.load(Ordering::SeqCst) == 0 {
            return Vec::new();
        }
        let waiting = self.waiting.lock();
        let settled = calls.filter_map(|call| Some((call.delivery.delivery_key(plugin), Settled::of(call)?)));
        settled.filter(|(key, _)| waiting.contains_key(key)).collect()
    }

    /// Tells the waiters that these deliveries are settled, or why that cannot be on record.
    pub(crate) fn tell(&self, awaited: Awaited, recorded: &Result<(), JournalError>) {
        if awaited.is_empty() || self.count.load(Ordering::SeqCst) == 0 {
            return;
        }
        let mut waiting = self.waiting.lock();
        for (key, settled) in awaited {
            let senders = waiting.remove(&key).unwrap_or_default();
            self.count.fetch_sub(senders.len(), Ordering::SeqCst);
            for sender in senders {
                // A waiter that was dropped misses nothing.
                sender.send(recorded.clone().map(|()| settled.clone())).ok();
            }
        }
    }

    /// The run is over, and every delivery that was settled is told. The remaining waiters are told that the next start makes their
    /// deliveries.
    pub(crate) fn tell_deferred(&self) {
        let waiting = std::mem::take(&mut *self.waiting.lock());
        let senders: Vec<_> = waiting.into_values().flatten().collect();
        self.count.fetch_sub(senders.len(), Ordering::SeqCst);
        for sender in senders {
            sender.send(Ok(Settled::Deferred)).ok();
        }
    }

    /// How many waiters there are.
    #[cfg(shuttle)]
    pub(crate) fn held(&self) -> u64 {
        u64::try_from(self.waiting.lock().len()).unwrap_or(u64::MAX)
    }
}

/// A waiter, until it is dropped.
pub(crate) struct Waiter {
    waiters: Arc<Waiters>,
    key: DeliveryKey,
    told: Receiver<Told>,
}

impl Waiter {
    /// The delivery that is waited for.
    pub(crate) fn key(&self) -> &DeliveryKey {
        &self.key
    }

    /// What the waiter was told, if it was by now.
    pub(crate) fn was_told(&mut self) -> Option<Told> {
        self.told.try_recv().ok()
    }

    /// What the waiter was told. If it was told nothing, what the journal says.
    pub(crate) fn or_told<T>(&mut self, journal: Result<T, JournalError>) -> Result<T, Told> {
        journal.map_err(|error| self.was_told().unwrap_or(Err(error)))
    }

    /// Ready when the waiter is told, or when nobody can tell it any more.
    pub(crate) fn poll_told(&mut self, cx: &mut Context<'_>) -> Poll<Told> {
        Pin::new(&mut self.told).poll(cx).map(|told| told.unwrap_or(Err(JournalError::Closed)))
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        self.told.close();
        let mut waiting = self.waiters.waiting.lock();
        let Some(senders) = waiting.get_mut(&self.key) else { return };
        let before = senders.len();
        senders.retain(|sender| !sender.is_closed());
        self.waiters.count.fetch_sub(before - senders.len(), Ordering::SeqCst);
        if senders.is_empty() {
            waiting.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use lastword_events::EventKey;

    use super::*;
    use crate::on_record::OnRecord;

    #[test]
    fn of_an_outcome_that_was_set_aside_nobody_is_told_that_it_is_on_record() {
        let waiters = Arc::new(Waiters::default());
        let [kept, set_aside] = [1, 2].map(|sequence| {
            let plugin = PluginName::new("p").unwrap();
            waiters.join(DeliveryKey { sequence, event: EventKey::End, plugin })
        });
        let awaited = [&kept, &set_aside].map(|waiter| (waiter.key.clone(), Settled::Delivered)).into();
        let why = "a constraint failed".to_owned();
        let error = JournalError::UnwritableOutcomes { deliveries: vec![set_aside.key.clone()], why };
        OnRecord { observed: None, awaited }.tell(&waiters, Err(&error));
        let told = [kept, set_aside].map(|mut waiter| waiter.told.try_recv());
        assert_eq!(told, [Ok(Ok(Settled::Delivered)), Ok(Err(error))]);
    }
}
