//! A replacement: one session ends and another begins. Both are written down, or neither is.
//!
//! As for an end, the active set is locked when the journal is handed both, and when the journal has both. What applies to one of the two
//! applies to both: a drain, a quota or a full disk refuses them together.

use std::sync::Arc;

use lastword_events::{Event, EventKey, Hook, Identity, Session};
use lastword_journal::{Appended, JournalError, JournalOp, Pending};

use super::end::{ImpliedEnd, handed_over_now};
use super::known_op::{RequestName, duplicate_op};
use super::merge::{ambiguity_note, merge};
use super::register::{
    KnownAs, OwedEvent, cancel_end, permit_locked, refusal, refuse_ending, register_end, register_locked,
};
use super::registration::HandedOver;
use super::requested_end::requested_end;
use super::start::{attach, start};
use crate::active_session::{ActiveSession, Ending, RequestedEnd};
use crate::active_set::{ActiveSet, SessionState};
use crate::core::Core;
use crate::enqueue::enqueue;
use crate::installed::Owed;
use crate::queued_delivery::QueuedDelivery;
use crate::recent_ends::DuplicateEnd;
use crate::request::{Acceptance, Accepted, ReceivedEnd, Refusal, RequestResult, StartRequest};
use crate::session_query::SessionQuery;
use crate::session_quota::{EndingGuard, SessionPermit};

/// The result of a replacement: what became of the end, and of the start.
type ReplacementResult = Result<(Accepted, Accepted), Refusal>;

pub(crate) async fn replace(
    core: Arc<Core>,
    end: Arc<ReceivedEnd>,
    dropped: Vec<String>,
    request: StartRequest,
) -> ReplacementResult {
    if let Some(known) = known_before(&core, &end, &request).await? {
        return Ok(known);
    }
    let step = {
        let mut set = core.lock_active();
        Step::take(&core, &mut set, &end, &request, dropped)
    };
    match step {
        Ok(Step::Submitted(replacement)) => replacement.finish(&core, &end, &request).await,
        // There is no session to end: only the start is left.
        Ok(Step::Duplicate(duplicate, dropped)) => {
            let started = start(core.clone(), request).await?;
            Ok((Accepted { dropped, ..core.duplicate_ends().count(duplicate) }, started))
        }
        // A replacement that is sent again is acknowledged, whether or not there would be room for another session.
        Err(Refused(refusal, guard)) => {
            drop(guard);
            let Some(ended) = name_of_end(&end).known(&core).await else { return Err(refusal) };
            let Some(started) = name_of_start(&request).known(&core).await else { return Err(refusal) };
            attach_started(&core, &end, &request).await?;
            Ok((ended, started))
        }
    }
}

/// The answer to a replacement that was sent before. A part without a scope may have been taken for another session then, so the journal is
/// asked for it. For all other parts the journal answers by itself.
async fn known_before(
    core: &Core,
    end: &Arc<ReceivedEnd>,
    request: &StartRequest,
) -> Result<Option<(Accepted, Accepted)>, Refusal> {
    let (of_end, of_start) = (name_of_end(end), name_of_start(request));
    let (ends, starts) = found(&core.lock_active(), end, request);
    if !of_end.may_be_of_another(&ends) && !of_start.may_be_of_another(&starts) {
        return Ok(None);
    }
    match (of_end.of(&ends).known(core).await, of_start.of(&starts).known(core).await) {
        (None, None) => Ok(None),
        (Some(ended), Some(started)) => {
            attach_started(core, end, request).await?;
            Ok(Some((ended, started)))
        }
        // A disk that is too slow for the drain may not have said all that it knows.
        _ if core.dispatcher().watch_phase().borrow().is_draining() => Err(Refusal::Draining),
        _ => Err(JournalError::OpConflict(of_end.op_id.unwrap_or_default().to_owned()).into()),
    }
}

/// The owner that sends a replacement again is there, and goes on with the session that began.
async fn attach_started(core: &Core, end: &ReceivedEnd, request: &StartRequest) -> Result<(), Refusal> {
    let found = core.lock_active().state(start_query(end, request));
    match found {
        SessionState::Active { session, .. } if session.ending.is_none() => attach(core, &session).await,
        _ => Ok(()),
    }
}

fn start_query<'a>(end: &ReceivedEnd, request: &'a StartRequest) -> SessionQuery<'a> {
    SessionQuery::of(&request.session, end.received_at).at_start(true)
}

