//! What happens after a worker has served a queue: resolve → decide → record → publish → release.
//!
//! - **Resolve**: what guests have changed in key-value storage is handed to the journal, which refuses what is not possible any more.
//! - **Decide**: each delivery is made, dead, or due again; a drain that goes on takes it into its account.
//! - **Record**: the other outcomes are handed to the journal.
//! - **Publish**: the observer and the log are notified.
//! - **Release**: the slots are given back and the sessions go on, when the worker next asks the dispatcher what to do. A failure
//!   waits until it is on record.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use lastword_journal::{
    Completion, JournalError, KeyValueChanges, Pending, RefusedCompletion, Space, StagedCompletions,
};
use tokio::sync::watch;

use crate::core::Core;
use crate::dispatch::{FinishedCall, PluginNumber, PutBack, QueueId, ServedSlice, Taken};
use crate::limits::{MAX_HANDED_OVER_BYTES, max_entry_wait};
use crate::phase::Phase;
use crate::sandbox::Plugin;
use crate::sync::{now, timeout};

/// What a worker has done of a queue in one slice.
#[derive(Debug, Default)]
pub(crate) struct Served {
    pub(crate) time: Duration,
    /// Calls that have come to an outcome.
    pub(crate) finished: Vec<FinishedCall>,
    /// Calls that were put back. They are the first that are begun again.
    pub(crate) put_back: Vec<PutBack>,
    /// Deliveries that the worker had taken and did not begin.
    pub(crate) unstarted: Vec<Taken>,
}

/// The calls of one queue that have ended.
pub(crate) struct AfterCall<'a> {
    core: &'a Arc<Core>,
    queue: QueueId,
    number: PluginNumber,
    plugin: &'a Plugin,
}

impl<'a> AfterCall<'a> {
    /// None when no plugin has this number.
    pub(crate) fn of(core: &'a Arc<Core>, queue: QueueId, number: PluginNumber) -> Option<Self> {
        let plugin = core.dispatcher().installed().get(number)?;
        Some(Self { core, queue, number, plugin })
    }

    /// Takes the calls of a slice all the way. Gives what the dispatcher has to take back.
    pub(crate) fn conclude(&self, served: Served) -> ServedSlice {
        let Served { time, mut finished, put_back, unstarted } = served;
        let dispatcher = self.core.dispatcher();
        // First: a call whose changes cannot be stored has failed.
        let time = time + self.resolve(&mut finished);
        dispatcher.charge_put_back(self.queue, &put_back);
        let unstarted: Vec<Taken> = self.put_back(put_back).into_iter().chain(unstarted).collect();
        let counts = self.decide(&mut finished);
        let recorded = self.record(&finished);
        // After the drain's account is closed an outcome still counts for the journal, but the observer is not notified of another one.
        for call in finished.iter().filter(|_| counts) {
            self.core.publisher().finished(self.plugin.name(), call);
        }
        let finished = self.release(finished, recorded);
        ServedSlice { queue: self.queue, time, finished, unstarted }
    }

    /// Hands the journal the calls that delivered and have changed something, and makes failures of those that it refuses.
    /// Gives how long that took: the queue is charged for it, as for the calls themselves.
    fn resolve(&self, finished: &mut [FinishedCall]) -> Duration {
        let name = self.plugin.name();
        let (mut calls, mut completions) = (Vec::new(), Vec::new());
        for call in finished.iter_mut() {
            let Some(changes) = call.take_changes() else { continue };
            let tenant = call.delivery.session.identity.tenant.clone();
            let tenant_quota = self.core.quotas().of(&tenant).key_value_bytes;
            let space = Space { tenant, plugin: name.clone() };
            let plugin_quota = self.plugin.key_value_quota();
            completions
                .push(call.completion_with(name, KeyValueChanges { space, plugin_quota, tenant_quota, changes }));
            calls.push(call);
        }
        // They are of one queue, so of one tenant.
        let Some(tenant) = calls.first().map(|call| call.delivery.session.identity.tenant.clone()) else {
            return Duration::ZERO;
        };
        let began = now();
        let mut first = 0;
        for (bytes, part) in parts(completions) {
            let next = first + part.len();
            let StagedCompletions { refused, pending } = self.core.journal().complete(&tenant, part);
            for RefusedCompletion { at, why } in refused {
                if let Some(call) = calls.get_mut(first + at) {
                    call.fail_in_host(why.to_string());
                }
            }
            self.count_unwritten(bytes, pending);
            first = next;
        }
        now().saturating_duration_since(began)
    }

    /// The tenant has so many bytes more that are not written, until they are.
    fn count_unwritten(&self, bytes: u64, pending: Pending<()>) {
        let (core, queue) = (self.core, self.queue);
        match poll_now(pending) {
            None => (),
            Some(Undurable::Failed(error)) => complain(&error),
            Some(Undurable::Waits(pending)) => {
                core.dispatcher().add_unwritten(queue, bytes);
                let runtime = Arc::downgrade(core);
                drop(core.handle().spawn(async move {
                    if let Err(error) = pending.await {
                        complain(&error);
                    }
                    if let Some(core) = runtime.upgrade() {
                        core.dispatcher().written(queue, bytes);
                    }
                }));
            }
        }
    }

