//! What a runtime writes of a session with one plugin.

use std::sync::Arc;

use bytes::Bytes;
use lastword::Settlement;
use lastword::events::{EndReason, Event, EventKey, PluginName, Session, SessionEnd, SessionStart, Timestamp};
use lastword_jetstream::record::Record;
use lastword_journal::{Completion, DeliveryKey, JournalOp, Receipt};

use crate::end::session;

/// The plugin that is owed each end.
///
/// # Errors
/// When that is no name for one.
pub(super) fn plugin() -> anyhow::Result<PluginName> {
    Ok(PluginName::new("good")?)
}

/// The start of the session with this number among all that are measured.
pub(super) fn start(n: u32) -> JournalOp {
    let event = Arc::new(Event::Start(SessionStart::default()));
    JournalOp::Start { session: Arc::new(session(n)), event, owed: vec![], op_id: None }
}

/// Its end. `sequence` is the number that the journal gave it.
pub(super) fn end(sequence: u64, session: Arc<Session>, plugin: &PluginName) -> JournalOp {
    let now = Timestamp::now();
    let event = Arc::new(Event::End(SessionEnd::new(EndReason::Reset, now)));
    let received = Some(Receipt { at: now, said: 0 });
    JournalOp::End { sequence, session, event, owed: vec![plugin.clone()], received, op_id: None }
}

/// What came of its end.
pub(super) fn delivered(sequence: u64, plugin: &PluginName) -> Completion {
    let delivery = DeliveryKey { sequence, event: EventKey::End, plugin: plugin.clone() };
    Completion { delivery, attempt: 1, settlement: Settlement::Delivered, changes: None }
}

/// A record as it is in a group.
///
/// # Errors
/// When it has no JSON, which none of these is.
pub(super) fn encoded(record: &Record) -> anyhow::Result<Bytes> {
    Ok(record.encode()?.into())
}
