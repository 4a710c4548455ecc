//! The end of an active session, as the session's owner has asked for it.
//!
//! It is apart from [`end`](mod@super::end), which registers it, because a drain takes some of these ends and is called where sessions are
//! registered.

use std::sync::Arc;

use lastword_events::{Event, Session};
use lastword_journal::JournalOp;

use super::merge::merge;
use crate::active_session::{ActiveSession, RequestedEnd};
use crate::core::Core;
use crate::reported_fields::ReportedFields;
use crate::request::{EndRequest, ReceivedEnd};
use crate::session_query::SessionQuery;

/// Merges an owner's end of an active session with what is known of the session. Gives the end with the operation that records it.
/// `dropped` gets the names of the fields that do not fit.
pub(crate) fn requested_end(
    core: &Core,
    active: &ActiveSession,
    end: &ReceivedEnd,
    dropped: &mut Vec<String>,
) -> (RequestedEnd, JournalOp) {
    let EndRequest { session, event, op_id, .. } = &end.request;
    let owed = core.dispatcher().installed().owed_end(&session.identity.tenant, active.started());
    let mut newer = session.clone();
    if SessionQuery::of(session, end.received_at).is_agent_identity(&active.session.identity) {
        newer.identity = active.session.identity.clone();
    }
    let session = merge_fitting(&active.session, newer, dropped);
    let reported = ReportedFields::by(&session, event).with_scope_of(&end.request.session.identity);
    let event = Arc::new(Event::End(event.clone().since(session.started_at)));
    let (sequence, op_id, received) = (active.sequence, op_id.clone(), Some(end.receipt(reported)));
    let (of_session, to) = (session.clone(), owed.plugins.clone());
    let op = JournalOp::End { sequence, session: of_session, event: event.clone(), owed: to, received, op_id };
    (RequestedEnd { session, event, reported, owed }, op)
}

/// An end is never refused: fields that do not fit together any more are dropped, and named in `dropped`.
fn merge_fitting(known: &Arc<Session>, newer: Session, dropped: &mut Vec<String>) -> Arc<Session> {
    let merged = merge(known, newer);
    if merged.validate().is_ok() {
        return merged;
    }
    let mut merged = Arc::unwrap_or_clone(merged);
    dropped.append(&mut merged.fit());
    Arc::new(merged)
}