    /// Publishes calls that were put back, each once until its delivery has an outcome, and makes of them what is to be begun
    /// again. In a drain the observer is not notified: the outcome comes.
    fn put_back(&self, put_back: Vec<PutBack>) -> Vec<Taken> {
        let again = |mut one: PutBack| {
            if !self.core.dispatcher().has_drain()
                && let Some(delivery) = one.delivery.defer()
            {
                self.core.publisher().deferred(self.plugin.name(), &delivery, one.why, false);
            }
            one.again()
        };
        put_back.into_iter().map(again).collect()
    }

    /// Says what becomes of each delivery. False when a drain has closed its account: the observer is not notified of
    /// these.
    fn decide(&self, finished: &mut [FinishedCall]) -> bool {
        finished.iter_mut().for_each(|call| call.decide(self.core.retry()));
        self.core.dispatcher().account(self.queue, finished)
    }

    /// Hands over what the journal has yet to know. None when that is durable already, as in memory it always is.
    fn record(&self, finished: &[FinishedCall]) -> Option<Undurable<RecordFuture>> {
        let tenant = finished.first().map(|call| &call.delivery.session.identity.tenant)?;
        let name = self.plugin.name();
        let completions = finished.iter().filter_map(|call| call.completion(name)).collect();
        let parts = parts(completions).into_iter();
        poll_now(all(parts.map(|(_, part)| self.core.journal().complete(tenant, part).pending).collect()))
    }

    /// Gives the calls whose slots are to be given back now, and whose sessions go on. The others wait for their record.
    fn release(&self, mut finished: Vec<FinishedCall>, recorded: Option<Undurable<RecordFuture>>) -> Vec<FinishedCall> {
        match recorded {
            None => finished,
            Some(Undurable::Failed(error)) => {
                complain(&error);
                self.give_up_retries(&mut finished, Some(&error));
                finished
            }
            Some(Undurable::Waits(pending)) => {
                let (mut failed, rest) = finished.into_iter().partition::<Vec<_>, _>(FinishedCall::waits_for_record);
                // A disk that takes its time holds up these, and no others for want of a slot.
                self.core.dispatcher().release(&mut failed);
                self.release_when_durable(pending, failed);
                rest
            }
        }
    }

    fn release_when_durable(&self, pending: RecordFuture, mut failed: Vec<FinishedCall>) {
        // A disk that is full answers when it has space: nothing here keeps a runtime that was dropped meanwhile.
        let (runtime, phase) = (Arc::downgrade(self.core), self.core.dispatcher().watch_phase());
        let (queue, number) = (self.queue, self.number);
        let patience = max_entry_wait(self.core.budget());
        self.core.handle().spawn(async move {
            let durable =
                if failed.is_empty() { Some(pending.await) } else { durable_in_time(pending, phase, patience).await };
            if let Some(Err(error)) = &durable {
                complain(error);
            }
            if !failed.is_empty()
                && let Some(core) = runtime.upgrade()
                && let Some(calls) = AfterCall::of(&core, queue, number)
            {
                match &durable {
                    Some(Ok(())) => (),
                    Some(Err(error)) => calls.give_up_retries(&mut failed, Some(error)),
                    None => {
                        calls.give_up_retries(&mut failed, None);
                        calls.record_overtaken(&mut failed);
                    }
                }
                let (time, unstarted) = (Duration::ZERO, Vec::new());
                core.dispatcher().settle(ServedSlice { queue, time, finished: failed, unstarted });
            }
        });
    }

    /// Newer events of their sessions go ahead of these failures, whose records still wait for the disk: the next run has to
    /// know that they are late. It is handed over before anything newer begins, so it is durable before any outcome of that.
    fn record_overtaken(&self, failed: &mut [FinishedCall]) {
        let overtaken = self.core.dispatcher().overtaken(self.queue, failed);
        let Some(tenant) = overtaken.first().map(|call| call.delivery.session.identity.tenant.clone()) else { return };
        let records = overtaken.into_iter().filter_map(|call| call.completion(self.plugin.name())).collect();
        // The delivery goes on without the answer.
        drop(self.core.journal().complete(&tenant, records));
    }

    /// Without a record of the failure another attempt would carry a number that a dead run has used: the delivery waits for
    /// the next start.
    fn give_up_retries(&self, finished: &mut [FinishedCall], error: Option<&JournalError>) {
        let name = self.plugin.name();
        let is_concerned = |call: &FinishedCall| match error {
            Some(JournalError::UnwritableFailures { deliveries, .. }) => {
                deliveries.contains(&call.delivery.delivery_key(name))
            }
            _ => true,
        };
        finished.iter_mut().filter(|call| is_concerned(call)).for_each(|call| call.retry = None);
    }
}

