//! What happens after a worker has served a queue: resolve → decide → record → publish → return.
//!
//! - **Resolve**: the journal is handed what guests have changed in key-value storage, and refuses changes that are not possible any more.
//! - **Decide**: each delivery is made, dead, or due again. A drain that goes on takes it into its account.
//! - **Record**: the journal is handed the other outcomes.
//! - **Publish**: the observer and the log are notified.
//! - **Return**: the calls go back to the dispatcher when the worker next asks it what to do. It frees their slots, and their sessions go
//!   on. A failure returns when it is on record.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use lastword_events::PluginName;
use lastword_journal::{
    Completion, CutCall, JournalError, KeyValueChanges, Pending, RefusedCompletion, Space, StagedCompletions,
};
use tokio::sync::watch;

use crate::core::Core;
use crate::dispatch::{ConcludedSlice, FinishedCall, Permit, PutBack, QueueId, Taken};
use crate::installed::CalledPlugin;
use crate::limits::{MAX_HANDED_OVER_BYTES, max_entry_wait};
use crate::on_record::{OnRecord, ToBeRecorded};
use crate::orphans::orphan_without_hook;
use crate::phase::Phase;
use crate::queued_delivery::QueuedDelivery;
use crate::sync::now;
use crate::time::Time;
use crate::waiters::Waiters;

/// A slice as a worker has served it: what it has done of a queue.
#[derive(Debug, Default)]
pub(crate) struct ServedSlice {
    pub(crate) time: Duration,
    /// Calls that have come to an outcome.
    pub(crate) finished: Vec<FinishedCall>,
    /// Calls that were put back. They begin again before anything else of the queue.
    pub(crate) put_back: Vec<PutBack>,
    /// Deliveries that the worker had taken and did not begin.
    pub(crate) unstarted: Vec<Taken>,
    /// Deliveries for whose events the plugin has no hook any more.
    pub(crate) without_hook: Vec<Taken>,
}

impl ServedSlice {
    /// A slice with room for the results of so many calls.
    pub(crate) fn with_room(calls: usize) -> Self {
        Self { finished: Vec::with_capacity(calls), ..Self::default() }
    }
}

/// Concludes calls of one queue.
pub(crate) struct AfterCall<'a> {
    core: &'a Arc<Core>,
    queue: QueueId,
    /// The plugin's, which is the same for all of its versions.
    name: &'a PluginName,
    is_scoped: bool,
}

impl<'a> AfterCall<'a> {
    pub(crate) fn new(core: &'a Arc<Core>, queue: QueueId, plugin: CalledPlugin<'a>) -> Self {
        let CalledPlugin { name, is_scoped } = plugin;
        Self { core, queue, name, is_scoped }
    }

