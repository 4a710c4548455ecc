//! What becomes of an owner's request.
//!
//! A request takes its place in its session's order when it is made, and is carried out whether or not anyone waits for
//! the answer. It is decided on what the set knows, written down, and only then takes effect: so a plugin never hears of
//! something that a crash could hide, and a request that cannot be written down changes nothing.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use lastword_events::{Event, EventKey, Hook, Identity, Session, SessionCompaction, Timestamp};
use lastword_journal::{Appended, Durability, JournalError, JournalOp};

use crate::active::{Active, Ending, Standing};
use crate::facts_said::FactsSaid;
use crate::in_flight::Ticket;
use crate::inner::Inner;
use crate::limits::MAX_ENTRY_WAIT;
use crate::places::Place;
use crate::quota::QuotaKind;
use crate::request::{Acceptance, Accepted, CompactionRequest, EndRequest, ReceivedEnd, Refusal, StartRequest};
use crate::reservation::{Leaving, Reservation};
use crate::sync::{JoinHandle, blocking, now, timeout};
use crate::whose::Said;

type Answer = Result<Accepted, Refusal>;

/// The answer to a request. The request is carried out even if this is dropped.
pub(crate) enum Request {
    Answered(Option<Answer>),
    Waiting(JoinHandle<Answer>),
}

impl Request {
    pub(crate) fn refused(refusal: Refusal) -> Self {
        Self::Answered(Some(Err(refusal)))
    }

    /// Takes the request's place in the order of its session and carries it out: at once if nothing has to be waited for,
    /// as a task of its own otherwise.
    pub(crate) fn begin<F>(inner: &Arc<Inner>, mut place: Place, ticket: Option<Ticket>, work: F) -> Self
    where
        F: Future<Output = Answer> + Send + 'static,
    {
        let mut work = Box::pin(async move {
            place.comes().await;
            let answer = work.await;
            drop(ticket);
            answer
        });
        match work.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(answer) => Self::Answered(Some(answer)),
            Poll::Pending => Self::Waiting(inner.handle.spawn(work)),
        }
    }
}

impl Future for Request {
    type Output = Answer;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Answer> {
        match &mut *self {
            Self::Answered(answer) => answer.take().map_or(Poll::Pending, Poll::Ready),
            // The task is gone only when the tokio runtime is shutting down.
            Self::Waiting(task) => Pin::new(task).poll(cx).map(|done| done.unwrap_or(Err(JournalError::Closed.into()))),
        }
    }
}

impl Inner {
    pub(crate) async fn start(self: Arc<Self>, request: StartRequest) -> Answer {
        let StartRequest { mut session, event, op_id } = request;
        let standing = self.standing(Said::at_start(&session))?;
        self.set.lock().set_apart(&mut session, &standing);
        if let Some(known) = self.told_before(&standing, &session.identity, Hook::SessionStart, op_id.as_deref()).await
        {
            return Ok(known);
        }
        match standing {
            Standing::Active(active, of) => self.update(active, of, session, op_id).await,
            // It has waited behind others of its id for longer than the drain did. A new generation would not wait for the end
            // of this one, which the drain delivers when it comes by it.
            Standing::Drained(_) => {
                self.known_or(Refusal::Draining, session.identity, Hook::SessionStart, op_id.as_deref()).await
            }
            Standing::Unknown => {
                let place = match self.place_for(&session.identity.tenant) {
                    Ok(place) => place,
                    Err(refusal) => {
                        return self.known_or(refusal, session.identity, Hook::SessionStart, op_id.as_deref()).await;
                    }
                };
                session.started_at.get_or_insert_with(Timestamp::now);
                let owed = self.dispatcher.owed_to(&session.identity.tenant, EventKey::Start);
                let identity = session.identity.clone();
                let event = Arc::new(Event::Start(event));
                let op = JournalOp::Start { session: Arc::new(session), event: event.clone(), owed, op_id };
                match self.journal.append(op).await? {
                    Appended::Session { sequence, session } => {
                        let generation = session.generation;
                        self.note(sequence, &session, EventKey::Start, &event, place);
                        Ok(accepted(identity, generation, Acceptance::Registered))
                    }
                    other => duplicate(identity, &other),
                }
            }
        }
    }

    /// What a request finds when it has its turn. It is refused while the session's end is with a disk that cannot take it.
    fn standing(&self, said: Said<'_>) -> Result<Standing, JournalError> {
        match self.set.lock().standing(said) {
            // Nobody else's request is under way, so this is the end of a grace.
            Standing::Active(active, _) if active.ending.is_some() => Err(JournalError::Unavailable(
                "the session's last end waits to be written; send it again later".to_owned(),
            )),
            standing => Ok(standing),
        }
    }