/// None when a drain has begun and waited long enough: newer events wait behind these failures, and a disk that is full
/// may not take them before the budget is over. What is not tried again needs no record of its own.
async fn durable_in_time(
    mut pending: RecordFuture,
    mut phase: watch::Receiver<Phase>,
    patience: Duration,
) -> Option<Result<(), JournalError>> {
    let waited = async {
        phase.wait_for(|phase| phase.is_draining()).await.ok();
        timeout(patience, std::future::pending::<()>()).await.ok();
    };
    let mut waited = pin!(waited);
    poll_fn(|cx| match Pin::new(&mut pending).poll(cx) {
        Poll::Ready(durable) => Poll::Ready(Some(durable)),
        Poll::Pending => waited.as_mut().poll(cx).map(|()| None),
    })
    .await
}

/// Resolves when the journal has recorded what was handed over, or cannot.
type RecordFuture = Pin<Box<dyn Future<Output = Result<(), JournalError>> + Send>>;

/// A record that is not durable: still pending, or failed.
enum Undurable<A> {
    Waits(A),
    Failed(JournalError),
}

/// Completions in their order, in parts that are handed over one after the other, each with the bytes that it counts for: all of
/// a part is written at once, and others wait meanwhile.
fn parts(completions: Vec<Completion>) -> Vec<(u64, Vec<Completion>)> {
    let mut parts: Vec<(u64, Vec<Completion>)> = Vec::new();
    for one in completions {
        let bytes = one.unwritten_bytes();
        match parts.last_mut() {
            Some((of_part, part)) if of_part.saturating_add(bytes) <= MAX_HANDED_OVER_BYTES => {
                *of_part += bytes;
                part.push(one);
            }
            _ => parts.push((bytes, vec![one])),
        }
    }
    parts
}

/// Answers when all of these are durable, or with what is wrong with the first that is not. Of failures that cannot be recorded
/// it names all.
fn all(mut parts: Vec<Pending<()>>) -> RecordFuture {
    if parts.len() < 2
        && let Some(one) = parts.pop()
    {
        return Box::pin(one);
    }
    Box::pin(async move {
        let mut answer = Ok(());
        for part in parts {
            answer = match (answer, part.await) {
                (
                    Err(JournalError::UnwritableFailures { mut deliveries, why }),
                    Err(JournalError::UnwritableFailures { deliveries: more, .. }),
                ) => {
                    deliveries.extend(more);
                    Err(JournalError::UnwritableFailures { deliveries, why })
                }
                // What is not durable is more than what can never be recorded.
                (Err(JournalError::UnwritableFailures { .. }) | Ok(()), other @ Err(_)) => other,
                (answer, _) => answer,
            };
        }
        answer
    })
}

/// None when it is durable already, as in memory it always is.
fn poll_now<A: Future<Output = Result<(), JournalError>> + Unpin>(mut pending: A) -> Option<Undurable<A>> {
    match pin!(&mut pending).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Ok(())) => None,
        Poll::Ready(Err(error)) => Some(Undurable::Failed(error)),
        Poll::Pending => Some(Undurable::Waits(pending)),
    }
}

fn complain(error: &JournalError) {
    tracing::error!(%error, "an outcome could not be written down; the delivery will be made again at the next start");
}

#[cfg(test)]
mod tests {
    use lastword_events::{Change, EventKey, PluginName};
    use lastword_journal::{DeliveryKey, Settlement};

    use super::*;

    #[test]
    fn what_is_handed_over_is_in_its_order_and_in_pieces_that_lines_can_wait_for() {
        let plugin = PluginName::new("p").unwrap();
        let stores = |sequence: u64, bytes: usize| {
            let space = Space { tenant: "t".into(), plugin: plugin.clone() };
            let changes = vec![("k".to_owned(), Change::Set(vec![0; bytes]))];
            Completion {
                delivery: DeliveryKey { sequence, event: EventKey::End, plugin: plugin.clone() },
                attempt: 1,
                settlement: Settlement::Delivered,
                changes: Some(Box::new(KeyValueChanges { space, plugin_quota: None, tenant_quota: None, changes })),
            }
        };
        let sizes = [100 << 10, 100 << 10, 100 << 10, 1 << 20, 1, 1];
        let parts = parts((0..).zip(sizes).map(|(sequence, bytes)| stores(sequence, bytes)).collect());
        let numbers: Vec<Vec<u64>> =
            parts.iter().map(|(_, part)| part.iter().map(|one| one.delivery.sequence).collect()).collect();
        assert_eq!(numbers, [vec![0, 1], vec![2], vec![3], vec![4, 5]]);
        assert!(parts.iter().all(|(bytes, part)| part.len() == 1 || *bytes <= MAX_HANDED_OVER_BYTES));
    }
}
