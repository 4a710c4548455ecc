//! Sessions that a dead run left, for as long as their owners may come back for them.
//!
//! Within that time a crash must not shorten it for anyone. So nobody is told of such an end before the end is on record: the next start
//! then knows that nobody was told of a session that is still active.

use std::collections::HashSet;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::Poll;
use std::time::{Duration, Instant};

use lastword_events::{EndReason, Event, Identity, SessionEnd};
use lastword_journal::{JournalError, JournalOp, Pending};
use tokio::sync::watch;

use crate::active_session::{Ending, RequestedEnd};
use crate::core::Core;
use crate::intake::{KnownAs, cancel_end, register_end};
use crate::limits::RECORDS_AT_ONCE;
use crate::phase::Phase;
use crate::reported_fields::ReportedFields;
use crate::session_order::Turn;
use crate::time::Time;

/// How long sessions whose end could not be written down wait for the next try.
const RETRY: Duration = Duration::from_secs(1);

/// An end that is being written down.
struct Crashed {
    sequence: u64,
    end: Arc<RequestedEnd>,
}

/// Ends the sessions that nobody has come back for once `grace` is over, unless the runtime has gone before.
pub(crate) fn begin_grace(core: &Arc<Core>, grace: Duration) {
    let end = EndOfRun { phase: core.dispatcher().watch_phase(), time: core.time().clone() };
    // The grace counts from now on, and not from when the task has its first turn.
    let until = end.time.after(grace);
    core.handle().spawn(end_unattached(Arc::downgrade(core), end, until));
}

/// Hands the journal the ends of those sessions that nobody has come back for.
fn hand_over_crashed(core: &Core, unattached: &[(u64, Identity)]) -> (Vec<Crashed>, Pending<()>) {
    let (mut ends, mut ops) = (Vec::with_capacity(unattached.len()), Vec::with_capacity(unattached.len()));
    let ended_at = core.time().timestamp();
    let mut set = core.lock_active();
    let installed = core.dispatcher().installed();
    for &(sequence, ref identity) in unattached {
        let Some(active) = set.unattached_one(identity, sequence) else { continue };
        let session = active.session.clone();
        let event = SessionEnd::new(EndReason::Crashed, ended_at).since(session.started_at);
        let event = Arc::new(Event::End(event));
        let owed = installed.owed_end(&session.identity.tenant, active.started());
        let (ended, event_of_all, to) = (session.clone(), event.clone(), owed.plugins.clone());
        let (received, op_id) = (None, None);
        ops.push(JournalOp::End { sequence, session: ended, event: event_of_all, owed: to, received, op_id });
        let end = Arc::new(RequestedEnd { session, event, reported: ReportedFields::default(), owed });
        active.ending = Some(Box::new(Ending::Submitted(end.clone())));
        ends.push(Crashed { sequence, end });
    }
    // The set stays locked: a drain finds the sessions as they were, or writes after these ends.
    let recorded = if ops.is_empty() { Pending::ready(Ok(())) } else { core.journal().append_decided(ops) };
    (ends, recorded)
}

fn register_crashed(core: &Core, ends: &[Crashed], recorded: Result<(), JournalError>) {
    if let Err(error) = recorded {
        tracing::error!(%error, "the ends of {} sessions of an earlier run could not be recorded", ends.len());
        let mut set = core.lock_active();
        let cancel = |Crashed { sequence, end }: &Crashed| {
            cancel_end(core, &mut set, KnownAs { identity: &end.session.identity, sequence: *sequence }, end);
        };
        return ends.iter().for_each(cancel);
    }
    for Crashed { sequence, end } in ends {
        let known_as = KnownAs { identity: &end.session.identity, sequence: *sequence };
        register_end(core, &mut core.lock_active(), known_as, end, None);
    }
}

