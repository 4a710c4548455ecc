//! What is written down takes effect: a session is active, or has ended.

use std::sync::Arc;

use lastword_events::{Event, EventKey, Identity, Session};
use lastword_journal::JournalError;

use crate::active_set::{ActiveSet, SessionState};
use crate::core::Core;
use crate::drain::end_late;
use crate::enqueue::enqueue;
use crate::installed::Owed;
use crate::queued_delivery::QueuedDelivery;
use crate::quota::QuotaKind;
use crate::request::{Acceptance, Accepted, Refusal};
use crate::session_query::SessionQuery;
use crate::session_quota::{EndingGuard, SessionPermit};

/// What a request finds when it has its turn; `session` gets an identity of its own if it needs one. The request is refused while the
/// session's end is with a disk that cannot take it.
pub(super) fn look_up(core: &Core, session: &mut Session, is_start: bool) -> Result<SessionState, JournalError> {
    let (set, now) = (core.lock_active(), core.time().now());
    let state = refuse_ending(set.state(SessionQuery::of(session, now).at_start(is_start)))?;
    set.set_apart(session, &state, now);
    Ok(state)
}

/// Refuses what is asked of a session whose end is still being written. Requests of one session follow each other, so such an end can
/// only be the end of a grace.
pub(super) fn refuse_ending(state: SessionState) -> Result<SessionState, JournalError> {
    match state {
        SessionState::Active(active, _) if active.ending.is_some() => {
            Err(JournalError::Busy("the session's last end waits to be written; send it again later".to_owned()))
        }
        state => Ok(state),
    }
}

/// Whether a tenant may have one more session, and the permit if they are counted.
pub(super) fn permit_for(core: &Arc<Core>, tenant: &Arc<str>) -> Result<Option<SessionPermit>, Refusal> {
    // Most tenants have no quota, and need no lock for it.
    match core.quotas().of(tenant).active_sessions {
        Some(_) => permit_in(core, &mut core.lock_active(), tenant),
        None => may_owe_more(core, tenant).map(|()| None),
    }
}

/// The same, for who has the set locked.
pub(super) fn permit_in(
    core: &Arc<Core>,
    set: &mut ActiveSet,
    tenant: &Arc<str>,
) -> Result<Option<SessionPermit>, Refusal> {
    may_owe_more(core, tenant)?;
    let Some(limit) = core.quotas().of(tenant).active_sessions else { return Ok(None) };
    let permit = SessionPermit::take(core, set, tenant, limit);
    permit.map(Some).ok_or(Refusal::Quota { what: QuotaKind::ActiveSessions, limit })
}

fn may_owe_more(core: &Core, tenant: &Arc<str>) -> Result<(), Refusal> {
    match core.quotas().of(tenant).owed_deliveries {
        Some(limit) if core.dispatcher().owed_by(tenant) >= limit => {
            Err(Refusal::Quota { what: QuotaKind::OwedDeliveries, limit })
        }
        _ => Ok(()),
    }
}

/// Makes a session active, and enqueues its first event, once it is written down. A drain may have taken its snapshot
/// meanwhile: then the session is ended right after that event.
pub(super) fn register(
    core: &Core,
    sequence: u64,
    session: &Arc<Session>,
    first: (EventKey, &Arc<Event>, &Owed),
    permit: Option<SessionPermit>,
) {
    register_in(core, &mut core.lock_active(), sequence, session, first, permit);
}

/// The same, for who has the set locked.
pub(super) fn register_in(
    core: &Core,
    set: &mut ActiveSet,
    sequence: u64,
    session: &Arc<Session>,
    (first, event, owed): (EventKey, &Arc<Event>, &Owed),
    permit: Option<SessionPermit>,
) {
    let (compactions, started_by) = if first == EventKey::Start { (0, owed.by.epoch()) } else { (1, 0) };
    let is_active = set.insert(sequence, session.clone(), compactions, started_by);
    if let Some(permit) = permit {
        permit.used(set);
    }
    enqueue(core, set, &QueuedDelivery::new(sequence, first, session, event), owed, &[]);
    if !is_active {
        end_late(core, set, sequence, session);
    }
}

/// Takes a session out of the set and enqueues its end, unless a drain was faster: then the end is the drain's, under the
/// same delivery id. `identity` is what the set knows it as.
pub(crate) fn register_end(
    core: &Core,
    set: &mut ActiveSet,
    sequence: u64,
    identity: &Identity,
    session: &Arc<Session>,
    (event, owed): (&Arc<Event>, &Owed),
    guard: Option<EndingGuard>,
) -> Accepted {
    if let Some(guard) = guard {
        guard.finish(set);
    }
    let ended = set.remove(identity, sequence);
    if let Some(active) = &ended {
        let end = QueuedDelivery::new(sequence, EventKey::End, session, event);
        let end = QueuedDelivery { attempt: active.attempt_of_end(), ..end };
        enqueue(core, set, &end, owed, active.started());
    }
    // A drain that took it over meanwhile has delivered this end.
    let is_this = ended.is_some() || set.was_ending(identity, sequence);
    let how = if is_this { Acceptance::Registered } else { Acceptance::DuplicateEnd };
    Accepted::new(session.identity.clone(), session.generation, how)
}

/// An end is not written down, and its session goes on. If a drain took the session over with this end meanwhile, the next start ends the
/// session, for all who were installed as the drain began: those who are not `owed` this end count as well.
pub(crate) fn cancel_end(core: &Core, set: &mut ActiveSet, (identity, sequence): (&Identity, u64), owed: &Owed) {
    set.cancel_ending(identity, sequence);
    if set.was_ending(identity, sequence) {
        let installed = core.dispatcher().installed().owed_to(&identity.tenant, EventKey::End);
        let more = installed.plugins.iter().filter(|plugin| !owed.plugins.contains(plugin)).count();
        core.dispatcher().count_orphaned_ends(u64::try_from(more).unwrap_or(u64::MAX));
    }
}

/// A drain ends sessions of a dead run that nobody has come back for, and records it at once: whoever comes just then finds
/// a session active that the journal has ended when it is asked. Gives its generation.
pub(super) fn ended_by_drain(core: &Core, identity: &Identity, error: &JournalError) -> Option<u32> {
    match error {
        JournalError::UnknownSession(_) => {
            core.lock_active().drained_as(identity).map(|active| active.session.generation)
        }
        _ => None,
    }
}

/// What is answered when the journal has not taken something.
pub(super) fn refusal(core: &Core, identity: &Identity, error: JournalError) -> Refusal {
    if ended_by_drain(core, identity, &error).is_some() { Refusal::Draining } else { error.into() }
}
