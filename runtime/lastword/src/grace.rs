//! Sessions that a dead run left, for as long as their owners may come back for them.
//!
//! A crash within that time must not take the rest of it from anyone, so nobody is told of such an end before it is on
//! record: the next start knows that whoever is still active was told of none.

use std::collections::HashSet;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::Poll;
use std::time::Duration;

use lastword_events::{EndReason, Event, Identity, Session, SessionEnd, Timestamp};
use lastword_journal::{JournalError, JournalOp, Pending};
use tokio::sync::watch;

use crate::active::Ending;
use crate::inner::Inner;
use crate::limits::RECORDS_AT_ONCE;
use crate::places::Place;
use crate::sync::timeout;

/// How long sessions whose end could not be written down wait for the next try.
const RETRY: Duration = Duration::from_secs(1);

/// An end that is being written down.
struct Crashed {
    sequence: u64,
    session: Arc<Session>,
    event: Arc<Event>,
}

impl Inner {
    /// Ends the sessions that nobody has come back for once `grace` is over, unless the runtime has gone before.
    pub(crate) fn begin_grace(self: &Arc<Self>, grace: Duration) {
        let (runtime, drained) = (Arc::downgrade(self), self.drained.subscribe());
        self.handle.spawn(end_unattached(runtime, drained, grace));
    }

    /// Hands over the ends of those among these sessions that nobody has come back for.
    fn hand_over_crashed(&self, left: &[(u64, Identity)]) -> (Vec<Crashed>, Pending<()>) {
        let (mut ends, mut writes) = (Vec::with_capacity(left.len()), Vec::with_capacity(left.len()));
        let ended_at = Timestamp::now();
        let mut set = self.set.lock();
        for &(sequence, ref identity) in left {
            let Some(active) = set.unattached_one(identity, sequence) else { continue };
            let session = active.session.clone();
            let event = SessionEnd::new(EndReason::Crashed, ended_at).since(session.started_at);
            let event = Arc::new(Event::End(event));
            active.ending = Some(Box::new(Ending::Appended { session: session.clone(), event: event.clone() }));
            let owed = self.owed_end(&session, active.started());
            let (told, received) = (session.clone(), None);
            writes.push(JournalOp::End { sequence, session: told, event: event.clone(), owed, received, op_id: None });
            ends.push(Crashed { sequence, session, event });
        }
        // With the set's lock: a drain finds them as they were, or what it makes comes after these.
        let recorded = if writes.is_empty() { Pending::ready(Ok(())) } else { self.journal.append_decided(writes) };
        (ends, recorded)
    }

    fn note_crashed(&self, ends: &[Crashed], recorded: Result<(), JournalError>) {
        if let Err(error) = recorded {
            tracing::error!(%error, "the ends of {} sessions of an earlier run could not be recorded", ends.len());
            let mut set = self.set.lock();
            return ends.iter().for_each(|end| set.goes_on(&end.session.identity, end.sequence));
        }
        for Crashed { sequence, session, event } in ends {
            self.note_end(*sequence, &session.identity, session, event, None);
        }
    }
}

/// The grace is over: whoever has not been started again belongs to an owner that is gone. While it waits, it keeps nothing
/// of the runtime.
async fn end_unattached(runtime: Weak<Inner>, mut drained: watch::Receiver<bool>, grace: Duration) {
    let mut wait = grace;
    // A drain takes those that are left along.
    while !is_over_within(wait, &mut drained).await {
        wait = RETRY;
        let Some(left) = runtime.upgrade().map(|inner| inner.set.lock().unattached()) else { return };
        if left.is_empty() {
            return;
        }
        tracing::info!("{} sessions of an earlier run were not started again and end as crashed", left.len());
        for group in left.chunks(RECORDS_AT_ONCE) {
            if end_group(&runtime, &mut drained, group).await.is_none() {
                return;
            }
        }
    }
}

/// Whether the runtime has drained, or is gone.
async fn is_over_within(time: Duration, drained: &mut watch::Receiver<bool>) -> bool {
    timeout(time, drained.wait_for(|over| *over)).await.is_ok()
}

/// None when the runtime lets nobody in any more: these are the business of its drain, or of the next start.
async fn end_group(runtime: &Weak<Inner>, drained: &mut watch::Receiver<bool>, left: &[(u64, Identity)]) -> Option<()> {
    let ticket = runtime.upgrade()?.in_flight.enter()?;
    let mut places = take_places(runtime, left).await?;
    let (ends, mut recorded) = runtime.upgrade().filter(|inner| inner.in_flight.is_open())?.hand_over_crashed(left);
    // A drain that begins now knows of these.
    drop(ticket);
    let recorded = loop {
        let flush = runtime.upgrade()?.journal.flush();
        match look(&mut recorded, flush).await {
            Look::Answered(answer) => break answer,
            Look::NotNow(error) => tracing::error!(%error, "the ends of {} sessions wait to be recorded", ends.len()),
        }
        // Whoever comes meanwhile is refused, as everybody is while the disk is full, and does not wait for it.
        drop(places);
        if is_over_within(RETRY, drained).await {
            return None;
        }
        places = take_places(runtime, left).await?;
    };
    runtime.upgrade()?.note_crashed(&ends, recorded);
    drop(places);
    Some(())
}

/// Whoever comes for one of these sessions now waits behind its end, and begins it anew.
async fn take_places(runtime: &Weak<Inner>, left: &[(u64, Identity)]) -> Option<Vec<Place>> {
    let places = runtime.upgrade()?.places.clone();
    // A place is an id's, and some of these may have the same in different scopes.
    let mut taken = HashSet::new();
    let ids = left.iter().map(|(_, identity)| identity.unscoped()).filter(|id| taken.insert(id.clone()));
    let mut places: Vec<_> = ids.map(|id| places.take(&id, None)).collect();
    for place in &mut places {
        place.comes().await;
    }
    Some(places)
}

enum Look {
    Answered(Result<(), JournalError>),
    /// It is kept, and written when it can be.
    NotNow(JournalError),
}

/// What a journal makes of a record: it answers when that is written, and a flush behind it also when that cannot be now.
async fn look(recorded: &mut Pending<()>, mut flush: Pending<()>) -> Look {
    poll_fn(|cx| {
        if let Poll::Ready(answer) = Pin::new(&mut *recorded).poll(cx) {
            return Poll::Ready(Look::Answered(answer));
        }
        Pin::new(&mut flush).poll(cx).map(|flushed| match flushed {
            Ok(()) => Look::Answered(Ok(())),
            Err(error) => Look::NotNow(error),
        })
    })
    .await
}
