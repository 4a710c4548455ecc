//! A session begins, or more becomes known of one that is active.

use std::future::Future;
use std::sync::Arc;
use std::time::Instant;

use lastword_events::{Event, EventKey, Hook, Session, SessionStart};
use lastword_journal::{Appended, JournalOp};

use super::known_op::{RequestName, duplicate_op};
use super::merge::{ambiguity_note, merge};
use super::register::{OwedEvent, look_up, permit_for, refusal, register};
use super::registration::HandedOver;
use crate::active_session::ActiveSession;
use crate::active_set::SessionState;
use crate::core::Core;
use crate::request::{Acceptance, Accepted, Refusal, RequestResult, StartRequest};
use crate::session_quota::SessionPermit;
use crate::sync::now;

/// Starts a session when the request has its turn. The request is received now.
pub(crate) fn start(core: Arc<Core>, request: StartRequest) -> impl Future<Output = RequestResult> {
    let received_at = now();
    carry_out(core, request, received_at)
}

async fn carry_out(core: Arc<Core>, request: StartRequest, received_at: Instant) -> RequestResult {
    let StartRequest { mut session, event, op_id } = request;
    let state = look_up(&core, &mut session, true)?;
    let identity = session.identity.clone();
    let name = RequestName { identity: &identity, kind: Hook::SessionStart, op_id: op_id.as_deref() };
    if name.may_be_of_another(&state)
        && let Some(known) = name.known(&core).await
    {
        return Ok(known);
    }
    match state {
        SessionState::Active { session: active, candidates } => update(&core, active, candidates, session, op_id).await,
        // The request has waited behind others of its id for longer than the drain has. A new generation would not wait for the end of this
        // one, which the drain delivers.
        SessionState::Drained(_) => name.known_or(&core, Refusal::Draining).await,
        SessionState::Unknown => match permit_for(&core, &identity.tenant) {
            Err(refusal) => name.known_or(&core, refusal).await,
            Ok(permit) => begin(&core, session, event, op_id, permit, received_at).await,
        },
    }
}

/// Begins a session that nobody has started.
async fn begin(
    core: &Arc<Core>,
    mut session: Session,
    event: SessionStart,
    op_id: Option<Arc<str>>,
    permit: Option<SessionPermit>,
    received_at: Instant,
) -> RequestResult {
    session.started_at.get_or_insert_with(|| core.time().timestamp());
    let owed = core.dispatcher().installed().owed_to(&session.identity.tenant, EventKey::Start);
    let identity = session.identity.clone();
    let event = Arc::new(Event::Start(event));
    let (session, to) = (Arc::new(session), owed.plugins.clone());
    let op = JournalOp::Start { session, event: event.clone(), owed: to, op_id };
    let handed_over = HandedOver::now(core, received_at);
    match core.journal().append(op).await? {
        Appended::Session { sequence, session } => {
            let generation = session.generation;
            let first = OwedEvent { key: EventKey::Start, event: &event, owed: &owed };
            handed_over.on_record(core, sequence, &session, first);
            register(core, sequence, &session, first, permit);
            let deliveries = owed.deliveries(core.journal_name(), sequence, EventKey::Start);
            Ok(Accepted::new(identity, generation, Acceptance::Registered).with(deliveries))
        }
        other => duplicate_op(identity, &other),
    }
}

/// Keeps what the request says of an active session that is newer.
pub(super) async fn update(
    core: &Core,
    active: ActiveSession,
    candidates: usize,
    newer: Session,
    op_id: Option<Arc<str>>,
) -> RequestResult {
    let known_as = active.session.identity.clone();
    let merged = merge(&active.session, newer);
    merged.validate()?;
    let (sequence, generation, identity) = (active.sequence, merged.generation, merged.identity.clone());
    let appended = core.journal().append(JournalOp::Update { sequence, session: merged.clone(), op_id }).await;
    match appended.map_err(|error| refusal(core, &known_as, error))? {
        Appended::Done => {
            core.lock_active().update_session(&known_as, sequence, merged, |_| ());
            let dropped = ambiguity_note(&identity, candidates);
            Ok(Accepted { dropped, ..Accepted::new(identity, generation, Acceptance::Updated) })
        }
        other => {
            attach(core, &active).await?;
            duplicate_op(known_as, &other)
        }
    }
}

/// The request of a dead run was sent again. Its owner is there, and goes on with the session.
pub(super) async fn attach(core: &Core, active: &ActiveSession) -> Result<(), Refusal> {
    let (known_as, sequence) = (&active.session.identity, active.sequence);
    let is_unattached = core.lock_active().is_unattached(known_as, sequence);
    if is_unattached {
        let op = JournalOp::Update { sequence, session: active.session.clone(), op_id: None };
        let appended = core.journal().append(op).await;
        appended.map_err(|error| refusal(core, known_as, error))?;
        core.lock_active().update(known_as, sequence, ActiveSession::attach);
    }
    Ok(())
}
