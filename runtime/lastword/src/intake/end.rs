//! A session ends.
//!
//! The active set is locked twice: when the journal is handed the end, and when the journal has the end. It is locked once more if an
//! `op_id` has to be looked up first.

use std::sync::Arc;

use lastword_events::{Event, EventKey, Hook, Identity, Session};
use lastword_journal::{Appended, JournalError, JournalOp, Pending};

use super::known_op::{RequestName, duplicate_op};
use super::merge::ambiguity_note;
use super::register::{KnownAs, OwedEvent, cancel_end, ended_by_drain, refuse_ending, register_end};
use super::registration::HandedOver;
use super::requested_end::requested_end;
use crate::active_session::{ActiveSession, Ending, RequestedEnd};
use crate::active_set::{ActiveSet, SessionState};
use crate::core::Core;
use crate::enqueue::enqueue;
use crate::installed::Owed;
use crate::queued_delivery::QueuedDelivery;
use crate::recent_ends::DuplicateEnd;
use crate::reported_fields::ReportedFields;
use crate::request::{Acceptance, Accepted, EndRequest, ReceivedEnd, RequestResult};
use crate::session_query::SessionQuery;
use crate::session_quota::EndingGuard;

pub(crate) async fn end(core: Arc<Core>, end: Arc<ReceivedEnd>, mut dropped: Vec<String>) -> RequestResult {
    let EndRequest { session, op_id, .. } = &end.request;
    let name = RequestName { identity: &session.identity, kind: Hook::SessionEnd, op_id: op_id.as_deref() };
    let step = {
        let mut set = core.lock_active();
        let state = state_of(&set, &end)?;
        (!name.may_be_of_another(&state)).then(|| Step::take(&core, &mut set, state, &end, &mut dropped))
    };
    let step = match step {
        Some(step) => step,
        None => {
            if let Some(known) = name.known(&core).await {
                return Ok(known);
            }
            let mut set = core.lock_active();
            let state = state_of(&set, &end)?;
            Step::take(&core, &mut set, state, &end, &mut dropped)
        }
    };
    let answer = match step {
        Step::Submitted(ending) => ending.finish(&core, &end).await?,
        Step::Drained(active) => end_drained(&core, &active, &end, &mut dropped).await?,
        Step::Duplicate(duplicate) => core.duplicate_ends().count(duplicate),
        Step::Unknown(session) => end_without_start(&core, session, &end).await?,
    };
    Ok(Accepted { dropped, ..answer })
}

fn state_of(set: &ActiveSet, end: &Arc<ReceivedEnd>) -> Result<SessionState, JournalError> {
    match set.taken_over_with(end) {
        Some(drained) => Ok(SessionState::Drained(drained.clone())),
        None => refuse_ending(set.state(SessionQuery::of_end(end))),
    }
}

/// What is to be done about an end.
enum Step {
    /// The end is that of an active session. The journal has been handed the end.
    Submitted(SubmittedEnd),
    /// A drain has taken the session.
    Drained(ActiveSession),
    /// The end is a duplicate of the last end.
    Duplicate(DuplicateEnd),
    /// Nobody has started the session.
    Unknown(Session),
}

impl Step {
    /// Decides what the end is. Hands the journal the end of an active session under the same lock: so a drain finds the session before
    /// that, or writes after the end.
    fn take(
        core: &Arc<Core>,
        set: &mut ActiveSet,
        state: SessionState,
        end: &Arc<ReceivedEnd>,
        dropped: &mut Vec<String>,
    ) -> Self {
        match state {
            SessionState::Active { session: active, candidates } => {
                dropped.append(&mut ambiguity_note(&active.session.identity, candidates));
                Self::Submitted(SubmittedEnd::new(core, set, &active, end, dropped))
            }
            SessionState::Drained(active) => Self::Drained(active),
            SessionState::Unknown => match set.recent_ends.duplicate(end) {
                Some(duplicate) => Self::Duplicate(duplicate),
                None => {
                    let mut session = end.request.session.clone();
                    set.qualify_by_agent(&mut session, &SessionState::Unknown, end.received_at);
                    Self::Unknown(session)
                }
            },
        }
    }
}

/// The end of an active session. The journal has been handed the end.
struct SubmittedEnd {
    sequence: u64,
    /// What the set knows the session as.
    known_as: Identity,
    requested: Arc<RequestedEnd>,
    handed_over: HandedOver,
    guard: Option<EndingGuard>,
    answer: Pending<Appended>,
}

impl SubmittedEnd {
    fn new(
        core: &Arc<Core>,
        set: &mut ActiveSet,
        active: &ActiveSession,
        end: &ReceivedEnd,
        dropped: &mut Vec<String>,
    ) -> Self {
        let (sequence, known_as) = (active.sequence, active.session.identity.clone());
        let (requested, op) = requested_end(core, active, end, dropped);
        let requested = Arc::new(requested);
        let ending = Ending::Submitted(requested.clone());
        set.update(&known_as, sequence, |active| active.ending = Some(Box::new(ending)));
        let handed_over = handed_over_now(core, end);
        let answer = core.journal().append(op);
        // This is the last field. Dropping it locks the set, and the set is locked here.
        let is_counted = core.quotas().of(&known_as.tenant).active_sessions.is_some();
        let guard = is_counted.then(|| EndingGuard::begin(core, set, &known_as.tenant));
        Self { sequence, known_as, requested, handed_over, guard, answer }
    }

