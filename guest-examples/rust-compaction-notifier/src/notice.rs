//! What the webhook is told.

use serde::Serialize;

use crate::SessionCompactionEvent;
use crate::lastword::hooks::types::CompactionPhase;

#[derive(Serialize)]
pub(crate) struct Notice<'a> {
    event: &'static str,
    /// For people.
    pub(crate) text: String,
    tenant: &'a str,
    session: &'a str,
    /// The owner's name for the conversation: it says in which chat the pause is.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    /// Newer events of the session were told first: a chat has no use for this any more.
    late: bool,
}

impl<'a> Notice<'a> {
    pub(crate) fn of(event: &'a SessionCompactionEvent) -> Self {
        let (name, text) = match event.phase {
            CompactionPhase::Before => ("compaction-began", begin(event.message_count)),
            CompactionPhase::After => ("compaction-ended", end(event.compacted_count)),
        };
        let session = &event.session;
        let (late, key) = (event.delivery.late, session.key.as_deref());
        Self { event: name, text, tenant: &session.tenant, session: &session.id, key, late }
    }
}

fn begin(messages: Option<u32>) -> String {
    let of = messages.map(|count| format!(" of {count} messages")).unwrap_or_default();
    format!("The conversation{of} is being compacted. This takes a moment.")
}

fn end(compacted: Option<u32>) -> String {
    let by = compacted.map(|count| format!(": {count} messages were summarised")).unwrap_or_default();
    format!("The conversation was compacted{by}.")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::lastword::hooks::types::{Delivery, Session};

    fn compacted(phase: CompactionPhase) -> SessionCompactionEvent {
        SessionCompactionEvent {
            session: Session {
                tenant: "acme".into(),
                id: "s1".into(),
                generation: 1,
                key: Some("agent:main:a".into()),
                agent_id: None,
                owner_kind: None,
                cwd: None,
                transcript: None,
                started_at: None,
                attributes: vec![],
            },
            delivery: Delivery { id: "d".into(), attempt: 1, remaining_ms: 500, late: false },
            phase,
            message_count: Some(40),
            compacted_count: Some(31),
            token_count: None,
            previous_session_id: None,
            attributes: vec![],
        }
    }

    #[test]
    fn it_says_what_happens_where() {
        let notice = |event: &SessionCompactionEvent| serde_json::to_value(Notice::of(event)).unwrap();
        assert_eq!(
            notice(&compacted(CompactionPhase::Before)),
            json!({
                "event": "compaction-began", "tenant": "acme", "session": "s1", "key": "agent:main:a", "late": false,
                "text": "The conversation of 40 messages is being compacted. This takes a moment.",
            })
        );
        let mut after = compacted(CompactionPhase::After);
        (after.session.key, after.delivery.late) = (None, true);
        assert_eq!(
            notice(&after),
            json!({
                "event": "compaction-ended", "tenant": "acme", "session": "s1", "late": true,
                "text": "The conversation was compacted: 31 messages were summarised.",
            })
        );
    }

    #[test]
    fn numbers_that_nobody_knows_are_left_out() {
        assert_eq!(begin(None), "The conversation is being compacted. This takes a moment.");
        assert_eq!(end(None), "The conversation was compacted.");
    }
}