    /// A line without a scope that is sent again is the one that it was, whichever session it would be taken for now.
    async fn told_before(
        &self,
        standing: &Standing,
        identity: &Identity,
        kind: Hook,
        op_id: Option<&str>,
    ) -> Option<Accepted> {
        let Standing::Active(active, _) = standing else { return None };
        if !identity.scope.is_empty() || active.session.identity == *identity || active.is_unattached() {
            return None;
        }
        let generation = self.known_op(identity, kind, op_id?).await?;
        Some(accepted(identity.clone(), generation, Acceptance::DuplicateOp))
    }

    /// Whether a tenant may have one more session, and its place among them if they are counted.
    fn place_for(self: &Arc<Self>, tenant: &Arc<str>) -> Result<Option<Reservation>, Refusal> {
        let quota = self.quotas.of(tenant);
        if let Some(limit) = quota.owed_deliveries
            && self.dispatcher.owed_by(tenant) >= limit
        {
            return Err(Refusal::Quota { what: QuotaKind::OwedDeliveries, limit });
        }
        let Some(limit) = quota.active_sessions else { return Ok(None) };
        let place = Reservation::make(self, &mut self.set.lock(), tenant, limit);
        place.map(Some).ok_or(Refusal::Quota { what: QuotaKind::ActiveSessions, limit })
    }

    /// Asks the journal for an `op_id`. A file is read on a thread that may be held up by it, one line's after the other: the
    /// task that takes owners' lines, and begins the drain, waits for no disk. A drain waits for a read for as long as for a
    /// commit: then the `op_id` counts as unknown.
    async fn known_op(&self, identity: &Identity, kind: Hook, op_id: &str) -> Option<u32> {
        if self.journal.durability() == Durability::Memory {
            return self.journal.known_op(identity, kind, op_id);
        }
        let read = async {
            let _turn = self.op_reads.lock().await;
            let (journal, identity, op_id) = (self.journal.clone(), identity.clone(), op_id.to_owned());
            blocking(&self.handle, move || journal.known_op(&identity, kind, &op_id)).await.flatten()
        };
        let mut draining = self.draining.subscribe();
        let too_long = async {
            draining.wait_for(|begun| *begun).await.ok();
            timeout(MAX_ENTRY_WAIT, std::future::pending::<()>()).await.ok();
        };
        let (mut read, mut too_long) = (pin!(read), pin!(too_long));
        poll_fn(|cx| match read.as_mut().poll(cx) {
            Poll::Ready(known) => Poll::Ready(known),
            Poll::Pending => too_long.as_mut().poll(cx).map(|()| None),
        })
        .await
    }

    /// A line that is sent again is acknowledged, whether or not there would be room for another.
    async fn known_or(&self, refusal: Refusal, identity: Identity, kind: Hook, op_id: Option<&str>) -> Answer {
        let known = match op_id {
            Some(op_id) => self.known_op(&identity, kind, op_id).await,
            None => None,
        };
        match known {
            Some(generation) => Ok(accepted(identity, generation, Acceptance::DuplicateOp)),
            None => Err(refusal),
        }
    }

    /// Makes a session active, and owes its first event, once it is written down. A drain may have taken its snapshot
    /// meanwhile: then the session is ended right after that event.
    fn note(
        &self,
        sequence: u64,
        session: &Arc<Session>,
        first: EventKey,
        event: &Arc<Event>,
        place: Option<Reservation>,
    ) {
        let compactions = u32::from(first != EventKey::Start);
        let mut set = self.set.lock();
        let active = set.insert(sequence, session.clone(), compactions);
        if let Some(place) = place {
            place.used(&mut set);
        }
        self.dispatcher.owe(sequence, first, session, event);
        if !active {
            self.end_late(&mut set, sequence, session);
        }
    }

    async fn update(&self, active: Active, of: usize, newer: Session, op_id: Option<Arc<str>>) -> Answer {
        let known_as = active.session.identity.clone();
        let merged = merge(&active.session, newer);
        merged.validate()?;
        let (sequence, generation, identity) = (active.sequence, merged.generation, merged.identity.clone());
        let written = self.journal.append(JournalOp::Update { sequence, session: merged.clone(), op_id }).await;
        match written.map_err(|error| self.refusal(&known_as, error))? {
            Appended::Done => {
                self.set.lock().update_session(&known_as, sequence, merged, |_| ());
                let dropped = guessed(&identity, of);
                Ok(Accepted { dropped, ..accepted(identity, generation, Acceptance::Updated) })
            }
            other => {
                // The line of a run that is dead, sent again: its owner is there all the same, and goes on with the session.
                if self.set.lock().is_unattached(&known_as, sequence) {
                    let written =
                        self.journal.append(JournalOp::Update { sequence, session: active.session, op_id: None }).await;
                    written.map_err(|error| self.refusal(&known_as, error))?;
                    self.set.lock().update(&known_as, sequence, Active::attach);
                }
                duplicate(known_as, &other)
            }
        }
    }