fn name_of_end(end: &Arc<ReceivedEnd>) -> RequestName<'_> {
    let request = &end.request;
    RequestName { identity: &request.session.identity, kind: Hook::SessionEnd, op_id: request.op_id.as_deref() }
}

fn name_of_start(request: &StartRequest) -> RequestName<'_> {
    RequestName { identity: &request.session.identity, kind: Hook::SessionStart, op_id: request.op_id.as_deref() }
}

/// What is to be done about a replacement.
enum Step {
    /// The journal has been handed both parts.
    Submitted(Box<Replacement>),
    /// The end is a duplicate of the last end.
    Duplicate(DuplicateEnd, Vec<String>),
}

/// Why nothing is done, and what is to be dropped after the set is unlocked.
struct Refused(Refusal, Option<EndingGuard>);

/// Both parts. The journal has been handed them.
struct Replacement {
    ended: Ended,
    started: Started,
    handed_over: HandedOver,
    guard: Option<EndingGuard>,
    answer: Pending<Appended>,
}

/// The session that ends.
struct Ended {
    /// The session as the set knows it.
    identity: Identity,
    kind: EndedKind,
    /// What the end lost to fit the limits.
    dropped: Vec<String>,
}

enum EndedKind {
    Active {
        sequence: u64,
        requested: Arc<RequestedEnd>,
    },
    /// Nobody has started the session.
    Implied(ImpliedEnd),
}

/// The session that begins.
struct Started {
    /// The session as the set knows it, or will know it.
    identity: Identity,
    kind: StartedKind,
    /// A note for the answer if the session had to be guessed.
    dropped: Vec<String>,
}

enum StartedKind {
    New {
        event: Arc<Event>,
        owed: Owed,
        permit: Option<SessionPermit>,
    },
    /// The session is active already. This is what is known of it now.
    Update(Box<ActiveSession>, Arc<Session>),
}

impl Step {
    /// Decides, and hands the journal both parts, under one lock: so a drain finds both sessions as they were, or writes after both parts.
    fn take(
        core: &Arc<Core>,
        set: &mut ActiveSet,
        end: &Arc<ReceivedEnd>,
        request: &StartRequest,
        dropped: Vec<String>,
    ) -> Result<Self, Refused> {
        let (ends, starts, session) = states(set, end, request).map_err(|error| Refused(error.into(), None))?;
        if matches!(ends, SessionState::Unknown)
            && let Some(duplicate) = set.recent_ends.duplicate(end)
        {
            return Ok(Self::Duplicate(duplicate, dropped));
        }
        let (ended, op_end) = Ended::of(core, set, ends, end, dropped).map_err(|refusal| Refused(refusal, None))?;
        // The session that begins may have the room of the session that ends.
        let is_counted = core.quotas().of(&ended.identity.tenant).active_sessions.is_some() && ended.is_of_active();
        let guard = is_counted.then(|| EndingGuard::begin(core, set, &ended.identity.tenant));
        let (started, op_start) = match Started::of(core, set, starts, session, request) {
            Ok(started) => started,
            Err(refusal) => return Err(Refused(refusal, guard)),
        };
        if let EndedKind::Active { sequence, requested } = &ended.kind {
            let ending = Ending::Submitted(requested.clone());
            set.update(&ended.identity, *sequence, |active| active.ending = Some(Box::new(ending)));
        }
        let handed_over = handed_over_now(core, end);
        let answer = core.journal().append(JournalOp::Replace { end: Box::new(op_end), start: Box::new(op_start) });
        Ok(Self::Submitted(Box::new(Replacement { ended, started, handed_over, guard, answer })))
    }
}

/// What the set knows of the session that ends and of the session that begins. If both are the same session, the second is a new one.
fn found(set: &ActiveSet, end: &Arc<ReceivedEnd>, request: &StartRequest) -> (SessionState, SessionState) {
    let (ends, starts) = (set.state(SessionQuery::of_end(end)), set.state(start_query(end, request)));
    match (&ends, &starts) {
        (SessionState::Active { session: ended, .. }, SessionState::Active { session: started, .. })
            if ended.sequence == started.sequence =>
        {
            (ends, SessionState::Unknown)
        }
        _ => (ends, starts),
    }
}

