//! Observes the runtime, and passes its reports on.

mod health;
mod recent;
mod recent_of_tenants;
mod remembered;
mod stream;

use std::sync::Arc;
use std::time::Duration;

use lastword::events::{DeliveryId, DrainReport, EndReason, Hook, Identity, Outcome};
use lastword::journal::Settlement;
use lastword::{Acceptance, Accepted, Commit, Observer, OutcomeRecord, Refusal};
use lastword_protocol::output::{self, Cost, Drain, Output};
use serde_json::json;

use crate::limits::{
    MAX_RECENT_DEATHS, MAX_RECENT_DRAINS, MAX_TENANT_RECENT_DEATHS, MAX_TENANT_RECENT_DRAINS, WALL_CLOCK_SLACK,
};
use crate::metrics::Metrics;
use crate::owners::{LostOwner, OwnerDrain, OwnerName};
use crate::raw::Recipients;
pub(crate) use health::Health;
use health::RecentCalls;
use recent::RecentSettlements;
pub(crate) use recent_of_tenants::OfTenant;
use recent_of_tenants::RecentOfTenants;
use remembered::before_now;
pub(crate) use remembered::{Drained, EndCounts, PastDeath, PastDrain};
pub(crate) use stream::{Happening, Stream, Watching};

/// Observes the runtime for `/metrics`, `/v1/stream` and the connections that wait for outcomes. Pass one clone to
/// [`lastword::Builder::observer`] and another to [`Server::builder`](crate::Server::builder).
#[derive(Clone)]
pub struct ServerObserver {
    told: Arc<Told>,
}

struct Told {
    metrics: Metrics,
    stream: Stream,
    recipients: Recipients,
    recent: RecentSettlements,
    calls: RecentCalls,
    drains: RecentOfTenants<PastDrain>,
    deaths: RecentOfTenants<PastDeath>,
}

impl ServerObserver {
    /// An observer whose metrics do not name tenants.
    #[must_use]
    pub fn new() -> Self {
        Self::of(Metrics::new(false))
    }

    /// An observer whose metrics count calls by tenant as well, for the first
    /// [`MAX_TENANT_LABELS`](crate::limits::MAX_TENANT_LABELS) of them.
    #[must_use]
    pub fn with_tenants() -> Self {
        Self::of(Metrics::new(true))
    }

    fn of(metrics: Metrics) -> Self {
        let told = Told {
            metrics,
            stream: Stream::new(),
            recipients: Recipients::default(),
            recent: RecentSettlements::default(),
            calls: RecentCalls::default(),
            drains: RecentOfTenants::new(MAX_RECENT_DRAINS, MAX_TENANT_RECENT_DRAINS),
            deaths: RecentOfTenants::new(MAX_RECENT_DEATHS, MAX_TENANT_RECENT_DEATHS),
        };
        Self { told: Arc::new(told) }
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.told.metrics
    }

    /// Returns the connections that are told of sessions' outcomes.
    pub(crate) fn recipients(&self) -> &Recipients {
        &self.told.recipients
    }

    /// Watches the events of this tenant's sessions from now on. `None`: all events.
    pub(crate) fn watch(&self, tenant: Option<Arc<str>>) -> Watching {
        self.told.stream.watch(tenant)
    }

    /// Returns the outcome of a delivery that was just settled and that the journal does not have any more.
    pub(crate) async fn settled(&self, delivery: &DeliveryId) -> Option<Settlement> {
        self.told.recent.get_behind_record(delivery).await
    }

    /// Returns the health of each version of each plugin in its calls for this tenant. `None`: in all calls.
    pub(crate) fn health(&self, tenant: Option<&Arc<str>>) -> Vec<Health> {
        match tenant {
            Some(tenant) => self.told.calls.of_tenant(tenant),
            None => self.told.calls.of_all(),
        }
    }

    /// Returns the last drains, newest first. The daemon's drains have no tenant.
    pub(crate) fn drains(&self) -> Vec<OfTenant<PastDrain>> {
        self.told.drains.newest_first()
    }

    /// Returns the last dead owners that had sessions, newest first. Connections have no tenant.
    pub(crate) fn deaths(&self) -> Vec<OfTenant<PastDeath>> {
        self.told.deaths.newest_first()
    }

    /// Reports that a session's event was accepted. `op` is `start`, `compaction` or `end`.
    pub(crate) fn accepted(&self, op: &'static str, accepted: &Accepted) {
        let has_ended = op == "end" && accepted.how != Acceptance::DuplicateOp;
        self.recipients().accepted(&accepted.identity, &accepted.deliveries, has_ended);
        self.told.stream.tell(&accepted.identity.tenant, "accepted", || {
            let Accepted { identity, generation, how, .. } = accepted;
            let (tenant, session) = (&identity.tenant, &identity.id);
            json!({"op": op, "tenant": tenant, "session": session, "generation": generation, "how": how.as_str()})
        });
    }

    /// Reports that an owner was lost.
    pub(crate) fn owner_lost(&self, lost: &LostOwner) {
        self.told.metrics.owner_lost(lost.how);
        if lost.sessions > 0 {
            // An owner without sessions exited in order.
            self.remember_death(lost, PastDeath::of(lost));
        }
        let Some(OwnerName { tenant, name }) = &lost.name else { return };
        self.told.stream.tell(tenant, "owner", || {
            let (how, sessions) = (lost.how.as_str(), lost.sessions);
            json!({"tenant": tenant, "owner": name, "state": "lost", "how": how, "sessions": sessions})
        });
    }

