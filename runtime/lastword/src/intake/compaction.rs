//! A session is about to be compacted, or was.

use std::future::Future;
use std::sync::Arc;
use std::time::Instant;

use lastword_events::{Event, Hook, Session, SessionCompaction};
use lastword_journal::{Appended, JournalOp};

use super::known_op::{RequestName, duplicate_op};
use super::merge::{ambiguity_note, with_scope_of};
use super::register::{OwedEvent, look_up, permit_for, refusal, register};
use super::registration::HandedOver;
use crate::active_session::ActiveSession;
use crate::active_set::SessionState;
use crate::core::Core;
use crate::enqueue::enqueue;
use crate::queued_delivery::QueuedDelivery;
use crate::request::{Acceptance, Accepted, CompactionRequest, Refusal, RequestResult};
use crate::session_quota::SessionPermit;
use crate::sync::now;

/// Tells of a compaction when the request has its turn. The request is received now.
pub(crate) fn compaction(core: Arc<Core>, request: CompactionRequest) -> impl Future<Output = RequestResult> {
    let received_at = now();
    carry_out(core, request, received_at)
}

async fn carry_out(core: Arc<Core>, request: CompactionRequest, received_at: Instant) -> RequestResult {
    let CompactionRequest { mut session, event, op_id } = request;
    let state = look_up(&core, &mut session, false)?;
    let identity = session.identity.clone();
    let name = RequestName { identity: &identity, kind: Hook::SessionCompaction, op_id: op_id.as_deref() };
    if name.may_be_of_another(&state)
        && let Some(known) = name.known(&core).await
    {
        return Ok(known);
    }
    match state {
        SessionState::Active { session: active, candidates } => {
            compact(&core, &active, candidates, &session, event, op_id, received_at).await
        }
        // The request has waited behind others of its id, as a start does.
        SessionState::Drained(_) => name.known_or(&core, Refusal::Draining).await,
        SessionState::Unknown => match permit_for(&core, &identity.tenant) {
            Err(refusal) => name.known_or(&core, refusal).await,
            Ok(permit) => compact_without_start(&core, session, event, op_id, permit, received_at).await,
        },
    }
}

async fn compact(
    core: &Core,
    active: &ActiveSession,
    candidates: usize,
    said: &Session,
    event: SessionCompaction,
    op_id: Option<Arc<str>>,
    received_at: Instant,
) -> RequestResult {
    let known_as = active.session.identity.clone();
    let (sequence, n) = (active.sequence, active.compactions + 1);
    let event = Event::Compaction(event);
    let (key, event) = (event.key(n), Arc::new(event));
    let owed = core.dispatcher().installed().owed_to(&known_as.tenant, key);
    let session = with_scope_of(&active.session, said);
    let (identity, generation) = (session.identity.clone(), session.generation);
    let (of_session, to) = (session.clone(), owed.plugins.clone());
    let op = JournalOp::Compaction { sequence, n, session: of_session, event: event.clone(), owed: to, op_id };
    let handed_over = HandedOver::now(core, received_at);
    match core.journal().append(op).await.map_err(|error| refusal(core, &known_as, error))? {
        Appended::Done => {
            let deliveries = owed.deliveries(core.journal_name(), sequence, key);
            handed_over.on_record(core, sequence, &session, OwedEvent { key, event: &event, owed: &owed });
            let mut set = core.lock_active();
            let is_active = set.update_session(&known_as, sequence, session.clone(), |active| active.compactions = n);
            // A drain may have taken the session meanwhile, and the end may have been delivered already.
            let late = !is_active;
            let delivery = QueuedDelivery { late, ..QueuedDelivery::new(sequence, key, &session, &event) };
            enqueue(core, &mut set, &delivery, &owed, &[]);
            let dropped = ambiguity_note(&known_as, candidates);
            Ok(Accepted { dropped, deliveries, ..Accepted::new(identity, generation, Acceptance::Registered) })
        }
        other => duplicate_op(known_as, &other),
    }
}

/// Registers the session if it is unknown: a session that is being compacted is alive, even if its owner has not told of its start.
async fn compact_without_start(
    core: &Arc<Core>,
    session: Session,
    event: SessionCompaction,
    op_id: Option<Arc<str>>,
    permit: Option<SessionPermit>,
    received_at: Instant,
) -> RequestResult {
    let identity = session.identity.clone();
    let event = Event::Compaction(event);
    let (key, event) = (event.key(1), Arc::new(event));
    let owed = core.dispatcher().installed().owed_to(&identity.tenant, key);
    let (session, to) = (Arc::new(session), owed.plugins.clone());
    let op = JournalOp::CompactionWithoutStart { session, event: event.clone(), owed: to, op_id };
    let handed_over = HandedOver::now(core, received_at);
    match core.journal().append(op).await? {
        Appended::Session { sequence, session } => {
            let first = OwedEvent { key, event: &event, owed: &owed };
            handed_over.on_record(core, sequence, &session, first);
            register(core, sequence, &session, first, permit);
            let deliveries = owed.deliveries(core.journal_name(), sequence, key);
            Ok(Accepted::new(identity, session.generation, Acceptance::Implied).with(deliveries))
        }
        other => duplicate_op(identity, &other),
    }
}