/// The session that ends and the session that begins, which is kept apart from others of its id. Refused while one of them is ending.
fn states(
    set: &ActiveSet,
    end: &Arc<ReceivedEnd>,
    request: &StartRequest,
) -> Result<(SessionState, SessionState, Session), JournalError> {
    let (ends, starts) = found(set, end, request);
    let (ends, starts) = (refuse_ending(ends)?, refuse_ending(starts)?);
    let mut session = request.session.clone();
    set.qualify_by_agent(&mut session, &starts, end.received_at);
    Ok((ends, starts, session))
}

impl Ended {
    fn of(
        core: &Core,
        set: &ActiveSet,
        state: SessionState,
        end: &Arc<ReceivedEnd>,
        mut dropped: Vec<String>,
    ) -> Result<(Self, JournalOp), Refusal> {
        match state {
            SessionState::Active { session: active, candidates } => {
                let identity = active.session.identity.clone();
                dropped.append(&mut ambiguity_note(&identity, candidates));
                let (requested, op) = requested_end(core, &active, end, &mut dropped);
                let kind = EndedKind::Active { sequence: active.sequence, requested: Arc::new(requested) };
                Ok((Self { identity, kind, dropped }, op))
            }
            SessionState::Unknown => {
                let mut session = end.request.session.clone();
                set.qualify_by_agent(&mut session, &SessionState::Unknown, end.received_at);
                let (implied, op) = ImpliedEnd::of(core, session, end);
                Ok((Self { identity: implied.identity.clone(), kind: EndedKind::Implied(implied), dropped }, op))
            }
            SessionState::Drained(_) => Err(Refusal::Draining),
        }
    }

    /// The replacement is written down.
    fn register(
        self,
        core: &Core,
        set: &mut ActiveSet,
        end: &ReceivedEnd,
        appended: &Appended,
        guard: Option<EndingGuard>,
    ) -> RequestResult {
        let Self { identity, kind, dropped } = self;
        let deliveries = |owed: &Owed, sequence| owed.deliveries(core.journal_name(), sequence, EventKey::End);
        let accepted = match (kind, appended) {
            (EndedKind::Active { sequence, requested }, Appended::Done) => {
                let known_as = KnownAs { identity: &identity, sequence };
                let accepted = register_end(core, set, known_as, &requested, guard);
                if accepted.how == Acceptance::Registered {
                    set.recent_ends.add(sequence, &requested.session, end, requested.reported);
                }
                accepted.with(deliveries(&requested.owed, sequence))
            }
            (EndedKind::Implied(ImpliedEnd { event, reported, owed, .. }), Appended::Session { sequence, session }) => {
                set.recent_ends.add(*sequence, session, end, reported);
                enqueue(core, set, &QueuedDelivery::new(*sequence, EventKey::End, session, &event), &owed, &[]);
                let deliveries = deliveries(&owed, *sequence);
                Accepted::new(identity, session.generation, Acceptance::Implied).with(deliveries)
            }
            (_, other) => duplicate_op(identity, other)?,
        };
        Ok(Accepted { dropped, ..accepted })
    }

    /// Tells observers of the end, which is on record.
    fn on_record(&self, core: &Core, appended: &Appended, handed_over: HandedOver) {
        let key = EventKey::End;
        match (&self.kind, appended) {
            (EndedKind::Active { sequence, requested }, Appended::Done) => {
                let RequestedEnd { session, event, owed, .. } = &**requested;
                handed_over.on_record(core, *sequence, session, OwedEvent { key, event, owed });
            }
            (EndedKind::Implied(ImpliedEnd { event, owed, .. }), Appended::Session { sequence, session }) => {
                handed_over.on_record(core, *sequence, session, OwedEvent { key, event, owed });
            }
            _ => (),
        }
    }

    fn is_of_active(&self) -> bool {
        matches!(self.kind, EndedKind::Active { .. })
    }

    /// Whether the journal has written the end down as this one.
    fn fits(&self, appended: &Appended) -> bool {
        match appended {
            Appended::Done => self.is_of_active(),
            Appended::Session { .. } => !self.is_of_active(),
            _ => false,
        }
    }

    /// The end is not written down, or was written down before.
    fn cancel(&self, core: &Core) {
        if let EndedKind::Active { sequence, requested } = &self.kind {
            let known_as = KnownAs { identity: &self.identity, sequence: *sequence };
            cancel_end(core, &mut core.lock_active(), known_as, requested);
        }
    }
}

