//! Hands an event to the runtime, and notes its owner and its connection.

use std::sync::Arc;

use lastword::events::{Event, Identity};
use lastword_protocol::input::OwnerEvent;
use lastword_protocol::owners::turn_open_after;

use super::answering::Answering;
use crate::limits::MAX_OWNER_KIND_BYTES;
use crate::owners::OwnerId;
use crate::raw::ConnectionId;
use crate::shared::Shared;

/// The source of an event.
#[derive(Clone, Debug, Default)]
pub(crate) struct Source {
    /// The owner that the event names.
    pub(crate) owner: Option<OwnerId>,
    /// The raw connection of the event, which is told of outcomes.
    pub(crate) connection: Option<ConnectionId>,
}

/// Hands an event to the runtime, where it takes its place in its session's order now, and notes the session's owner.
/// The future is the answer. The answer is noted even when nobody waits for it.
pub(crate) fn take_in(shared: &Arc<Shared>, from: &Source, mut event: OwnerEvent) -> Answering {
    shared.takes_one();
    let said = event.session.identity.clone();
    let noted = Noted::of(shared, from, &mut event);
    if let Some(connection) = from.connection {
        shared.observer.recipients().speaks_of(connection, &said);
    }
    let shared = shared.clone();
    let answer = shared.runtimes.ask(event);
    Answering::new(async move {
        let answered = answer.await;
        let accepted = answered.result.as_ref().ok();
        match accepted {
            Some(accepted) => shared.observer.accepted(answered.op, accepted),
            None if shared.runtimes.session(&said).is_none() => shared.observer.recipients().is_not_active(&said),
            None => {}
        }
        noted.answered(&shared, &said, accepted.map(|accepted| &accepted.identity));
        answered
    })
}

/// The note that was made before the runtime was asked.
enum Noted {
    /// A start of an invalid session, which the runtime refuses.
    Nothing,
    /// A start or a compaction.
    Start,
    /// An end of the session with this known identity.
    End(Identity),
}

impl Noted {
    fn of(shared: &Shared, from: &Source, event: &mut OwnerEvent) -> Self {
        let session = &mut event.session;
        if matches!(event.event, Event::End(_)) {
            return Self::End(shared.owners.end_begins(&shared.runtimes, &session.identity));
        }
        if session.identity.validate().is_err() {
            return Self::Nothing;
        }
        session.owner = from.owner.and_then(|owner| shared.owners.record(owner)).map(Box::new);
        let kind: Arc<str> = session.owner_kind.as_deref().filter(|kind| is_kind(kind)).unwrap_or_default().into();
        shared.owners.start_begins(&session.identity, from.owner, &kind);
        Self::Start
    }

    fn answered(&self, shared: &Shared, said: &Identity, made: Option<&Identity>) {
        match self {
            Self::Nothing => {}
            Self::Start => shared.owners.start_answered(&shared.runtimes, said, made),
            Self::End(known_as) => shared.owners.end_answered(&shared.runtimes, known_as, made),
        }
    }
}

/// Whether owners can be counted under this kind: it is short, and has no control characters.
pub(crate) fn is_kind(kind: &str) -> bool {
    !kind.is_empty() && kind.len() <= MAX_OWNER_KIND_BYTES && !kind.chars().any(char::is_control)
}

/// Notes an event that does not start, compact or end a session: the session lives, and its agent may be at work. If
/// the event names another owner than before, that is written down, so that the next run knows it.
pub(crate) fn take_in_other(shared: &Arc<Shared>, from: &Source, name: &str, session: Option<&Identity>) {
    shared.takes_one();
    let Some(identity) = session else { return };
    shared.runtimes.seen(identity);
    let noted = shared.owners.hear_of_turn(&shared.runtimes, identity, from.owner, turn_open_after(name));
    let Some(noted) = noted else { return };
    // Carried out whether or not a client waits.
    tokio::spawn(async move {
        if let Err(refusal) = noted.await {
            tracing::warn!(%refusal, "who owns a session now could not be written down");
        }
    });
}
