//! What is written down takes effect: a session is active, or has ended.

use std::sync::Arc;

use lastword_events::{Event, EventKey, Identity, Session};
use lastword_journal::JournalError;

use crate::active_set::{ActiveSet, SessionState};
use crate::core::Core;
use crate::drain::end_late;
use crate::quota::QuotaKind;
use crate::request::{Acceptance, Accepted, Refusal};
use crate::session_query::SessionQuery;
use crate::session_quota::{EndingGuard, SessionPermit};

/// What a request finds when it has its turn; `session` gets an identity of its own if it needs one. The request is refused while the
/// session's end is with a disk that cannot take it.
pub(super) fn look_up(core: &Core, session: &mut Session, is_start: bool) -> Result<SessionState, JournalError> {
    let set = core.active();
    let state = refuse_ending(set.state(SessionQuery::of(session).at_start(is_start)))?;
    set.set_apart(session, &state);
    Ok(state)
}

/// Refuses what is asked of a session whose end waits for the disk. No request of another is under way, so it is the end of a grace.
pub(super) fn refuse_ending(state: SessionState) -> Result<SessionState, JournalError> {
    match state {
        SessionState::Active(active, _) if active.ending.is_some() => {
            Err(JournalError::Unavailable("the session's last end waits to be written; send it again later".to_owned()))
        }
        state => Ok(state),
    }
}

/// Whether a tenant may have one more session, and the permit if they are counted.
pub(super) fn permit_for(core: &Arc<Core>, tenant: &Arc<str>) -> Result<Option<SessionPermit>, Refusal> {
    let quota = core.quotas().of(tenant);
    if let Some(limit) = quota.owed_deliveries
        && core.dispatcher().owed_by(tenant) >= limit
    {
        return Err(Refusal::Quota { what: QuotaKind::OwedDeliveries, limit });
    }
    let Some(limit) = quota.active_sessions else { return Ok(None) };
    let permit = SessionPermit::take(core, &mut core.active(), tenant, limit);
    permit.map(Some).ok_or(Refusal::Quota { what: QuotaKind::ActiveSessions, limit })
}

/// Makes a session active, and enqueues its first event, once it is written down. A drain may have taken its snapshot
/// meanwhile: then the session is ended right after that event.
pub(super) fn register(
    core: &Core,
    sequence: u64,
    session: &Arc<Session>,
    first: EventKey,
    event: &Arc<Event>,
    permit: Option<SessionPermit>,
) {
    let compactions = u32::from(first != EventKey::Start);
    let mut set = core.active();
    let is_active = set.insert(sequence, session.clone(), compactions);
    if let Some(permit) = permit {
        permit.used(&mut set);
    }
    core.dispatcher().enqueue(sequence, first, session, event);
    if !is_active {
        end_late(core, &mut set, sequence, session);
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
    event: &Arc<Event>,
    ending: Option<EndingGuard>,
) -> Accepted {
    if let Some(ending) = ending {
        ending.finish(set);
    }
    let ended = set.remove(identity, sequence);
    if let Some(active) = &ended {
        core.dispatcher().enqueue_end(sequence, session, event, active.attempt_of_end());
    }
    // A drain that took it over meanwhile has delivered this end.
    let is_this = ended.is_some() || set.was_ending(identity, sequence);
    let how = if is_this { Acceptance::Registered } else { Acceptance::DuplicateEnd };
    Accepted::new(session.identity.clone(), session.generation, how)
}

/// A drain ends sessions of a dead run that nobody has come back for, and records it at once: whoever comes just then finds
/// a session active that the journal has ended when it is asked. Gives its generation.
pub(super) fn ended_by_drain(core: &Core, identity: &Identity, error: &JournalError) -> Option<u32> {
    match error {
        JournalError::UnknownSession(_) => core.active().drained_as(identity).map(|active| active.session.generation),
        _ => None,
    }
}

/// What is answered when the journal has not taken something.
pub(super) fn refusal(core: &Core, identity: &Identity, error: JournalError) -> Refusal {
    if ended_by_drain(core, identity, &error).is_some() { Refusal::Draining } else { error.into() }
}