    fn plugin(&self) -> CalledPlugin<'a> {
        CalledPlugin { name: self.name, is_scoped: self.is_scoped }
    }

    /// Concludes a call that was dropped at the end of a budget. Its attempt is used up, and has no outcome.
    pub(crate) fn cut(&self, delivery: QueuedDelivery, permit: Permit) -> ConcludedSlice {
        let attempt = delivery.attempt;
        self.core.run_end().add_cut(CutCall { delivery: delivery.delivery_key(self.name), attempt });
        self.conclude(ServedSlice { finished: vec![FinishedCall::cut(delivery, permit)], ..ServedSlice::default() })
    }

    /// Concludes the calls of a slice. Gives what the dispatcher has to take back.
    pub(crate) fn conclude(&self, served: ServedSlice) -> ConcludedSlice {
        let ServedSlice { time, mut finished, put_back, unstarted, without_hook } = served;
        let dispatcher = self.core.dispatcher();
        // This is first, because a call whose changes cannot be stored has failed.
        let (resolving, stored) = self.resolve(&mut finished);
        let time = time + resolving;
        dispatcher.charge_put_back(self.queue, &put_back);
        let (without_hook, kept) = orphan_without_hook(self.core, self.name, without_hook);
        let unstarted: Vec<Taken> = self.defer_put_back(put_back).into_iter().chain(kept).chain(unstarted).collect();
        let counts = self.decide(&mut finished);
        self.count_dead(&finished);
        let (recorded, observed) = self.record(&finished, counts);
        // Waiters are looked for only after the hand-over: a later waiter finds the outcome on record.
        let handed_over_now = finished.iter().filter(|call| !call.handed_over);
        let told = OnRecord { observed, awaited: self.waiters().awaited(self.name, handed_over_now) };
        // After the drain's account is closed an outcome still counts for the journal, but the observers are not notified of another one.
        for call in finished.iter().filter(|_| counts) {
            self.core.publisher().finished(self.plugin(), call);
            if call.opens_breaker() {
                let tenant = &call.delivery.session.identity.tenant;
                self.core.publisher().observers().breaker_opened(tenant, self.name);
            }
        }
        // Observers hear of a record after they have heard of the outcome.
        stored.into_iter().for_each(|part| self.follow(part, counts));
        let finished = self.returned_now(finished, recorded, told);
        ConcludedSlice { queue: self.queue, time, finished, unstarted, without_hook }
    }

    /// Hands the journal the calls that delivered and have changed something. A call that the journal refuses has failed. Gives how long
    /// that took, because the queue is charged for it as for the calls themselves; and what the journal has been handed.
    fn resolve(&self, finished: &mut [FinishedCall]) -> (Duration, Vec<StoredPart>) {
        let name = self.name;
        let (mut calls, mut completions) = (Vec::new(), Vec::new());
        for call in finished.iter_mut() {
            let Some(changes) = call.take_changes() else { continue };
            let tenant = call.delivery.session.identity.tenant.clone();
            let tenant_quota = self.core.quotas().of(&tenant).key_value_bytes;
            let space = Space { tenant, plugin: name.clone() };
            let plugin_quota = call.version.key_value_quota;
            completions
                .push(call.completion_with(name, KeyValueChanges { space, plugin_quota, tenant_quota, changes }));
            calls.push(call);
        }
        // The calls are of one queue, so they are of one tenant.
        let Some(tenant) = calls.first().map(|call| call.delivery.session.identity.tenant.clone()) else {
            return (Duration::ZERO, Vec::new());
        };
        let began = now();
        let (mut first, mut stored) = (0, Vec::new());
        for (bytes, part) in parts(completions) {
            let next = first + part.len();
            let mut observed = self.core.publisher().to_be_recorded(&part);
            let StagedCompletions { refused, pending } = self.core.journal().complete(&tenant, part);
            if let Some(observed) = &mut observed {
                observed.remove(&refused);
            }
            for RefusedCompletion { at, why } in refused {
                if let Some(call) = calls.get_mut(first + at) {
                    call.fail_in_host(why.to_string());
                }
            }
            let recorded = poll_now(pending);
            if let Some(Undurable::Waits(_)) = &recorded {
                // Until they are written the tenant has so many more unwritten bytes.
                self.core.dispatcher().add_unwritten(self.queue, bytes);
            }
            let part = calls.get(first..next).unwrap_or_default();
            let awaited = self.waiters().awaited(name, part.iter().map(|call| &**call));
            stored.push(StoredPart { bytes, recorded, told: OnRecord { observed, awaited } });
            first = next;
        }
        (now().saturating_duration_since(began), stored)
    }

    /// Follows the record of what guests have stored until it is written.
    fn follow(&self, StoredPart { bytes, recorded, mut told }: StoredPart, counts: bool) {
        if !counts {
            told.observed = None;
        }
        match recorded {
            None => told.tell(self.waiters(), Ok(())),
            Some(Undurable::Failed(error)) => {
                log_unrecorded(&error);
                self.core.records().mark_incomplete();
                told.tell(self.waiters(), Err(&error));
            }
            Some(Undurable::Waits(pending)) => {
                let (runtime, queue, waiters) = (Arc::downgrade(self.core), self.queue, self.waiters().clone());
                let record = self.core.records().begin();
                drop(self.core.handle().spawn(async move {
                    let recorded = pending.await;
                    if let Err(error) = &recorded {
                        log_unrecorded(error);
                    }
                    if let Some(core) = runtime.upgrade() {
                        core.dispatcher().written(queue, bytes);
                    }
                    told.tell(&waiters, recorded.as_ref().copied());
                    record.answered(recorded.as_ref().copied());
                }));
            }
        }
    }

    fn waiters(&self) -> &Arc<Waiters> {
        self.core.operators().waiters()
    }

    fn count_dead(&self, finished: &[FinishedCall]) {
        let dead = finished.iter().filter(|call| call.is_dead()).count();
        self.core.operators().out_of_queues().add_dead(self.name, u64::try_from(dead).unwrap_or(u64::MAX));
    }

    /// Publishes deliveries whose calls were put back as deferred, each once until it has an outcome, and gives them to be begun again.
    /// In a drain the observer is not notified: the outcome comes.
    fn defer_put_back(&self, put_back: Vec<PutBack>) -> Vec<Taken> {
        let again = |mut one: PutBack| {
            if !self.core.dispatcher().has_drain()
                && let Some(delivery) = one.delivery.defer()
            {
                self.core.publisher().deferred(self.plugin(), &delivery, one.why, false);
            }
            one.again()
        };
        put_back.into_iter().map(again).collect()
    }

    /// Decides what becomes of each delivery. False when a drain has closed its account: then the observer is not notified of these calls.
    fn decide(&self, finished: &mut [FinishedCall]) -> bool {
        finished.iter_mut().for_each(|call| call.end_attempt(self.core.retry(), self.core.time()));
        self.core.dispatcher().account(self.queue, finished)
    }

    /// Hands the journal what it has yet to know. Gives the record, unless it is durable already, as it always is in memory. If the
    /// outcomes count, also gives what observers are to be told once it is durable.
    fn record(
        &self,
        finished: &[FinishedCall],
        counts: bool,
    ) -> (Option<Undurable<RecordFuture>>, Option<ToBeRecorded>) {
        let Some(tenant) = finished.first().map(|call| &call.delivery.session.identity.tenant) else {
            return (None, None);
        };
        let name = self.name;
        let mut completions = Vec::with_capacity(finished.len());
        completions.extend(finished.iter().filter_map(|call| call.completion(name)));
        let observed = if counts { self.core.publisher().to_be_recorded(&completions) } else { None };
        let parts = parts(completions).into_iter();
        let recorded = all(parts.map(|(_, part)| self.core.journal().complete(tenant, part).pending).collect());
        (poll_now(recorded), observed)
    }

    /// Gives the calls that return to the dispatcher now. The others return when they are on record.
    fn returned_now(
        &self,
        mut finished: Vec<FinishedCall>,
        recorded: Option<Undurable<RecordFuture>>,
        told: OnRecord,
    ) -> Vec<FinishedCall> {
        match recorded {
            None => {
                told.tell(self.waiters(), Ok(()));
                finished
            }
            Some(Undurable::Failed(error)) => {
                log_unrecorded(&error);
                self.core.records().mark_incomplete();
                told.tell(self.waiters(), Err(&error));
                self.give_up_retries(&mut finished, Some(&error));
                finished
            }
            Some(Undurable::Waits(pending)) => {
                let (mut failed, rest) = finished.into_iter().partition::<Vec<_>, _>(FinishedCall::waits_for_record);
                // A slow disk holds up these deliveries, and no other for want of a slot.
                self.core.dispatcher().free_slots(&mut failed);
                self.return_when_durable(pending, failed, told);
                rest
            }
        }
    }

    fn return_when_durable(&self, mut pending: RecordFuture, mut failed: Vec<FinishedCall>, told: OnRecord) {
        // A full disk answers only when it has space. Nothing here keeps a runtime alive that was dropped meanwhile.
        let (runtime, phase) = (Arc::downgrade(self.core), self.core.dispatcher().watch_phase());
        let (queue, name, is_scoped) = (self.queue, self.name.clone(), self.is_scoped);
        let waiters = self.waiters().clone();
        let patience = (self.core.time().clone(), max_entry_wait(self.core.budget()));
        let record = self.core.records().begin();
        self.core.handle().spawn(async move {
            let durable = if failed.is_empty() {
                Some((&mut pending).await)
            } else {
                durable_in_time(&mut pending, phase, patience).await
            };
            if let Some(Err(error)) = &durable {
                log_unrecorded(error);
            }
            let mut told = Some(told);
            if let Some(durable) = &durable
                && let Some(told) = told.take()
            {
                // This is before the delivery is tried again.
                told.tell(&waiters, durable.as_ref().copied());
            }
            if !failed.is_empty()
                && let Some(core) = runtime.upgrade()
            {
                let calls = AfterCall::new(&core, queue, CalledPlugin { name: &name, is_scoped });
                match &durable {
                    Some(Ok(())) => (),
                    Some(Err(error)) => calls.give_up_retries(&mut failed, Some(error)),
                    None => {
                        calls.give_up_retries(&mut failed, None);
                        calls.record_overtaken(&mut failed);
                    }
                }
                let (time, unstarted, without_hook) = (Duration::ZERO, Vec::new(), Vec::new());
                core.dispatcher().take_back(ConcludedSlice { queue, time, finished: failed, unstarted, without_hook });
            }
            let durable = match durable {
                Some(durable) => durable,
                None => pending.await,
            };
            if let Some(told) = told {
                told.tell(&waiters, durable.as_ref().copied());
            }
            record.answered(durable.as_ref().copied());
        });
    }

    /// Records which of these failures newer events of their sessions go ahead of, because the next run has to know that they are late.
    /// Their records still wait for the disk. The journal is handed this before anything newer begins, so it is durable before any outcome
    /// of that.
    fn record_overtaken(&self, failed: &mut [FinishedCall]) {
        let overtaken = self.core.dispatcher().overtaken(self.queue, failed);
        let Some(tenant) = overtaken.first().map(|call| call.delivery.session.identity.tenant.clone()) else { return };
        let records = overtaken.into_iter().filter_map(|call| call.completion(self.name)).collect();
        // The delivery goes on without the answer.
        drop(self.core.journal().complete(&tenant, records));
    }

    /// Leaves these deliveries to the next start: without a record of the failure another attempt would have a number that is used already.
    fn give_up_retries(&self, finished: &mut [FinishedCall], error: Option<&JournalError>) {
        let name = self.name;
        let is_concerned = |call: &FinishedCall| match error {
            Some(JournalError::UnwritableOutcomes { deliveries, .. }) => {
                deliveries.contains(&call.delivery.delivery_key(name))
            }
            _ => true,
        };
        let mut given_up = 0;
        for call in finished.iter_mut().filter(|call| is_concerned(call)) {
            given_up += u64::from(call.give_up_retry());
        }
        self.core.run_end().add_without_queue(given_up);
    }
}

