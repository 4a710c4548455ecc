//! What becomes of what dead runs left: owed deliveries go out again, and sessions that were active are ended, unless their
//! owner comes back for them in time.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use lastword_events::{EndReason, Event, EventKey, PluginName, Session, SessionEnd, Timestamp};
use lastword_journal::{DeliveryKey, JournalOp, PendingDelivery, Recovered, RecoveredSession};

use crate::active::{Active, Left};
use crate::inner::Inner;
use crate::limits::RECORDS_AT_ONCE;
use crate::runtime::RecoveredCounts;
use crate::sync::now;
use crate::tenants::Tenants;

/// Records on their way to the journal: in pieces, so that others' writes find room between them; in order all the same,
/// and all of them once this is dropped.
pub(crate) struct Records<'a> {
    inner: &'a Inner,
    piece: Vec<JournalOp>,
    /// Ends among them that are owed to plugins which are not installed.
    orphaned_ends: u64,
}

impl<'a> Records<'a> {
    pub(crate) fn of(inner: &'a Inner) -> Self {
        Self { inner, piece: Vec::new(), orphaned_ends: 0 }
    }

    pub(crate) fn push(&mut self, record: JournalOp) {
        self.orphaned_ends += u64::from(is_orphaned_end(&record));
        self.piece.push(record);
        if self.piece.len() == RECORDS_AT_ONCE {
            self.hand_over(Vec::with_capacity(RECORDS_AT_ONCE));
        }
    }

    /// Nobody waits for it: what the runtime has decided is tried again until it is written.
    fn hand_over(&mut self, next: Vec<JournalOp>) {
        drop(self.inner.journal.append_decided(std::mem::replace(&mut self.piece, next)));
    }
}

impl Drop for Records<'_> {
    fn drop(&mut self) {
        if !self.piece.is_empty() {
            self.hand_over(Vec::new());
        }
    }
}

impl Inner {
    /// Sends out what is owed and ends what was active: at once, or after `grace` for those that an owner may go on with.
    pub(crate) fn take_up(self: &Arc<Self>, recovered: Recovered, grace: Duration) -> RecoveredCounts {
        self.make_room(&recovered.sessions);
        self.set.lock().recent_ends.take_up(recovered.ended, now(), Timestamp::now());
        let mut counts = RecoveredCounts::default();
        let mut records = Records::of(self);
        records.push(self.installed(!grace.is_zero()));
        let mut orphans_to_come = 0;
        for owed in &recovered.deliveries {
            self.owe_again(owed, &mut records);
            counts.deliveries += 1;
        }
        for session in recovered.sessions {
            let was_drained = session.drained.is_some();
            if session.attachable && !grace.is_zero() {
                // Whatever its owner says, nobody can tell these of its end in this run.
                let serving = self.dispatcher.owed_to(&session.session.identity.tenant, EventKey::End);
                orphans_to_come += session.started.iter().filter(|plugin| !serving.contains(plugin)).count();
                let left = Left { started: session.started, attached: false, attempt: session.attempt };
                self.set.lock().insert_left(session.sequence, session.session, session.compactions, left);
                counts.sessions += 1;
            } else {
                let owed = self.record_end_left(&session, &mut records);
                owed.iter().for_each(|end| self.owe_again(end, &mut records));
                // One with whose end a drain is done, whether it was delivered or given up, only has to be written down as ended.
                counts.sessions += u64::from(!owed.is_empty() || !was_drained);
            }
        }
        let orphans = records.orphaned_ends.saturating_add(u64::try_from(orphans_to_come).unwrap_or(u64::MAX));
        self.dispatcher.count_orphaned_ends(orphans);
        // All of it before every completion; a crash before it is durable finds everything as it was.
        drop(records);
        if !grace.is_zero() {
            self.begin_grace(grace);
        }
        counts
    }

    fn make_room(&self, sessions: &[RecoveredSession]) {
        let mut by_tenant: HashMap<&Arc<str>, usize> = HashMap::new();
        for left in sessions {
            *by_tenant.entry(&left.session.identity.tenant).or_default() += 1;
        }
        self.dispatcher.expect(by_tenant);
    }

