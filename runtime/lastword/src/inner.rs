use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use lastword_events::{Deferral, DeliveryId, Event, FailureCause, JournalName, Outcome, PluginName, Timestamp};
use lastword_journal::{
    Completion, Journal, JournalError, KeyValueChanges, Pending, RefusedCompletion, Settlement, Space,
    StagedCompletions,
};
use tokio::sync::watch;

use crate::active::ActiveSet;
use crate::attempt::{Attempt, PutBack, Served};
use crate::dispatch::{Dispatcher, Finished, QueueId, Taken};
use crate::in_flight::InFlight;
use crate::limits::{MAX_ENTRY_WAIT, MAX_HANDED_OVER_BYTES};
use crate::outcome::{Observer, OutcomeRecord};
use crate::owed::Owed;
use crate::places::Places;
use crate::quota::Quotas;
use crate::repeated_ends;
use crate::retry::RetryPolicy;
use crate::sandbox::{KeyValues, Plugin, Sandbox};
use crate::sync::{Handle, Mutex, now, timeout};

/// What the runtime's handle, its workers and its requests share.
///
/// Locks are taken in this order: `set`, then that of `places` or the dispatcher's. None is held while a guest
/// runs, or while anyone waits for a journal; something may be handed over to one.
pub(crate) struct Inner {
    pub(crate) sandbox: Sandbox,
    pub(crate) journal: Arc<dyn Journal>,
    pub(crate) journal_name: JournalName,
    pub(crate) handle: Handle,
    pub(crate) dispatcher: Dispatcher,
    pub(crate) quotas: Arc<Quotas>,
    pub(crate) key_values: Arc<dyn KeyValues>,
    pub(crate) set: Mutex<ActiveSet>,
    pub(crate) places: Arc<Places>,
    pub(crate) in_flight: InFlight,
    /// Held while the journal is asked for an `op_id`.
    pub(crate) op_reads: tokio::sync::Mutex<()>,
    pub(crate) repeated_ends: repeated_ends::Counter,
    pub(crate) retry: RetryPolicy,
    pub(crate) budget: Duration,
    pub(crate) observer: Option<Observer>,
    /// Becomes true when a drain has taken its snapshot.
    pub(crate) draining: watch::Sender<bool>,
    /// Becomes true when the drain is over.
    pub(crate) drained: watch::Sender<bool>,
}

impl Inner {
    /// Settles what a worker has done of a queue: in the journal, with whoever watches, and in the queue.
    pub(crate) fn conclude(self: &Arc<Self>, queue: QueueId, plugin: &Plugin, served: Served) {
        let Served { time, mut attempts, put_back, unbegun } = served;
        // First: a call whose changes cannot be stored has failed.
        let time = time + self.store(queue, plugin, &mut attempts);
        let plugin = plugin.name();
        self.dispatcher.charge_put_back(queue, &put_back);
        let unbegun: Vec<Taken> = self.put_back(plugin, put_back).into_iter().chain(unbegun).collect();
        let mut finished: Vec<Finished> = attempts.into_iter().map(|attempt| self.judge(attempt)).collect();
        let counts = self.dispatcher.account(queue, &mut finished);
        let tenant = finished.first().map(|f| f.owed.session.identity.tenant.clone());
        let completions: Vec<Completion> = finished.iter().filter_map(|f| completion(plugin, f)).collect();
        let pending = tenant.map(|tenant| {
            let parts = parts(completions).into_iter();
            all(parts.map(|(_, part)| self.journal.complete(&tenant, part).pending).collect())
        });
        // After the drain's account is closed an outcome still counts for the journal, but nobody is told another one.
        for one in finished.iter().filter(|_| counts) {
            self.tell(plugin, one);
        }
        match pending.and_then(poll_now) {
            None => self.dispatcher.settle(queue, time, finished, unbegun),
            Some(Pass::Failed(error)) => {
                complain(&error);
                give_up_retries(plugin, &mut finished, Some(&error));
                self.dispatcher.settle(queue, time, finished, unbegun);
            }
            Some(Pass::Waits(pending)) => {
                // Only a failure has to be durable before its delivery goes on: its retry must not carry the same number.
                // In a drain there is no retry.
                let waits = |f: &Finished| f.retry.is_some() && !f.in_drain;
                let (mut failed, rest) = finished.into_iter().partition::<Vec<_>, _>(waits);
                // A disk that takes its time holds up these, and no others for want of a slot.
                self.dispatcher.release(queue, &mut failed);
                self.dispatcher.settle(queue, time, rest, unbegun);
                self.settle_when_durable(queue, plugin, pending, failed);
            }
        }
    }

