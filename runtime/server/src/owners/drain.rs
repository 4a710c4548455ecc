//! The drain of one owner: its sessions end, and the server waits for their deliveries.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::stream::{self, StreamExt};
use lastword::events::{DeliveryId, DrainReason, Identity};
use lastword::{JournalError, Settled, Sleep};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::goodbye::{Goodbye, Said};
use super::owned_session::Mark;
use super::{OwnerId, OwnerName, Owners};
use crate::limits::ENDS_AT_ONCE;
use crate::owner_drains::{GoingSessions, OwnerDrainStart, OwnerDrained};
use crate::raw::{ConnectionId, Recipients};
use crate::runtimes::Runtimes;

/// The outcome of an owner's goodbye. Counts are of `session-end` deliveries, and `delivered + failed + deferred` is
/// what was owed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[non_exhaustive]
pub struct OwnerDrain {
    /// Why the sessions were ended: `shutdown`, `restart` or `crashed`.
    pub reason: String,
    /// The budget, in milliseconds.
    pub budget_ms: u64,
    /// The duration, in milliseconds.
    pub elapsed_ms: u64,
    /// Sessions that were ended.
    pub sessions: u64,
    /// Sessions whose end was not written down within the budget, or could not be. They end as soon as it can be.
    pub refused: u64,
    /// Deliveries that their plugins have.
    pub delivered: u64,
    /// Deliveries that were given up.
    pub failed: u64,
    /// Deliveries that are still owed, and are made later.
    pub deferred: u64,
    /// Whether the budget ended the drain.
    pub timed_out: bool,
}

/// The progress of the ends of an owner's sessions.
#[derive(Default)]
struct Ends {
    sessions: u64,
    /// Sessions that had ended by themselves or have another owner now.
    gone: u64,
    owed: Vec<Owed>,
}

/// A delivery of an end, and its session.
struct Owed {
    session: Identity,
    delivery: DeliveryId,
}

/// Waits for what is told of deliveries.
struct Waiting<'a> {
    runtime: &'a Runtimes,
    recipients: &'a Recipients,
    /// The connection that has to be told of each outcome before it is counted.
    connection: Option<ConnectionId>,
}

impl Owners {
    /// Ends the sessions of an owner, and waits for their deliveries until the budget, which begins now, is over.
    /// Forgets the owner.
    pub(crate) async fn drain(
        self: &Arc<Self>,
        runtime: &Runtimes,
        id: OwnerId,
        reason: DrainReason,
        budget: Option<Duration>,
    ) -> OwnerDrain {
        let budget = budget.map_or(self.settings.drain_budget, |budget| budget.min(self.settings.drain_budget));
        self.drain_within(runtime, id, reason, (self.clock.now(), budget), None).await
    }

    /// Returns the beginning and the budget of a drain that begins now.
    pub(crate) fn drain_time(&self) -> (Instant, Duration) {
        (self.clock.now(), self.settings.drain_budget)
    }

    /// Resolves when the budget is over.
    pub(crate) fn is_over(&self, (began, budget): (Instant, Duration)) -> Sleep {
        self.clock.sleep_until(began + budget)
    }

