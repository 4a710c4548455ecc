//! A sample event, like those of an ordinary session.

use std::sync::Arc;

use lastword_events::{
    CompactionPhase, Delivery, DeliveryId, EndReason, Event, Hook, HookCall, JournalName, PluginName, Session,
    SessionCompaction, SessionEnd, SessionStart, Timestamp, Transcript,
};

/// 2026-11-21T07:00:00.000Z. The whole sample is fixed, so that the same plugin always uses the same fuel.
const STARTED_AT_MS: i64 = 1_795_244_400_000;
/// Twelve and a half minutes.
const DURATION_MS: u32 = 750_000;

/// Makes an ordinary call. `remaining_ms` is the plugin's deadline.
pub(crate) fn call(hook: Hook, plugin: &PluginName, remaining_ms: u32) -> HookCall {
    let event = event(hook);
    let delivery = delivery(&event, plugin, remaining_ms);
    HookCall { session: Arc::new(session()), delivery, event: Arc::new(event) }
}

pub(crate) fn delivery(event: &Event, plugin: &PluginName, remaining_ms: u32) -> Delivery {
    let id = DeliveryId {
        journal: JournalName::from_random([0; JournalName::LEN]),
        sequence: 1,
        event: event.key(1),
        plugin: plugin.clone(),
    };
    Delivery { id, attempt: 1, remaining_ms, late: false }
}

pub(crate) fn session() -> Session {
    let mut session = Session::new("default", "sample-session");
    session.generation = 1;
    session.key = Some("agent:main:sample".to_owned());
    session.agent_id = Some("main".to_owned());
    session.owner_kind = Some("openclaw".to_owned());
    session.cwd = Some("/home/user/project".to_owned());
    let uri = "/home/user/project/sample-session.jsonl".to_owned();
    session.transcript = Some(Transcript { uri, archived: false });
    session.started_at = Some(Timestamp::from_millisecond(STARTED_AT_MS));
    session
}

pub(crate) fn event(hook: Hook) -> Event {
    match hook {
        Hook::SessionStart => {
            Event::Start(SessionStart { source: Some("startup".to_owned()), ..SessionStart::default() })
        }
        Hook::SessionEnd => {
            let ended_at = Timestamp::from_millisecond(STARTED_AT_MS + i64::from(DURATION_MS));
            let mut end = SessionEnd::new(EndReason::Reset, ended_at);
            end.raw_reason = Some("reset".to_owned());
            end.duration_ms = Some(DURATION_MS);
            end.message_count = Some(12);
            end.next_session_id = Some("next-session".to_owned());
            Event::End(end)
        }
        Hook::SessionCompaction => {
            let mut compaction = SessionCompaction::new(CompactionPhase::After);
            compaction.message_count = Some(40);
            compaction.compacted_count = Some(31);
            Event::Compaction(compaction)
        }
    }
}