    fn installed(&self, attaching: bool) -> JournalOp {
        let tenants = |tenants: &Tenants| match tenants {
            Tenants::Every => None,
            Tenants::Only(tenants) => Some(tenants.clone()),
        };
        let installed = self.dispatcher.installed().iter();
        let plugins = installed.map(|one| (one.plugin.name().clone(), tenants(&one.tenants))).collect();
        JournalOp::Installed { plugins, attaching }
    }

    /// A delivery whose plugin is gone is kept, and marked.
    pub(crate) fn owe_again(&self, owed: &PendingDelivery, records: &mut Records<'_>) {
        if !self.dispatcher.recover(owed) {
            tracing::warn!(
                delivery = %owed.delivery.id(self.journal_name),
                "its plugin is not installed for this tenant any more; the delivery is kept as orphaned"
            );
            // A plugin that serves the tenant and has lost the hook is told of newer events all the same.
            let tenant = &owed.session.identity.tenant;
            let late = self.dispatcher.owed_to(tenant, EventKey::End).contains(&owed.delivery.plugin);
            records.push(JournalOp::Orphaned { delivery: owed.delivery.clone(), late });
        }
    }

    /// Records the end of a session that a dead run left active. Gives what is owed.
    fn record_end_left(&self, left: &RecoveredSession, records: &mut Records<'_>) -> Vec<PendingDelivery> {
        let drained = left.drained();
        let (reason, ended_at) = match drained.drain {
            Some((reason, at)) => (reason.end_reason(), at),
            None => (EndReason::Crashed, Timestamp::now()),
        };
        let event = Arc::new(Event::End(SessionEnd::new(reason, ended_at).since(left.session.started_at)));
        let mut owed = match &drained.owed {
            Some(owed) => owed.clone(),
            None => self.dispatcher.owed_to(&left.session.identity.tenant, EventKey::End),
        };
        // A drain has tried some of these and failed: they are owed it whether or not they are still installed.
        let tried = drained.failed.iter().map(|(plugin, _)| plugin);
        add_missing(&mut owed, left.started.iter().chain(tried));
        owed.retain(|plugin| !drained.settled.contains(plugin));
        let (sequence, session) = (left.sequence, left.session.clone());
        let (event_of_all, to) = (event.clone(), owed.clone());
        records.push(JournalOp::End { sequence, session, event: event_of_all, owed: to, received: None, op_id: None });
        let again = |plugin: PluginName| PendingDelivery {
            failures: drained.failed.iter().find(|(failed, _)| *failed == plugin).map_or(0, |(_, n)| *n),
            suspect: drained.suspect.contains(&plugin),
            delivery: DeliveryKey { sequence, event: EventKey::End, plugin },
            session: left.session.clone(),
            event: event.clone(),
            attempt: left.attempt,
            late: false,
        };
        owed.into_iter().map(again).collect()
    }

    /// Who is owed the end: every plugin that serves the tenant now, and every one that was sent the start.
    pub(crate) fn owed_end(&self, session: &Session, started: &[PluginName]) -> Vec<PluginName> {
        let mut owed = self.dispatcher.owed_to(&session.identity.tenant, EventKey::End);
        add_missing(&mut owed, started);
        owed
    }

    /// A drain begins, and nobody has come for this one: it belongs to a run that is dead, whatever ends this one.
    pub(crate) fn record_end_left_at_drain(&self, active: &Active, records: &mut Records<'_>) -> Vec<PendingDelivery> {
        let left = RecoveredSession {
            sequence: active.sequence,
            session: active.session.clone(),
            compactions: active.compactions,
            started: active.started().to_vec(),
            attachable: false,
            attempt: active.attempt_of_end(),
            drained: None,
        };
        self.record_end_left(&left, records)
    }
}

fn is_orphaned_end(record: &JournalOp) -> bool {
    matches!(record, JournalOp::Orphaned { delivery, .. } if delivery.event == EventKey::End)
}

fn add_missing<'a>(owed: &mut Vec<PluginName>, others: impl IntoIterator<Item = &'a PluginName>) {
    for plugin in others {
        if !owed.contains(plugin) {
            owed.push(plugin.clone());
        }
    }
}