impl Started {
    fn of(
        core: &Arc<Core>,
        set: &mut ActiveSet,
        state: SessionState,
        mut session: Session,
        request: &StartRequest,
    ) -> Result<(Self, JournalOp), Refusal> {
        let op_id = request.op_id.clone();
        match state {
            SessionState::Active { session: active, candidates } => {
                let (sequence, merged) = (active.sequence, merge(&active.session, session));
                merged.validate()?;
                let (identity, dropped) =
                    (active.session.identity.clone(), ambiguity_note(&merged.identity, candidates));
                let op = JournalOp::Update { sequence, session: merged.clone(), op_id };
                Ok((Self { identity, kind: StartedKind::Update(Box::new(active), merged), dropped }, op))
            }
            SessionState::Unknown => {
                let identity = session.identity.clone();
                let permit = permit_locked(core, set, &identity.tenant)?;
                session.started_at.get_or_insert_with(|| core.time().timestamp());
                let owed = core.dispatcher().installed().owed_to(&identity.tenant, EventKey::Start);
                let event = Arc::new(Event::Start(request.event.clone()));
                let (session, to) = (Arc::new(session), owed.plugins.clone());
                let op = JournalOp::Start { session, event: event.clone(), owed: to, op_id };
                let kind = StartedKind::New { event, owed, permit };
                Ok((Self { identity, kind, dropped: Vec::new() }, op))
            }
            SessionState::Drained(_) => Err(Refusal::Draining),
        }
    }

    /// Whether the journal has written the start down as this one.
    fn fits(&self, appended: &Appended) -> bool {
        matches!(
            (&self.kind, appended),
            (StartedKind::New { .. }, Appended::Session { .. }) | (StartedKind::Update(..), Appended::Done)
        )
    }

    /// Tells observers of the start, which is on record. An update is no event.
    fn on_record(&self, core: &Core, appended: &Appended, handed_over: HandedOver) {
        if let (StartedKind::New { event, owed, .. }, Appended::Session { sequence, session }) = (&self.kind, appended)
        {
            let key = EventKey::Start;
            handed_over.on_record(core, *sequence, session, OwedEvent { key, event, owed });
        }
    }

    /// The start is written down.
    fn register(self, core: &Core, set: &mut ActiveSet, appended: &Appended) -> RequestResult {
        let Self { identity, kind, dropped } = self;
        match (kind, appended) {
            (StartedKind::New { event, owed, permit }, Appended::Session { sequence, session }) => {
                let first = OwedEvent { key: EventKey::Start, event: &event, owed: &owed };
                register_locked(core, set, *sequence, session, first, permit);
                let deliveries = owed.deliveries(core.journal_name(), *sequence, EventKey::Start);
                Ok(Accepted::new(identity, session.generation, Acceptance::Registered).with(deliveries))
            }
            (StartedKind::Update(active, session), Appended::Done) => {
                let accepted = Accepted::new(session.identity.clone(), session.generation, Acceptance::Updated);
                set.update_session(&identity, active.sequence, session, |_| ());
                Ok(Accepted { dropped, ..accepted })
            }
            (_, other) => duplicate_op(identity, other),
        }
    }
}

impl Replacement {
    async fn finish(self, core: &Core, end: &ReceivedEnd, request: &StartRequest) -> ReplacementResult {
        let Self { ended, started, handed_over, guard, answer } = self;
        let (of_end, of_start) = match answer.await {
            Ok(Appended::Replaced { end, start }) => (*end, *start),
            Ok(other) => (other.clone(), other),
            Err(error) => {
                ended.cancel(core);
                return Err(match refusal(core, &ended.identity, error) {
                    Refusal::Journal(error) => refusal(core, &started.identity, error),
                    refusal => refusal,
                });
            }
        };
        if !(ended.fits(&of_end) && started.fits(&of_start)) {
            drop(guard);
            ended.cancel(core);
            let are_duplicates =
                matches!((&of_end, &of_start), (Appended::DuplicateOp { .. }, Appended::DuplicateOp { .. }));
            if are_duplicates {
                attach_started(core, end, request).await?;
            }
            return Ok((duplicate_op(ended.identity, &of_end)?, duplicate_op(started.identity, &of_start)?));
        }
        ended.on_record(core, &of_end, handed_over);
        started.on_record(core, &of_start, handed_over);
        let mut set = core.lock_active();
        let ended = ended.register(core, &mut set, end, &of_end, guard);
        let started = started.register(core, &mut set, &of_start);
        drop(set);
        Ok((ended?, started?))
    }
}
