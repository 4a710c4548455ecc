//! More becomes known of an active session. A session that is not active does not begin.

use std::sync::Arc;

use lastword_events::Session;

use super::register::look_up;
use super::start::update as keep_newer;
use crate::active_set::SessionState;
use crate::core::Core;
use crate::request::{Accepted, Refusal};

/// None if this very session is not active any more: no session begins.
pub(crate) async fn update(core: Arc<Core>, session: Session) -> Result<Option<Accepted>, Refusal> {
    let mut found = session.clone();
    match look_up(&core, &mut found, true)? {
        SessionState::Active { session: active, candidates } if is_it(&active.session, &session) => {
            keep_newer(&core, active, candidates, session, None).await.map(Some)
        }
        // The drain ends the session.
        SessionState::Drained(drained) if is_it(&drained.session, &session) => Err(Refusal::Draining),
        _ => Ok(None),
    }
}

/// Whether this is the very session: another identity, or a later generation, is another session.
fn is_it(active: &Session, wanted: &Session) -> bool {
    let is_meant = wanted.generation == 0 || wanted.generation == active.generation;
    active.identity == wanted.identity && is_meant
}
