//! Requests that were sent before, which are known by their `op_id`.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use lastword_events::{Hook, Identity};
use lastword_journal::{Appended, Durability, JournalError};

use crate::active_set::SessionState;
use crate::core::Core;
use crate::limits::max_entry_wait;
use crate::request::{Acceptance, Accepted, EndRequest, ReceivedEnd, Refusal, RequestResult};
use crate::sync::blocking;

/// The `op_id` of a request.
#[derive(Clone, Copy)]
pub(super) struct RequestName<'a> {
    pub(super) identity: &'a Identity,
    pub(super) kind: Hook,
    pub(super) op_id: Option<&'a str>,
}

impl<'a> RequestName<'a> {
    /// The session by which the journal finds the `op_id`. A session of a dead run that was found without its scope is known by its
    /// identity of that time.
    pub(super) fn of(self, state: &'a SessionState) -> Self {
        match state {
            SessionState::Active { session, .. } if session.is_unattached() => {
                Self { identity: &session.session.identity, ..self }
            }
            _ => self,
        }
    }

    /// Whether the request may have been taken for another session before, because it names no scope.
    pub(super) fn may_be_of_another(&self, state: &SessionState) -> bool {
        let SessionState::Active { session: active, .. } = state else { return false };
        self.op_id.is_some()
            && self.identity.scope.is_empty()
            && active.session.identity != *self.identity
            && !active.is_unattached()
    }

    /// The answer to a request that was sent before.
    pub(super) async fn known(&self, core: &Core) -> Option<Accepted> {
        let generation = known_op(core, self.identity, self.kind, self.op_id?).await?;
        Some(Accepted::new(self.identity.clone(), generation, Acceptance::DuplicateOp))
    }

    /// A request that is sent again is acknowledged, whether or not there would be room for another session.
    pub(super) async fn known_or(&self, core: &Core, refusal: Refusal) -> RequestResult {
        self.known(core).await.ok_or(refusal)
    }
}

/// Whether this end was told before, on record: by its `op_id`, or as the end of which this one would be a duplicate.
pub(crate) async fn knows_end(core: &Core, end: &ReceivedEnd) -> bool {
    if core.lock_active().recent_ends.has_duplicate(end) {
        return true;
    }
    let EndRequest { session, op_id, .. } = &end.request;
    let name = RequestName { identity: &session.identity, kind: Hook::SessionEnd, op_id: op_id.as_deref() };
    name.known(core).await.is_some()
}

/// Looks up an `op_id` in the journal. A file is read on a thread that may block, and the requests of one owner follow each other. So the
/// task that takes owners' requests, and begins the drain, waits for no disk. A drain waits for a read as long as for a commit: after that
/// the `op_id` counts as unknown.
async fn known_op(core: &Core, identity: &Identity, kind: Hook, op_id: &str) -> Option<u32> {
    if core.journal().durability() == Durability::Memory {
        return core.journal().known_op(identity, kind, op_id);
    }
    let read = async {
        let _turn = core.op_reads().lock().await;
        let (journal, identity, op_id) = (core.journal().clone(), identity.clone(), op_id.to_owned());
        blocking(core.handle(), move || journal.known_op(&identity, kind, &op_id)).await.flatten()
    };
    let mut phase = core.dispatcher().watch_phase();
    let too_long = async {
        phase.wait_for(|phase| phase.is_draining()).await.ok();
        core.time().sleep(max_entry_wait(core.budget())).await;
    };
    let (mut read, mut too_long) = (pin!(read), pin!(too_long));
    poll_fn(|cx| match read.as_mut().poll(cx) {
        Poll::Ready(known) => Poll::Ready(known),
        Poll::Pending => too_long.as_mut().poll(cx).map(|()| None),
    })
    .await
}

/// The answer to a request that the journal knows already.
pub(super) fn duplicate_op(identity: Identity, appended: &Appended) -> RequestResult {
    match appended {
        Appended::DuplicateOp { generation } => Ok(Accepted::new(identity, *generation, Acceptance::DuplicateOp)),
        other => Err(JournalError::Unavailable(format!("it answered {other:?} to something else")).into()),
    }
}
