//! The end of an active session as its owner has asked for it.

use std::sync::Arc;

use lastword_events::{Event, Session};
use lastword_journal::JournalOp;

use super::merge::merge_fitting;
use crate::active_session::Active;
use crate::core::Core;
use crate::reported_fields::ReportedFields;
use crate::request::{EndRequest, ReceivedEnd};
use crate::session_query::SessionQuery;

/// An owner's end of an active session, merged with what is known, and the operation that records it.
pub(crate) struct RequestedEnd {
    /// All that is known of the session, what the end says included.
    pub(crate) session: Arc<Session>,
    pub(crate) event: Arc<Event>,
    pub(crate) reported: ReportedFields,
    pub(crate) op: JournalOp,
}

/// Merges an owner's end of an active session with what is known of the session. `dropped` gets the names of what does not fit.
pub(crate) fn requested_end(
    core: &Core,
    active: &Active,
    end: &ReceivedEnd,
    dropped: &mut Vec<String>,
) -> RequestedEnd {
    let EndRequest { session, event, op_id } = &end.request;
    let owed = core.dispatcher().installed().owed_end(&session.identity.tenant, active.started());
    let mut newer = session.clone();
    if let Some(apart) = SessionQuery::of(session).apart().filter(|apart| *apart == active.session.identity) {
        newer.identity = apart;
    }
    let session = merge_fitting(&active.session, newer, dropped);
    let reported = ReportedFields::by(&session, event).with_scope_of(&end.request.session.identity);
    let event = Arc::new(Event::End(event.clone().since(session.started_at)));
    let (sequence, op_id, received) = (active.sequence, op_id.clone(), Some(end.receipt(reported)));
    let op = JournalOp::End { sequence, session: session.clone(), event: event.clone(), owed, received, op_id };
    RequestedEnd { session, event, reported, op }
}
