//! An event on its way to the runtime: whose it is, and who is told of it.

use std::sync::Arc;

use lastword::events::{Event, Identity};
use lastword_protocol::input::OwnerEvent;
use lastword_protocol::owners::turn_open_after;

use super::answered::ask;
use super::answering::Answering;
use crate::limits::MAX_OWNER_KIND_BYTES;
use crate::owners::OwnerId;
use crate::raw::ConnectionId;
use crate::shared::Shared;

/// Where an event comes from.
#[derive(Clone, Debug, Default)]
pub(crate) struct Source {
    /// The owner that it names.
    pub(crate) owner: Option<OwnerId>,
    /// The raw connection that it came on, which is told of outcomes.
    pub(crate) connection: Option<ConnectionId>,
}

/// Hands an event to the runtime, where it takes its turn now, and notes whose session it is. The future is its answer. What the answer
/// says is noted also when nobody waits for it.
pub(crate) fn take_in(shared: &Arc<Shared>, from: &Source, mut event: OwnerEvent) -> Answering {
    shared.takes_one();
    let said = event.session.identity.clone();
    let noted = Noted::of(shared, from, &mut event);
    if let Some(connection) = from.connection {
        shared.observer.recipients().speaks_of(connection, &said);
    }
    let shared = shared.clone();
    let answer = ask(&shared.runtime, event);
    Answering::new(async move {
        let answered = answer.await;
        let accepted = answered.result.as_ref().ok();
        match accepted {
            Some(accepted) => shared.observer.accepted(answered.op, accepted),
            None if shared.runtime.session(&said).is_none() => shared.observer.recipients().is_not_active(&said),
            None => {}
        }
        noted.answered(&shared, &said, accepted.map(|accepted| &accepted.identity));
        answered
    })
}

/// What was noted of an event before the runtime was asked.
enum Noted {
    /// It is a start of what cannot be a session, and is refused.
    Nothing,
    /// A start or a compaction.
    Start,
    /// An end of the session that is known as this.
    End(Identity),
}

impl Noted {
    fn of(shared: &Shared, from: &Source, event: &mut OwnerEvent) -> Self {
        let session = &mut event.session;
        if matches!(event.event, Event::End(_)) {
            return Self::End(shared.owners.end_begins(&shared.runtime, &session.identity));
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
            Self::Start => shared.owners.start_answered(&shared.runtime, said, made),
            Self::End(known_as) => shared.owners.end_answered(&shared.runtime, known_as, made),
        }
    }
}

/// Whether owners may be counted under this kind: it is short, and has no control characters. A session may say more of itself.
pub(crate) fn is_kind(kind: &str) -> bool {
    !kind.is_empty() && kind.len() <= MAX_OWNER_KIND_BYTES && !kind.chars().any(char::is_control)
}

/// An event that is not about the life of a session: it lives, and its agent may be at work. When it tells of another owner than before,
/// that is written down, so that the next run knows it as well.
pub(crate) fn take_in_other(shared: &Arc<Shared>, from: &Source, name: &str, session: Option<&Identity>) {
    shared.takes_one();
    let Some(identity) = session else { return };
    shared.runtime.seen(identity);
    let noted = shared.owners.hear_of_turn(&shared.runtime, identity, from.owner, turn_open_after(name));
    let Some(noted) = noted else { return };
    // It is carried out, whether or not anybody waits.
    tokio::spawn(async move {
        if let Err(refusal) = noted.await {
            tracing::warn!(%refusal, "who owns a session now could not be written down");
        }
    });
}