    /// Hands the journal the calls that delivered and have changed something, and makes failures of those that it refuses.
    /// Gives how long that took: the queue is charged for it, as for the calls themselves.
    fn store(self: &Arc<Self>, queue: QueueId, plugin: &Plugin, attempts: &mut [Attempt]) -> Duration {
        let (mut calls, mut completions) = (Vec::new(), Vec::new());
        for attempt in attempts.iter_mut() {
            let Some(changes) = attempt.take_changes() else { continue };
            let tenant = &attempt.owed.session.identity.tenant;
            let changes = KeyValueChanges {
                space: Space { tenant: tenant.clone(), plugin: plugin.name().clone() },
                plugin_quota: plugin.key_value_quota(),
                tenant_quota: self.quotas.of(tenant).key_value_bytes,
                changes,
            };
            completions.push(Completion {
                delivery: attempt.owed.delivery_key(plugin.name()),
                attempt: attempt.owed.attempt,
                settlement: Settlement::Delivered,
                changes: Some(Box::new(changes)),
            });
            attempt.recorded = true;
            calls.push(attempt);
        }
        // One queue's, so one tenant's.
        let Some(tenant) = calls.first().map(|attempt| attempt.owed.session.identity.tenant.clone()) else {
            return Duration::ZERO;
        };
        let began = now();
        let mut first = 0;
        for (stored, part) in parts(completions) {
            let next = first + part.len();
            let StagedCompletions { refused, pending } = self.journal.complete(&tenant, part);
            for RefusedCompletion { at, why } in refused {
                if let Some(attempt) = calls.get_mut(first + at) {
                    attempt.fail_in_host(why.to_string());
                }
            }
            self.note_stored(queue, stored, pending);
            first = next;
        }
        now().saturating_duration_since(began)
    }

    /// The tenant has so many bytes more that are not written, until they are.
    fn note_stored(self: &Arc<Self>, queue: QueueId, stored: u64, pending: Pending<()>) {
        match poll_now(pending) {
            None => (),
            Some(Pass::Failed(error)) => complain(&error),
            Some(Pass::Waits(pending)) => {
                self.dispatcher.add_unwritten(queue, stored);
                let runtime = Arc::downgrade(self);
                drop(self.handle.spawn(async move {
                    if let Err(error) = pending.await {
                        complain(&error);
                    }
                    if let Some(inner) = runtime.upgrade() {
                        inner.dispatcher.written(queue, stored);
                    }
                }));
            }
        }
    }

    /// Tells of calls that were put back, each once until its delivery has an outcome, and makes of them what is to be begun
    /// again. In a drain nobody is told: the outcome comes.
    fn put_back(&self, plugin: &PluginName, put_back: Vec<PutBack>) -> Vec<Taken> {
        let tell = |mut one: PutBack| {
            if !*self.draining.borrow()
                && let Some(owed) = one.owed.defer()
            {
                self.tell_deferred(plugin, &owed, one.why, false);
            }
            one.again()
        };
        put_back.into_iter().map(tell).collect()
    }

    fn settle_when_durable(
        self: &Arc<Self>,
        queue: QueueId,
        plugin: &PluginName,
        pending: Answer,
        mut failed: Vec<Finished>,
    ) {
        // A disk that is full answers when it has space: nothing here keeps a runtime that was dropped meanwhile.
        let (runtime, draining) = (Arc::downgrade(self), self.draining.subscribe());
        let plugin = plugin.clone();
        let patience = MAX_ENTRY_WAIT.min(self.budget / 8);
        self.handle.spawn(async move {
            let durable = if failed.is_empty() {
                Some(pending.await)
            } else {
                durable_in_time(pending, draining, patience).await
            };
            match &durable {
                Some(Ok(())) => (),
                Some(Err(error)) => {
                    complain(error);
                    give_up_retries(&plugin, &mut failed, Some(error));
                }
                None => give_up_retries(&plugin, &mut failed, None),
            }
            if !failed.is_empty()
                && let Some(inner) = runtime.upgrade()
            {
                if durable.is_none() {
                    inner.record_overtaken(queue, &plugin, &mut failed);
                }
                inner.dispatcher.settle(queue, Duration::ZERO, failed, Vec::new());
            }
        });
    }