    pub(crate) async fn end(self: Arc<Self>, end: Arc<ReceivedEnd>, mut dropped: Vec<String>) -> Answer {
        let EndRequest { session, op_id, .. } = &end.request;
        let taken_over = self.set.lock().taken_over_with(&end).cloned();
        let standing = match taken_over {
            Some(drained) => Standing::Drained(drained),
            None => self.standing(Said::of_end(&end))?,
        };
        if let Some(known) = self.told_before(&standing, &session.identity, Hook::SessionEnd, op_id.as_deref()).await {
            return Ok(known);
        }
        let answer = match standing {
            Standing::Active(active, of) => {
                dropped.append(&mut guessed_for(&active, of));
                self.end_active(&active, &end, &mut dropped).await?
            }
            Standing::Drained(active) => self.end_drained(&active, &end, &mut dropped).await?,
            Standing::Unknown => self.end_without_start(&end).await?,
        };
        Ok(Accepted { dropped, ..answer })
    }

    async fn end_active(
        self: &Arc<Self>,
        active: &Active,
        end: &Arc<ReceivedEnd>,
        dropped: &mut Vec<String>,
    ) -> Answer {
        let (identity, sequence) = (&active.session.identity, active.sequence);
        let is_counted = self.quotas.of(&identity.tenant).active_sessions.is_some();
        let leaving = is_counted.then(|| Leaving::begin(self, &identity.tenant));
        let OwnEnd { session, event, said, op } = self.own_end(active, end, dropped);
        let ending = Ending::Appended { session: session.clone(), event: event.clone() };
        let appended = {
            let mut set = self.set.lock();
            // Under one lock: a drain finds the session before this, or the end in the journal's queue before what it makes.
            let is_active = set.update(identity, sequence, |active| active.ending = Some(Box::new(ending)));
            is_active.then(|| self.journal.append(op))
        };
        let Some(written) = appended else {
            let drained = self.set.lock().drained_as(identity).cloned();
            return match drained {
                Some(active) => self.end_drained(&active, end, dropped).await,
                // Only a drain ends a session whose requests have their turn one after the other.
                None => Ok(accepted(identity.clone(), session.generation, Acceptance::DuplicateEnd)),
            };
        };
        match written.await {
            Ok(Appended::Done) => {
                let noted = self.note_end(sequence, identity, &session, &event, leaving);
                if noted.how == Acceptance::Registered {
                    self.set.lock().recent_ends.add(sequence, &session, end, said);
                }
                Ok(noted)
            }
            Ok(other) => {
                self.set.lock().goes_on(identity, sequence);
                duplicate(identity.clone(), &other)
            }
            Err(error) => {
                self.set.lock().goes_on(identity, sequence);
                let generation = self.ended_by_drain(identity, &error).ok_or(error)?;
                Ok(accepted(identity.clone(), generation, Acceptance::DuplicateEnd))
            }
        }
    }

    /// A drain has taken the session over: with this end, if it was the first to be asked for, and with its own otherwise.
    async fn end_drained(&self, active: &Active, end: &Arc<ReceivedEnd>, dropped: &mut Vec<String>) -> Answer {
        let (identity, generation) = (active.session.identity.clone(), active.session.generation);
        if !active.was_taken_over_with(end) {
            return Ok(accepted(identity, generation, Acceptance::DuplicateEnd));
        }
        self.own_end(active, end, dropped);
        // The drain has handed it over to the journal.
        self.journal.flush().await?;
        Ok(accepted(identity, generation, Acceptance::Registered))
    }