    /// Drains with a budget that may have begun earlier. Ends that are not written down within the budget are written
    /// later: the drain does not wait for a disk that hangs. `connection` is told of an outcome before it is counted.
    pub(crate) async fn drain_within(
        self: &Arc<Self>,
        runtime: &Runtimes,
        id: OwnerId,
        reason: DrainReason,
        (began, budget): (Instant, Duration),
        connection: Option<ConnectionId>,
    ) -> OwnerDrain {
        let mut report = OwnerDrain { reason: reason.to_string(), budget_ms: millis(budget), ..OwnerDrain::default() };
        let (name, sessions) = {
            let mut registry = self.registry.lock();
            (registry.name_and_kind(id), registry.take(id))
        };
        let told = self.tell_of_drain(name.as_ref().map(|(name, _)| name), &sessions, budget);
        let all = u64::try_from(sessions.len()).unwrap_or(u64::MAX);
        let ends = Arc::new(Mutex::new(Ends::default()));
        let said = Said { at: self.clock.timestamp(), reason };
        // The task continues when the budget is over.
        let asking = tokio::spawn(ask_for_all(self.clone(), runtime.clone(), sessions, said, ends.clone()));
        let mut over = self.is_over((began, budget));
        tokio::select! {
            biased;
            asked = asking => drop(asked),
            () = &mut over => report.timed_out = true,
        }
        let Ends { sessions, gone, owed } = std::mem::take(&mut *ends.lock());
        report.sessions = sessions;
        report.refused = all.saturating_sub(sessions + gone);
        let waiting = Waiting { runtime, recipients: self.observer.recipients(), connection };
        waiting.wait_for(owed, over, &mut report).await;
        report.elapsed_ms = millis(self.clock.now().saturating_duration_since(began));
        self.observer.owner_drained(name.as_ref().map(|(name, _)| name), &report);
        if let Some(told) = told {
            told(&report);
        }
        report
    }

    /// Reports the beginning of a drain to the observer.
    fn tell_of_drain(
        &self,
        owner: Option<&OwnerName>,
        sessions: &[(Identity, Mark)],
        budget: Duration,
    ) -> Option<OwnerDrained> {
        let drains = self.drains.as_ref()?;
        let (name, tenant) = owner.map(|OwnerName { tenant, name }| (&**name, &**tenant)).unzip();
        let sessions = GoingSessions(sessions);
        // Drains are measured by the machine's clock, whichever clock the owners have.
        drains.begins(&OwnerDrainStart { name, tenant, sessions, began: Instant::now(), budget })
    }
}

async fn ask_for_all(
    owners: Arc<Owners>,
    runtime: Runtimes,
    sessions: Vec<(Identity, Mark)>,
    said: Said,
    ends: Arc<Mutex<Ends>>,
) {
    let (owners, runtime, ends) = (&owners, &runtime, &ends);
    stream::iter(sessions)
        .for_each_concurrent(ENDS_AT_ONCE, |(identity, mark)| async move {
            let goodbye = owners.say_goodbye(runtime, &identity, mark, said).await;
            let mut ends = ends.lock();
            match goodbye {
                Goodbye::Gone => ends.gone += 1,
                Goodbye::Later => {}
                Goodbye::Ended(deliveries) => {
                    ends.sessions += 1;
                    let owed = |delivery| Owed { session: identity.clone(), delivery };
                    ends.owed.extend(deliveries.into_iter().map(owed));
                }
            }
        })
        .await;
}

impl Waiting<'_> {
    /// Waits for deliveries until the budget is over, and counts their outcomes.
    async fn wait_for(&self, owed: Vec<Owed>, mut over: Sleep, report: &mut OwnerDrain) {
        let mut left = u64::try_from(owed.len()).unwrap_or(u64::MAX);
        let mut waiting = stream::iter(owed).map(|owed| self.settled(owed)).buffer_unordered(ENDS_AT_ONCE);
        while !report.timed_out && left > 0 {
            let settled = tokio::select! {
                biased;
                settled = waiting.next() => settled,
                () = &mut over => {
                    report.timed_out = true;
                    break;
                }
            };
            left -= 1;
            match settled {
                // A delivery that is not owed any more was made before we asked.
                Some(Ok(Settled::Delivered | Settled::NotOwed)) => report.delivered += 1,
                Some(Ok(Settled::Dead { .. } | Settled::Forgotten)) => report.failed += 1,
                _ => report.deferred += 1,
            }
        }
        report.deferred += left;
    }

    /// Resolves when the delivery is settled. The runtime records an outcome before it tells of it, so it may be settled
    /// before the connection was told.
    async fn settled(&self, Owed { session, delivery }: Owed) -> Result<Settled, JournalError> {
        let settled = self.runtime.settled_of(&delivery).await;
        if let Some(connection) = self.connection
            && !matches!(settled, Err(_) | Ok(Settled::Deferred))
        {
            self.recipients.told(connection, &session, &delivery).await;
        }
        settled
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