    /// Newer events of their sessions go ahead of these failures, whose records still wait for the disk: the next run has to
    /// know that they are late. It is handed over before anything newer begins, so it is durable before any outcome of that.
    fn record_overtaken(&self, queue: QueueId, plugin: &PluginName, failed: &mut [Finished]) {
        let overtaken = self.dispatcher.overtaken(queue, failed);
        let Some(tenant) = overtaken.first().map(|one| one.owed.session.identity.tenant.clone()) else { return };
        let records = overtaken.into_iter().filter_map(|one| completion(plugin, one)).collect();
        // The delivery goes on without the answer.
        drop(self.journal.complete(&tenant, records));
    }

    /// Says what becomes of a delivery after an attempt.
    fn judge(&self, attempt: Attempt) -> Finished {
        let Attempt { mut owed, outcome, report, fuel, recorded } = attempt;
        owed.end_attempt();
        let (mut retry, mut dead) = (None, false);
        if let Outcome::Failed { cause, .. } = &outcome {
            owed.failures += 1;
            dead = *cause == FailureCause::Fatal || owed.failures >= self.retry.max_failures;
            if !dead {
                let pause = self.retry.pause(owed.failures, fastrand::f64());
                retry = Some((now() + pause, Timestamp::now().plus(pause)));
            }
        }
        Finished {
            owed,
            outcome,
            report,
            retry,
            dead,
            fuel,
            recorded,
            in_drain: false,
            unwritten: false,
            released: false,
        }
    }

    /// Tells whoever watches, and the log, how an attempt ended.
    fn tell(&self, plugin: &PluginName, finished: &Finished) {
        self.tell_outcome(plugin, &finished.owed, &finished.outcome, Some(finished), finished.in_drain);
    }

    /// The same of a delivery that had no attempt.
    pub(crate) fn tell_deferred(&self, plugin: &PluginName, owed: &Owed, why: Deferral, in_drain: bool) {
        self.tell_outcome(plugin, owed, &Outcome::Deferred(why), None, in_drain);
    }

    fn tell_outcome(
        &self,
        plugin: &PluginName,
        owed: &Owed,
        outcome: &Outcome,
        finished: Option<&Finished>,
        draining: bool,
    ) {
        let retry_at = finished.and_then(|f| f.retry).map(|(_, at)| at);
        let dead = finished.is_some_and(|f| f.dead);
        log(plugin, owed, outcome, retry_at, dead);
        let Some(observer) = &self.observer else { return };
        let id: DeliveryId = owed.delivery_key(plugin).id(self.journal_name);
        let reason = match &*owed.event {
            Event::End(end) => Some(&end.reason),
            _ => None,
        };
        let record = OutcomeRecord {
            id: &id,
            session: &owed.session,
            reason,
            attempt: owed.attempt,
            late: owed.late,
            outcome,
            failures: owed.failures,
            retry_at,
            dead,
            report: finished.and_then(|f| f.report.as_ref()),
            draining,
        };
        // A worker that unwinds would take the calls that it holds along.
        if catch_unwind(AssertUnwindSafe(|| observer(&record))).is_err() {
            tracing::error!(delivery = %id, "on_outcome panicked; the outcome itself is recorded");
        }
    }

    /// `session-end` deliveries that are owed or were given up, and those that active sessions will owe.
    pub(crate) fn undelivered_ends(&self) -> u64 {
        let set = self.set.lock();
        let to_come: u64 = set
            .count_by_tenant()
            .map(|(tenant, sessions)| {
                let serving = self.dispatcher.installed().iter().filter(|i| i.tenants.serves(tenant)).count();
                sessions * u64::try_from(serving).unwrap_or(u64::MAX)
            })
            .sum();
        to_come + self.dispatcher.undelivered_ends()
    }
}