    async fn finish(self, core: &Core, end: &ReceivedEnd) -> RequestResult {
        let Self { sequence, known_as, requested, handed_over, guard, answer } = self;
        let session = KnownAs { identity: &known_as, sequence };
        match answer.await {
            Ok(Appended::Done) => {
                let RequestedEnd { session: of_session, event, owed, .. } = &*requested;
                let deliveries = owed.deliveries(core.journal_name(), sequence, EventKey::End);
                handed_over.on_record(core, sequence, of_session, OwedEvent { key: EventKey::End, event, owed });
                let mut set = core.lock_active();
                let accepted = register_end(core, &mut set, session, &requested, guard);
                if accepted.how == Acceptance::Registered {
                    set.recent_ends.add(sequence, &requested.session, end, requested.reported);
                    return Ok(accepted.with(deliveries));
                }
                Ok(accepted)
            }
            Ok(other) => {
                cancel_end(core, &mut core.lock_active(), session, &requested);
                duplicate_op(known_as, &other)
            }
            Err(error) => {
                cancel_end(core, &mut core.lock_active(), session, &requested);
                let generation = ended_by_drain(core, &known_as, &error).ok_or(error)?;
                Ok(Accepted::new(known_as, generation, Acceptance::DuplicateEnd))
            }
        }
    }
}

/// The answer to an end of a session that a drain has taken: the drain delivers this end if it was asked for first, and the drain's own end
/// otherwise.
async fn end_drained(
    core: &Core,
    active: &ActiveSession,
    end: &Arc<ReceivedEnd>,
    dropped: &mut Vec<String>,
) -> RequestResult {
    let (identity, generation) = (active.session.identity.clone(), active.session.generation);
    if !active.was_taken_over_with(end) {
        return Ok(Accepted::new(identity, generation, Acceptance::DuplicateEnd));
    }
    let RequestedEnd { session, event, owed, .. } = requested_end(core, active, end, dropped).0;
    let handed_over = handed_over_now(core, end);
    // The drain has handed the end to the journal.
    core.journal().flush().await?;
    let deliveries = owed.deliveries(core.journal_name(), active.sequence, EventKey::End);
    let registered = OwedEvent { key: EventKey::End, event: &event, owed: &owed };
    handed_over.on_record(core, active.sequence, &session, registered);
    Ok(Accepted::new(identity, generation, Acceptance::Registered).with(deliveries))
}

async fn end_without_start(core: &Core, session: Session, end: &ReceivedEnd) -> RequestResult {
    let (ImpliedEnd { identity, event, reported, owed }, op) = ImpliedEnd::of(core, session, end);
    let handed_over = handed_over_now(core, end);
    match core.journal().append(op).await? {
        Appended::Session { sequence, session } => {
            let deliveries = owed.deliveries(core.journal_name(), sequence, EventKey::End);
            let registered = OwedEvent { key: EventKey::End, event: &event, owed: &owed };
            handed_over.on_record(core, sequence, &session, registered);
            let mut set = core.lock_active();
            set.recent_ends.add(sequence, &session, end, reported);
            enqueue(core, &mut set, &QueuedDelivery::new(sequence, EventKey::End, &session, &event), &owed, &[]);
            Ok(Accepted::new(identity, session.generation, Acceptance::Implied).with(deliveries))
        }
        other => duplicate_op(identity, &other),
    }
}

/// The journal is handed the end now.
pub(super) fn handed_over_now(core: &Core, end: &ReceivedEnd) -> HandedOver {
    HandedOver::now(core, core.time().by_machine(end.received_at))
}

/// The end of a session that nobody has started.
pub(super) struct ImpliedEnd {
    pub(super) identity: Identity,
    pub(super) event: Arc<Event>,
    pub(super) reported: ReportedFields,
    /// The plugins that are owed the end.
    pub(super) owed: Owed,
}

impl ImpliedEnd {
    /// Makes the end, with the operation that records it.
    pub(super) fn of(core: &Core, session: Session, end: &ReceivedEnd) -> (Self, JournalOp) {
        let EndRequest { session: said, event, op_id, .. } = &end.request;
        let identity = session.identity.clone();
        let owed = core.dispatcher().installed().owed_to(&identity.tenant, EventKey::End);
        let reported = ReportedFields::by(&session, event).with_scope_of(&said.identity);
        let event = Arc::new(Event::End(event.clone().since(session.started_at)));
        let op = JournalOp::EndWithoutStart {
            session: Arc::new(session),
            event: event.clone(),
            owed: owed.plugins.clone(),
            received: end.receipt(reported),
            op_id: op_id.clone(),
        };
        (Self { identity, event, reported, owed }, op)
    }
}