    /// Reports that an owner that was lost without a session leaves some: its late hooks have named them, and its
    /// grace is over. [`owner_lost`](Self::owner_lost) has counted it.
    pub(crate) fn death_revealed(&self, lost: &LostOwner, grace: Duration) {
        self.remember_death(lost, PastDeath::revealed(lost, grace));
    }

    fn remember_death(&self, lost: &LostOwner, death: PastDeath) {
        self.told.deaths.put(lost.name.as_ref().map(|name| name.tenant.clone()), death);
    }

    /// Reports that an owner has come back within its grace.
    pub(crate) fn owner_came_back(&self, name: &OwnerName, kind: &str, grace: Duration) {
        let OwnerName { tenant, name } = name;
        tracing::info!(%tenant, owner = %name, kind, "an owner is back: its sessions go on");
        // The sessions of an older death have ended.
        let since = before_now(grace + WALL_CLOCK_SLACK);
        let is_it = |one: &OfTenant<PastDeath>| {
            let is_its = one.tenant.as_ref() == Some(tenant) && one.what.name.as_ref() == Some(name);
            is_its && !one.what.is_back && one.what.at >= since
        };
        self.told.deaths.change_newest(is_it, |death| death.is_back = true);
        let happened = || json!({"tenant": tenant, "owner": name, "state": "back"});
        self.told.stream.tell(tenant, "owner", happened);
    }

    /// Reports an owner's goodbye. Ignores an owner without sessions.
    pub(crate) fn owner_drained(&self, name: Option<&OwnerName>, report: &OwnerDrain) {
        if report.sessions + report.refused > 0 {
            let tenant = name.map(|name| name.tenant.clone());
            self.told.drains.put(tenant, PastDrain::of_owner(name.map(|name| name.name.clone()), report));
        }
    }

    /// Reports the daemon's drain.
    pub(crate) fn drained(&self, report: &DrainReport) {
        self.told.metrics.drained(report);
        self.told.drains.put(None, PastDrain::of_daemon(report));
        let reason = report.reason.to_string();
        self.recipients()
            .tell_all(|dropped| Output::Drain(Drain::new(report, &reason, dropped + report.unreported)).line());
        self.told.stream.tell_all("drain", || serde_json::to_value(report).unwrap_or_default());
    }
}

impl Default for ServerObserver {
    fn default() -> Self {
        Self::new()
    }
}

impl Observer for ServerObserver {
    fn outcome(&self, record: &OutcomeRecord<'_>) {
        let (tenant, plugin) = (&record.session.identity.tenant, &record.id.plugin);
        self.told.metrics.call(tenant, (plugin.as_str(), record.scoped), record.outcome, record.report);
        self.told.calls.put(record);
        let settlement = settlement(record);
        let is_settled = settlement.is_some();
        if let Some(settlement) = settlement {
            self.told.recent.put(tenant, record.id, settlement);
        }
        self.told.recipients.outcome(&record.session.identity, record.id, is_settled, || outcome_line(record));
        self.told.stream.tell(tenant, "outcome", || {
            // The line is JSON, because we have just written it.
            serde_json::from_slice(&outcome_line(record)).unwrap_or_default()
        });
    }

    fn forgotten(&self, session: &Identity, delivery: &DeliveryId) {
        self.told.recipients.forgotten(session, delivery);
    }

    fn journal(&self, commit: &Commit<'_>) {
        self.told.metrics.commit(commit);
    }

    fn breaker_opened(&self, tenant: &str, plugin: &lastword::events::PluginName) {
        self.told.stream.tell(tenant, "breaker", || json!({"tenant": tenant, "plugin": plugin.as_str()}));
    }

    fn refused(&self, session: &Identity, hook: Hook, refusal: &Refusal) {
        self.told.metrics.refused(hook, refusal.code());
        self.told.stream.tell(&session.tenant, "refused", || {
            let (tenant, id, hook, code) = (&session.tenant, &session.id, hook.as_str(), refusal.code());
            json!({"tenant": tenant, "session": id, "hook": hook, "code": code})
        });
    }
}

/// Returns the state of a delivery after its last attempt. `None`: more attempts follow. The runtime's journal has the
/// outcome before any client sees this one.
fn settlement(record: &OutcomeRecord<'_>) -> Option<Settlement> {
    match record.outcome {
        Outcome::Delivered => Some(Settlement::Delivered),
        Outcome::Failed { cause, message } if record.dead => {
            let (cause, message) = (cause.clone(), message.clone());
            Some(Settlement::Dead { failures: record.failures, cause, message })
        }
        _ => None,
    }
}

/// Returns the line that tells an owner of an attempt's outcome, as on stdio.
#[must_use]
pub fn outcome_line(record: &OutcomeRecord<'_>) -> Vec<u8> {
    Output::Outcome(output::Outcome {
        delivery: record.id,
        plugin: &record.id.plugin,
        hook: record.id.event.hook(),
        tenant: &record.session.identity.tenant,
        session: &record.session.identity.id,
        generation: record.session.generation,
        reason: record.reason.map(EndReason::as_str),
        attempt: record.attempt,
        late: record.late,
        outcome: record.outcome,
        failures: matches!(record.outcome, Outcome::Failed { .. }).then_some(record.failures),
        retry_at: record.retry_at,
        dead: record.dead,
        cost: record.report.map(|report| Cost {
            wall_us: u64::try_from(report.wall.as_micros()).unwrap_or(u64::MAX),
            fuel: report.fuel_used,
            peak_memory_bytes: report.peak_memory,
            host_memory_bytes: report.host_memory,
        }),
    })
    .line()
}