/// Waits until the grace is over, and then ends the sessions that were not started again: their owners are gone. While it waits, it does
/// not keep the runtime alive.
async fn end_unattached(runtime: Weak<Core>, mut end: EndOfRun, mut until: Option<Instant>) {
    // A drain takes the sessions that are left.
    while !end.comes_by(until).await {
        until = end.time.after(RETRY);
        let Some(unattached) = runtime.upgrade().map(|core| core.lock_active().unattached()) else { return };
        if unattached.is_empty() {
            return;
        }
        tracing::info!("{} sessions of an earlier run were not started again and end as crashed", unattached.len());
        for group in unattached.chunks(RECORDS_AT_ONCE) {
            if end_group(&runtime, &mut end, group).await.is_none() {
                return;
            }
        }
    }
}

/// A wait that does not keep the runtime alive.
struct EndOfRun {
    phase: watch::Receiver<Phase>,
    time: Time,
}

impl EndOfRun {
    /// Waits until the runtime has drained or is gone, at most until `until`. Says whether it has, or is.
    async fn comes_by(&mut self, until: Option<Instant>) -> bool {
        let is_over = self.phase.wait_for(|phase| phase.is_over());
        match until {
            Some(until) => self.time.timeout_at(until, is_over).await.is_some(),
            None => is_over.await.is_ok(),
        }
    }
}

/// Ends one group of sessions. None if the runtime lets nobody in any more: then its drain, or the next start, ends the sessions.
async fn end_group(runtime: &Weak<Core>, end: &mut EndOfRun, unattached: &[(u64, Identity)]) -> Option<()> {
    let ticket = runtime.upgrade()?.in_flight().enter()?;
    let mut turns = join_order(runtime, unattached).await?;
    let core = runtime.upgrade().filter(|core| core.in_flight().is_open())?;
    let (ends, mut recorded) = hand_over_crashed(&core, unattached);
    drop(core);
    // A drain that begins now knows of these ends.
    drop(ticket);
    let recorded = loop {
        let flush = runtime.upgrade()?.journal().flush();
        match state_of_record(&mut recorded, flush).await {
            RecordState::Answered(answer) => break answer,
            RecordState::Postponed(error) => {
                tracing::error!(%error, "the ends of {} sessions wait to be recorded", ends.len());
            }
        }
        // A request for one of these sessions does not wait for the disk meanwhile. It is refused, as all requests are while the disk is
        // full.
        drop(turns);
        if end.comes_by(end.time.after(RETRY)).await {
            return None;
        }
        turns = join_order(runtime, unattached).await?;
    };
    register_crashed(&*runtime.upgrade()?, &ends, recorded);
    drop(turns);
    Some(())
}

/// Joins the order of these sessions. A request for one of them now waits behind its end, and begins the session anew.
async fn join_order(runtime: &Weak<Core>, unattached: &[(u64, Identity)]) -> Option<Vec<Turn>> {
    let order = runtime.upgrade()?.order().clone();
    // A turn is that of an id. Several sessions may have the same id in different scopes.
    let mut joined = HashSet::new();
    let ids =
        unattached.iter().map(|(_, identity)| identity.unscoped().into_owned()).filter(|id| joined.insert(id.clone()));
    let mut turns = order.join_all(ids);
    for turn in &mut turns {
        turn.comes().await;
    }
    Some(turns)
}

enum RecordState {
    Answered(Result<(), JournalError>),
    /// The journal keeps the record, and writes it when it can.
    Postponed(JournalError),
}

/// Waits until a journal has written a record. A flush behind the record answers also if the journal cannot write now.
async fn state_of_record(recorded: &mut Pending<()>, mut flush: Pending<()>) -> RecordState {
    poll_fn(|cx| {
        if let Poll::Ready(answer) = Pin::new(&mut *recorded).poll(cx) {
            return Poll::Ready(RecordState::Answered(answer));
        }
        Pin::new(&mut flush).poll(cx).map(|flushed| match flushed {
            Ok(()) => RecordState::Answered(Ok(())),
            Err(error) => RecordState::Postponed(error),
        })
    })
    .await
}
