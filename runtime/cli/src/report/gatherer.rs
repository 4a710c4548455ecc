//! Gathers the outcomes of a drain's calls for a picture, as an observer of the runtime.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use lastword::{CallStart, Observer, OutcomeRecord};
use lastword_events::{DeliveryId, Event, Identity, Outcome};
use parking_lot::Mutex;
use tracing::Span;

use super::tally::{Tallies, Told};
use crate::limits::{MAX_PICTURED_CALLS, MAX_PICTURED_GOODBYES, MAX_TENANT_PICTURED_GOODBYES};

/// Cheap to clone. Remembers running ends, and counts during a drain. Outside of a drain it remembers nothing else.
#[derive(Clone, Default)]
pub(crate) struct Gatherer(Arc<Mutex<Gathering>>);

#[derive(Default)]
struct Gathering {
    /// Includes calls that began before the drain: a call that hangs did so before it.
    under_way: HashMap<DeliveryId, UnderWay>,
    drain: Option<Tallies>,
    goodbyes: Vec<Goodbye>,
    next: u64,
}

struct UnderWay {
    since: Instant,
    session: Identity,
}

/// An owner's goodbye.
struct Goodbye {
    id: u64,
    /// The owner's tenant. `None` for a connection.
    tenant: Option<Arc<str>>,
    sessions: HashSet<Identity>,
    tallies: Tallies,
}

impl Gatherer {
    /// Counts all drained calls from now on, with times since `began`.
    pub(super) fn drain_begins(&self, began: Instant, budget: Duration) {
        self.0.lock().drain = Some(Tallies::begin(began, budget));
    }

    /// Returns the drain's counts. Calls that are still running count as cut.
    pub(super) fn drain_is_over(&self) -> Option<Tallies> {
        let (mut tallies, under_way) = {
            let mut gathering = self.0.lock();
            (gathering.drain.take()?, std::mem::take(&mut gathering.under_way))
        };
        let until = tallies.cut.map_or_else(Instant::now, |cut| tallies.began + cut);
        for (id, UnderWay { since, session }) in &under_way {
            cut(&mut tallies, (id, session), *since, until);
        }
        Some(tallies)
    }

    /// Counts the calls of these sessions from now on. `None` if too many goodbyes are under way, in all or of the
    /// tenant.
    pub(super) fn goodbye_begins(
        &self,
        tenant: Option<Arc<str>>,
        sessions: HashSet<Identity>,
        began: Instant,
        budget: Duration,
    ) -> Option<u64> {
        let mut gathering = self.0.lock();
        let own = gathering.goodbyes.iter().filter(|goodbye| goodbye.tenant == tenant).count();
        if gathering.goodbyes.len() >= MAX_PICTURED_GOODBYES || own >= MAX_TENANT_PICTURED_GOODBYES {
            return None;
        }
        gathering.next += 1;
        let id = gathering.next;
        gathering.goodbyes.push(Goodbye { id, tenant, sessions, tallies: Tallies::begin(began, budget) });
        Some(id)
    }

    /// Returns the goodbye's counts. Calls that are still running continue.
    pub(super) fn goodbye_is_over(&self, id: u64) -> Option<Tallies> {
        let now = Instant::now();
        let mut gathering = self.0.lock();
        let at = gathering.goodbyes.iter().position(|goodbye| goodbye.id == id)?;
        let Goodbye { sessions, mut tallies, .. } = gathering.goodbyes.swap_remove(at);
        for (id, UnderWay { since, session }) in &gathering.under_way {
            if sessions.contains(session) {
                cut(&mut tallies, (id, session), *since, now);
            }
        }
        Some(tallies)
    }
}

fn cut(tallies: &mut Tallies, (id, session): (&DeliveryId, &Identity), since: Instant, until: Instant) {
    let told = Told { tenant: &session.tenant, plugin: &id.plugin, since: Some(since), until };
    tallies.add_cut(told, since);
}

impl Observer for Gatherer {
    fn call(&self, call: &CallStart<'_>) -> Span {
        if matches!(call.event, Event::End(_)) {
            let under_way = UnderWay { since: Instant::now(), session: call.session.identity.clone() };
            let mut gathering = self.0.lock();
            // A requeued call begins again under its id.
            if gathering.under_way.len() < MAX_PICTURED_CALLS || gathering.under_way.contains_key(call.id) {
                gathering.under_way.insert(call.id.clone(), under_way);
            }
        }
        Span::none()
    }

    fn outcome(&self, record: &OutcomeRecord<'_>) {
        if record.reason.is_none() {
            // Not an end.
            return;
        }
        let now = Instant::now();
        let session = &record.session.identity;
        let mut gathering = self.0.lock();
        let Gathering { under_way, drain, goodbyes, .. } = &mut *gathering;
        let since = under_way.remove(record.id).map(|call| call.since);
        // A call is reported after others of its slice.
        let until = match (since, record.report) {
            (Some(since), Some(report)) => (since + report.wall).min(now),
            _ => now,
        };
        let told = Told { tenant: &session.tenant, plugin: &record.id.plugin, since, until };
        if let Some(tallies) = drain.as_mut().filter(|_| record.draining) {
            tallies.add(told, record.outcome);
        }
        // Outside of a drain a deferred delivery continues by itself, and its outcome follows.
        let is_told = record.draining || !matches!(record.outcome, Outcome::Deferred(_));
        for goodbye in goodbyes.iter_mut().filter(|goodbye| is_told && goodbye.sessions.contains(session)) {
            goodbye.tallies.add(told, record.outcome);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_tenants_goodbyes_leave_others_room_for_theirs() {
        let gatherer = Gatherer::default();
        let begins = |tenant: Option<&str>| {
            let tenant = tenant.map(Arc::from);
            gatherer.goodbye_begins(tenant, HashSet::new(), Instant::now(), Duration::from_secs(2))
        };
        let of_busy: Vec<_> = (0..MAX_PICTURED_GOODBYES).filter_map(|_| begins(Some("busy"))).collect();
        assert_eq!(of_busy.len(), MAX_TENANT_PICTURED_GOODBYES);
        assert!(begins(Some("quiet")).is_some() && begins(None).is_some());
        gatherer.goodbye_is_over(of_busy[0]).unwrap();
        assert!(begins(Some("busy")).is_some());
    }
}