/// The journal's answer. None when a drain has begun and waited long enough: newer events wait behind these failures, and a full disk may
/// not take them before the budget is over. A delivery that is not tried again needs no record of its own.
async fn durable_in_time(
    pending: &mut RecordFuture,
    mut phase: watch::Receiver<Phase>,
    (time, patience): (Time, Duration),
) -> Option<Result<(), JournalError>> {
    let waited = async {
        phase.wait_for(|phase| phase.is_draining()).await.ok();
        time.sleep(patience).await;
    };
    let mut waited = pin!(waited);
    poll_fn(|cx| match Pin::new(&mut *pending).poll(cx) {
        Poll::Ready(durable) => Poll::Ready(Some(durable)),
        Poll::Pending => waited.as_mut().poll(cx).map(|()| None),
    })
    .await
}

/// What guests have stored with some calls, once the journal has been handed it.
struct StoredPart {
    bytes: u64,
    /// None when what they stored is durable already.
    recorded: Option<Undurable<Pending<()>>>,
    told: OnRecord,
}

/// Resolves when the journal has recorded what it was handed, or cannot.
type RecordFuture = Pin<Box<dyn Future<Output = Result<(), JournalError>> + Send>>;

/// A record that is not durable: still pending, or failed.
enum Undurable<A> {
    Waits(A),
    Failed(JournalError),
}