    async fn end_without_start(&self, end: &ReceivedEnd) -> Answer {
        let EndRequest { session, event, op_id } = &end.request;
        let repeated = self.set.lock().recent_ends.repeated(end);
        if let Some(repetition) = repeated {
            return Ok(self.repeated_ends.note(repetition));
        }
        let mut session = session.clone();
        self.set.lock().set_apart(&mut session, &Standing::Unknown);
        let identity = session.identity.clone();
        let owed = self.owed_end(&session, &[]);
        let said = FactsSaid::by(&session, event).told_of(&end.request.session.identity);
        let event = Arc::new(Event::End(event.clone().since(session.started_at)));
        let op = JournalOp::EndWithoutStart {
            session: Arc::new(session),
            event: event.clone(),
            owed,
            received: end.receipt(said),
            op_id: op_id.clone(),
        };
        match self.journal.append(op).await? {
            Appended::Session { sequence, session } => {
                let mut set = self.set.lock();
                set.recent_ends.add(sequence, &session, end, said);
                self.dispatcher.owe(sequence, EventKey::End, &session, &event);
                Ok(accepted(identity, session.generation, Acceptance::Implied))
            }
            other => duplicate(identity, &other),
        }
    }

    /// What the end of an active session comes to when its owner asks for it. `dropped` is told what does not fit.
    pub(crate) fn own_end(&self, active: &Active, end: &ReceivedEnd, dropped: &mut Vec<String>) -> OwnEnd {
        let EndRequest { session, event, op_id } = &end.request;
        let owed = self.owed_end(session, active.started());
        let mut newer = session.clone();
        if let Some(apart) = Said::of(session).apart().filter(|apart| *apart == active.session.identity) {
            newer.identity = apart;
        }
        let session = merge_fitting(&active.session, newer, dropped);
        let said = FactsSaid::by(&session, event).told_of(&end.request.session.identity);
        let event = Arc::new(Event::End(event.clone().since(session.started_at)));
        let (sequence, op_id, received) = (active.sequence, op_id.clone(), Some(end.receipt(said)));
        let op = JournalOp::End { sequence, session: session.clone(), event: event.clone(), owed, received, op_id };
        OwnEnd { session, event, said, op }
    }

    /// Takes a session out of the set and owes its end, unless a drain was faster: then the end is the drain's, under the
    /// same delivery id. `identity` is what the set knows it as.
    pub(crate) fn note_end(
        &self,
        sequence: u64,
        identity: &Identity,
        session: &Arc<Session>,
        event: &Arc<Event>,
        leaving: Option<Leaving>,
    ) -> Accepted {
        let mut set = self.set.lock();
        if let Some(leaving) = leaving {
            leaving.left(&mut set);
        }
        let ended = set.remove(identity, sequence);
        if let Some(active) = &ended {
            self.dispatcher.owe_end(sequence, session, event, active.attempt_of_end());
        }
        // A drain that took it over meanwhile has delivered this end.
        let is_this = ended.is_some() || set.was_ending(identity, sequence);
        let how = if is_this { Acceptance::Registered } else { Acceptance::DuplicateEnd };
        accepted(session.identity.clone(), session.generation, how)
    }

    pub(crate) async fn compaction(self: Arc<Self>, request: CompactionRequest) -> Answer {
        let CompactionRequest { mut session, event, op_id } = request;
        let standing = self.standing(Said::of(&session))?;
        self.set.lock().set_apart(&mut session, &standing);
        if let Some(known) =
            self.told_before(&standing, &session.identity, Hook::SessionCompaction, op_id.as_deref()).await
        {
            return Ok(known);
        }
        let (active, of) = match standing {
            Standing::Active(active, of) => (active, of),
            // As a start.
            Standing::Drained(_) => {
                return self
                    .known_or(Refusal::Draining, session.identity, Hook::SessionCompaction, op_id.as_deref())
                    .await;
            }
            Standing::Unknown => return self.compaction_without_start(session, event, op_id).await,
        };
        let (known_as, dropped) = (active.session.identity.clone(), guessed_for(&active, of));
        let (sequence, n) = (active.sequence, active.compactions + 1);
        let event = Event::Compaction(event);
        let (key, event) = (event.key(n), Arc::new(event));
        let owed = self.dispatcher.owed_to(&known_as.tenant, key);
        let session = followed(&active.session, &session);
        let (identity, generation) = (session.identity.clone(), session.generation);
        let op = JournalOp::Compaction { sequence, n, session: session.clone(), event: event.clone(), owed, op_id };
        match self.journal.append(op).await.map_err(|error| self.refusal(&known_as, error))? {
            Appended::Done => {
                let mut set = self.set.lock();
                if set.update_session(&known_as, sequence, session.clone(), |active| active.compactions = n) {
                    self.dispatcher.owe(sequence, key, &session, &event);
                } else {
                    // A drain has taken the session meanwhile, and its end may be out already.
                    self.dispatcher.owe_late(sequence, key, &session, &event);
                }
                Ok(Accepted { dropped, ..accepted(identity, generation, Acceptance::Registered) })
            }
            other => duplicate(known_as, &other),
        }
    }

