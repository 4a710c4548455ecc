//! Requests that are written down take effect: a session is active, or has ended.

use std::sync::Arc;

use lastword_events::{Event, EventKey, Identity, Session};
use lastword_journal::JournalError;

use crate::active_session::RequestedEnd;
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

/// What a request finds when it has its turn. `session` gets an identity of its own if it needs one. The request is refused while a full
/// disk keeps the end of the session from being written.
pub(super) fn look_up(core: &Core, session: &mut Session, is_start: bool) -> Result<SessionState, JournalError> {
    let (set, now) = (core.lock_active(), core.time().now());
    let state = refuse_ending(set.state(SessionQuery::of(session, now).at_start(is_start)))?;
    set.qualify_by_agent(session, &state, now);
    Ok(state)
}

/// Refuses a request about a session whose end is still being written. Requests of one session follow each other, so the end can only be
/// the end of a grace.
pub(super) fn refuse_ending(state: SessionState) -> Result<SessionState, JournalError> {
    match state {
        SessionState::Active { session, .. } if session.ending.is_some() => {
            Err(JournalError::Busy("the session's last end waits to be written; send it again later".to_owned()))
        }
        state => Ok(state),
    }
}

/// A permit for one more session of the tenant, or a refusal. None if the tenant has no quota of sessions.
pub(super) fn permit_for(core: &Arc<Core>, tenant: &Arc<str>) -> Result<Option<SessionPermit>, Refusal> {
    // Most tenants have no quota, and need no lock for it.
    match core.quotas().of(tenant).active_sessions {
        Some(_) => permit_locked(core, &mut core.lock_active(), tenant),
        None => may_owe_more(core, tenant).map(|()| None),
    }
}

/// The same as [`permit_for`], for a caller that has locked the set.
pub(super) fn permit_locked(
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

/// An event that is written down, and the plugins that are owed it.
#[derive(Clone, Copy)]
pub(super) struct OwedEvent<'a> {
    pub(super) key: EventKey,
    pub(super) event: &'a Arc<Event>,
    pub(super) owed: &'a Owed,
}

/// An active session, as the set knows it.
#[derive(Clone, Copy)]
pub(crate) struct KnownAs<'a> {
    pub(crate) identity: &'a Identity,
    pub(crate) sequence: u64,
}

/// Makes a session active and enqueues its first event. That event is written down. If a drain has taken its snapshot meanwhile, the
/// session is ended right after the event.
pub(super) fn register(
    core: &Core,
    sequence: u64,
    session: &Arc<Session>,
    first: OwedEvent<'_>,
    permit: Option<SessionPermit>,
) {
    register_locked(core, &mut core.lock_active(), sequence, session, first, permit);
}

/// The same as [`register`], for a caller that has locked the set.
pub(super) fn register_locked(
    core: &Core,
    set: &mut ActiveSet,
    sequence: u64,
    session: &Arc<Session>,
    OwedEvent { key, event, owed }: OwedEvent<'_>,
    permit: Option<SessionPermit>,
) {
    let (compactions, started_by) = if key == EventKey::Start { (0, owed.by.number()) } else { (1, 0) };
    let is_active = set.insert(sequence, session.clone(), compactions, started_by);
    if let Some(permit) = permit {
        permit.used(set);
    }
    enqueue(core, set, &QueuedDelivery::new(sequence, key, session, event), owed, &[]);
    if !is_active {
        end_late(core, set, sequence, session);
    }
}

/// Takes a session out of the set and enqueues its end. If a drain has taken the session before, the drain delivers the end, under the same
/// delivery id.
pub(crate) fn register_end(
    core: &Core,
    set: &mut ActiveSet,
    KnownAs { identity, sequence }: KnownAs<'_>,
    RequestedEnd { session, event, owed, .. }: &RequestedEnd,
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
    // A drain that has taken the session meanwhile has delivered this end.
    let is_this = ended.is_some() || set.was_ending(identity, sequence);
    let how = if is_this { Acceptance::Registered } else { Acceptance::DuplicateEnd };
    Accepted::new(session.identity.clone(), session.generation, how)
}

/// Lets a session go on whose end is not written down. If a drain has taken the session with this end meanwhile, the next start ends the
/// session, for all plugins that were installed when the drain began. So plugins that are not `owed` this end count as well.
pub(crate) fn cancel_end(
    core: &Core,
    set: &mut ActiveSet,
    KnownAs { identity, sequence }: KnownAs<'_>,
    RequestedEnd { owed, .. }: &RequestedEnd,
) {
    set.cancel_ending(identity, sequence);
    if set.was_ending(identity, sequence) {
        let installed = core.dispatcher().installed().owed_to(&identity.tenant, EventKey::End);
        let more = installed.plugins.iter().filter(|plugin| !owed.plugins.contains(plugin)).count();
        core.dispatcher().count_orphaned_ends(u64::try_from(more).unwrap_or(u64::MAX));
    }
}

/// The generation of a session that a drain has ended, if that is why the journal does not know it. A drain ends sessions of a dead run
/// that nobody has come back for, and records that at once. So a request that comes just then finds the session active, and the journal has
/// ended it.
pub(super) fn ended_by_drain(core: &Core, identity: &Identity, error: &JournalError) -> Option<u32> {
    match error {
        JournalError::UnknownSession(_) => {
            core.lock_active().drained_as(identity).map(|active| active.session.generation)
        }
        _ => None,
    }
}

/// The answer if the journal has not taken an operation.
pub(super) fn refusal(core: &Core, identity: &Identity, error: JournalError) -> Refusal {
    if ended_by_drain(core, identity, &error).is_some() { Refusal::Draining } else { error.into() }
}