/// What a journal has yet to know of an attempt. A deferral changes nothing: the delivery is owed as it was.
fn completion(plugin: &PluginName, finished: &Finished) -> Option<Completion> {
    let Finished { owed, outcome, retry, dead, recorded, .. } = finished;
    if *recorded {
        return None;
    }
    let settlement = match outcome {
        Outcome::Delivered => Settlement::Delivered,
        Outcome::Deferred(_) => return None,
        Outcome::Failed { cause, message } if *dead => {
            Settlement::Dead { failures: owed.failures, cause: cause.clone(), message: message.clone() }
        }
        Outcome::Failed { cause, message } => Settlement::Owed {
            failures: owed.failures,
            late: owed.late,
            retry_at: retry.map(|(_, at)| at),
            cause: cause.clone(),
            message: message.clone(),
        },
    };
    Some(Completion { delivery: owed.delivery_key(plugin), attempt: owed.attempt, settlement, changes: None })
}

/// None when a drain has begun and waited long enough: newer events wait behind these failures, and a disk that is full
/// may not take them before the budget is over. What is not tried again needs no record of its own.
async fn durable_in_time(
    mut pending: Answer,
    mut draining: watch::Receiver<bool>,
    patience: Duration,
) -> Option<Result<(), JournalError>> {
    let waited = async {
        draining.wait_for(|begun| *begun).await.ok();
        timeout(patience, std::future::pending::<()>()).await.ok();
    };
    let mut waited = pin!(waited);
    poll_fn(|cx| match Pin::new(&mut pending).poll(cx) {
        Poll::Ready(durable) => Poll::Ready(Some(durable)),
        Poll::Pending => waited.as_mut().poll(cx).map(|()| None),
    })
    .await
}

/// What a journal answers to what was handed over.
type Answer = Pin<Box<dyn Future<Output = Result<(), JournalError>> + Send>>;

enum Pass<A> {
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
fn all(mut parts: Vec<Pending<()>>) -> Answer {
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

/// Without a record of the failure another attempt would carry a number that a dead run has used: the delivery waits for
/// the next start.
fn give_up_retries(plugin: &PluginName, finished: &mut [Finished], error: Option<&JournalError>) {
    let is_concerned = |one: &Finished| match error {
        Some(JournalError::UnwritableFailures { deliveries, .. }) => {
            deliveries.contains(&one.owed.delivery_key(plugin))
        }
        _ => true,
    };
    finished.iter_mut().filter(|one| is_concerned(one)).for_each(|one| one.retry = None);
}

/// None when it is durable already, as in memory it always is.
fn poll_now<A: Future<Output = Result<(), JournalError>> + Unpin>(mut pending: A) -> Option<Pass<A>> {
    match pin!(&mut pending).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Ok(())) => None,
        Poll::Ready(Err(error)) => Some(Pass::Failed(error)),
        Poll::Pending => Some(Pass::Waits(pending)),
    }
}

fn complain(error: &JournalError) {
    tracing::error!(%error, "an outcome could not be written down; the delivery will be made again at the next start");
}

fn log(plugin: &PluginName, owed: &Owed, outcome: &Outcome, retry_at: Option<Timestamp>, dead: bool) {
    let hook = owed.key.hook();
    let (tenant, session, attempt) = (&*owed.session.identity.tenant, &*owed.session.identity.id, owed.attempt);
    match outcome {
        Outcome::Delivered => tracing::debug!(%plugin, %hook, tenant, session, attempt, "delivered"),
        Outcome::Deferred(why) => tracing::debug!(%plugin, %hook, tenant, session, attempt, %why, "deferred"),
        Outcome::Failed { cause, message } => {
            let next = match retry_at {
                Some(at) => format!("next attempt at {at}"),
                None if dead => "given up".to_owned(),
                None => "still owed".to_owned(),
            };
            tracing::warn!(%plugin, %hook, tenant, session, attempt, %cause, detail = message, next, "failed");
        }
    }
}

#[cfg(test)]
mod tests {
    use lastword_events::{Change, EventKey};
    use lastword_journal::DeliveryKey;

    use super::*;

    #[test]
    fn what_is_handed_over_is_in_its_order_and_in_pieces_that_lines_can_wait_for() {
        let plugin: PluginName = PluginName::new("p").unwrap();
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