    /// Something was heard of a session that is passed over: if it has ended, it lives all the same.
    pub(crate) fn note_alive(&self, identity: &Identity) {
        let mut set = self.set.lock();
        if set.has_active(identity) {
            return;
        }
        let alive = set.recent_ends.alive(identity, now());
        if !alive.is_empty() {
            // Nobody waits for it: without a record of it a crash leaves an end that may be told again, for some seconds.
            drop(
                self.journal.append_decided(alive.into_iter().map(|sequence| JournalOp::Alive { sequence }).collect()),
            );
        }
    }

    /// A drain ends sessions of a dead run that nobody has come for, and records it at once: whoever comes just then finds
    /// a session active that the journal has ended when it is asked. Gives its generation.
    pub(crate) fn ended_by_drain(&self, identity: &Identity, error: &JournalError) -> Option<u32> {
        match error {
            JournalError::UnknownSession(_) => {
                self.set.lock().drained_as(identity).map(|active| active.session.generation)
            }
            _ => None,
        }
    }

    fn refusal(&self, identity: &Identity, error: JournalError) -> Refusal {
        if self.ended_by_drain(identity, &error).is_some() { Refusal::Draining } else { error.into() }
    }

    /// A session that is being compacted is alive, whether or not its owner has told us of its start.
    async fn compaction_without_start(
        self: Arc<Self>,
        session: Session,
        event: SessionCompaction,
        op_id: Option<Arc<str>>,
    ) -> Answer {
        let identity = session.identity.clone();
        let place = match self.place_for(&identity.tenant) {
            Ok(place) => place,
            Err(refusal) => return self.known_or(refusal, identity, Hook::SessionCompaction, op_id.as_deref()).await,
        };
        let event = Event::Compaction(event);
        let (key, event) = (event.key(1), Arc::new(event));
        let owed = self.dispatcher.owed_to(&identity.tenant, key);
        let op = JournalOp::CompactionWithoutStart { session: Arc::new(session), event: event.clone(), owed, op_id };
        match self.journal.append(op).await? {
            Appended::Session { sequence, session } => {
                self.note(sequence, &session, key, &event, place);
                Ok(accepted(identity, session.generation, Acceptance::Implied))
            }
            other => duplicate(identity, &other),
        }
    }
}

/// The end of an active session, as its owner has asked for it.
pub(crate) struct OwnEnd {
    /// All that is known of it, what the end says included.
    pub(crate) session: Arc<Session>,
    pub(crate) event: Arc<Event>,
    said: FactsSaid,
    pub(crate) op: JournalOp,
}

/// What is known of a session and what is newly said of it.
fn merge(known: &Arc<Session>, newer: Session) -> Arc<Session> {
    let mut merged = Session::clone(known);
    merged.merge(newer);
    if merged == **known { known.clone() } else { Arc::new(merged) }
}

/// A session of which only the scope that an event says is new.
fn followed(known: &Arc<Session>, said: &Session) -> Arc<Session> {
    if said.identity.scope.is_empty() || said.identity == known.identity {
        return known.clone();
    }
    let mut session = Session::of(said.identity.clone());
    session.key.clone_from(&said.key);
    merge(known, session)
}

/// The same for an end, which is never refused: what no longer fits together is left out, and named in `dropped`.
fn merge_fitting(known: &Arc<Session>, newer: Session, dropped: &mut Vec<String>) -> Arc<Session> {
    let merged = merge(known, newer);
    if merged.validate().is_ok() {
        return merged;
    }
    let mut merged = Arc::unwrap_or_clone(merged);
    dropped.append(&mut merged.fit());
    Arc::new(merged)
}

/// Which of some sessions was taken, for an event that does not say it.
fn guessed(identity: &Identity, of: usize) -> Vec<String> {
    if of < 2 {
        return Vec::new();
    }
    let scope = if identity.scope.is_empty() { "without one".to_owned() } else { format!("{:?}", identity.scope) };
    vec![format!("session.key: it is missing, and {of} sessions of this id are active; taken for the newest, {scope}")]
}

fn guessed_for(active: &Active, of: usize) -> Vec<String> {
    guessed(&active.session.identity, of)
}

pub(crate) fn accepted(identity: Identity, generation: u32, how: Acceptance) -> Accepted {
    Accepted { identity, generation, how, dropped: Vec::new() }
}

/// The answer to a request that the journal knows already.
fn duplicate(identity: Identity, written: &Appended) -> Answer {
    match written {
        Appended::DuplicateOp { generation } => Ok(accepted(identity, *generation, Acceptance::DuplicateOp)),
        other => Err(JournalError::Unavailable(format!("it answered {other:?} to something else")).into()),
    }
}