/// Splits completions, in their order, into parts that the journal is handed one after the other; each with the bytes that it counts for. A
/// part is written at once, and others wait meanwhile.
fn parts(completions: Vec<Completion>) -> Vec<(u64, Vec<Completion>)> {
    let bytes = completions.iter().map(Completion::unwritten_bytes).fold(0, u64::saturating_add);
    if bytes <= MAX_HANDED_OVER_BYTES {
        return if completions.is_empty() { Vec::new() } else { vec![(bytes, completions)] };
    }
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

/// Answers when all of these are durable, or with the error of the first that is not. The error names all outcomes that cannot be recorded.
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
                    Err(JournalError::UnwritableOutcomes { mut deliveries, why }),
                    Err(JournalError::UnwritableOutcomes { deliveries: more, .. }),
                ) => {
                    deliveries.extend(more);
                    Err(JournalError::UnwritableOutcomes { deliveries, why })
                }
                // An error of the disk counts more than outcomes that can never be recorded.
                (Err(JournalError::UnwritableOutcomes { .. }) | Ok(()), other @ Err(_)) => other,
                (answer, _) => answer,
            };
        }
        answer
    })
}

/// Polls a record once. None when it is durable already, as it always is in memory.
fn poll_now<A: Future<Output = Result<(), JournalError>> + Unpin>(mut pending: A) -> Option<Undurable<A>> {
    match pin!(&mut pending).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Ok(())) => None,
        Poll::Ready(Err(error)) => Some(Undurable::Failed(error)),
        Poll::Pending => Some(Undurable::Waits(pending)),
    }
}

fn log_unrecorded(error: &JournalError) {
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
