//! The start of a runtime: deliveries that are owed are made again, and sessions that dead runs left active are ended, unless their owners
//! come back for them in time.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use lastword_events::PluginName;
use lastword_journal::{JournalOp, Recovered, RecoveredSession};

use crate::active_session::ExtraContext;
use crate::core::Core;
use crate::decided_ops::DecidedOps;
use crate::grace::begin_grace;
use crate::recovered_end::{enqueue_recovered, record_recovered_end};

/// What a start found in the journal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecoveredCounts {
    /// Sessions that dead runs left active, whether or not any plugin is owed their end. They were ended, or will be if their owners do not
    /// start them again within the grace. A session does not count if a drain has delivered its end or given the end up.
    pub sessions: u64,
    /// Deliveries that were owed besides the ends of those sessions, whether or not their plugin is installed. Dead deliveries do not
    /// count.
    pub deliveries: u64,
}

/// Enqueues the owed deliveries and ends the active sessions: at once, or after `grace` if an owner may go on with the session.
pub(crate) fn recover(core: &Arc<Core>, recovered: Recovered, grace: Duration) -> RecoveredCounts {
    make_room(core, &recovered.sessions);
    core.lock_active().recent_ends.recover(recovered.ended, core.time().now(), core.time().timestamp());
    recovered.dead.iter().for_each(|(plugin, dead)| core.operators().out_of_queues().add_dead(plugin, *dead));
    let mut counts = RecoveredCounts::default();
    let mut ops = DecidedOps::of(core.journal());
    ops.push(installed(core, !grace.is_zero()));
    let mut orphans_to_come = 0;
    for pending in &recovered.deliveries {
        enqueue_recovered(core, pending, &mut ops);
        counts.deliveries += 1;
    }
    for session in recovered.sessions {
        let was_drained = session.drained.is_some();
        if session.attachable && !grace.is_zero() {
            orphans_to_come += keep_for_owner(core, session);
            counts.sessions += 1;
        } else {
            let pending = record_recovered_end(core, &session, &mut ops);
            pending.iter().for_each(|end| enqueue_recovered(core, end, &mut ops));
            // If a drain has delivered the end or given it up, the session only has to be written down as ended.
            counts.sessions += u64::from(!pending.is_empty() || !was_drained);
        }
    }
    let orphans = ops.orphaned_ends().saturating_add(u64::try_from(orphans_to_come).unwrap_or(u64::MAX));
    core.dispatcher().count_orphaned_ends(orphans);
    // The journal is handed all of it before any completion. After a crash before that is durable, the next start finds everything as it
    // was.
    drop(ops);
    if !grace.is_zero() {
        begin_grace(core, grace);
    }
    counts
}

/// Keeps a session active for its owner. Gives the number of plugins that are owed the end and are not installed: in this run nobody can
/// tell these plugins of the end, whatever the owner says.
fn keep_for_owner(core: &Core, session: RecoveredSession) -> usize {
    let installed = core.dispatcher().installed();
    let serves = |plugin: &&PluginName| installed.serves(&session.session.identity.tenant, plugin);
    let orphans = session.started.iter().filter(|plugin| !serves(plugin)).count();
    let context = ExtraContext { started: session.started, attached: false, attempt: session.attempt };
    core.lock_active().insert_recovered(session.sequence, session.session, session.compactions, context);
    orphans
}

fn make_room(core: &Core, sessions: &[RecoveredSession]) {
    let mut by_tenant: HashMap<&Arc<str>, usize> = HashMap::new();
    for recovered in sessions {
        *by_tenant.entry(&recovered.session.identity.tenant).or_default() += 1;
    }
    core.dispatcher().expect(by_tenant);
}

/// Records which plugins are installed in this run, and whether owners have a grace.
fn installed(core: &Core, attaching: bool) -> JournalOp {
    JournalOp::Installed { plugins: core.dispatcher().installed().recorded(), attaching }
}
