//! One line of text for an event: first what happened to which session, then `name=value` pairs, those that are known.

use crate::lastword::hooks::types::{CompactionPhase, Delivery, EndReason, Session};
use crate::{SessionCompactionEvent, SessionEndEvent, SessionStartEvent};
use std::fmt::Display;

/// `session-start acme/s1#1 source=startup delivery=… attempt=1`
pub(crate) fn start(event: &SessionStartEvent) -> String {
    Line::new("session-start", &event.session)
        .known("source", event.source.as_ref())
        .known("resumed-from", event.resumed_from.as_ref())
        .close(&event.delivery)
}

/// `session-end acme/s1#1 reason=reset messages=4 after=12.3s delivery=… attempt=1`
pub(crate) fn end(event: &SessionEndEvent) -> String {
    Line::new("session-end", &event.session)
        .known("reason", Some(reason(&event.reason)))
        .known("messages", event.message_count)
        .known("after", event.duration_ms.map(seconds))
        .known("next", event.next_session_id.as_ref())
        .close(&event.delivery)
}

/// `session-compaction acme/s1#1 phase=after messages=40 compacted=31 delivery=… attempt=1`
pub(crate) fn compaction(event: &SessionCompactionEvent) -> String {
    let phase = match event.phase {
        CompactionPhase::Before => "before",
        CompactionPhase::After => "after",
    };
    Line::new("session-compaction", &event.session)
        .known("phase", Some(phase))
        .known("messages", event.message_count)
        .known("compacted", event.compacted_count)
        .known("tokens", event.token_count)
        .close(&event.delivery)
}

struct Line(String);

impl Line {
    /// The generation tells the runs of one id apart: an owner may start `s1` again after it ended.
    fn new(hook: &str, session: &Session) -> Self {
        Self(format!("{hook} {}/{}#{}", session.tenant, session.id, session.generation))
    }

    fn known(mut self, name: &str, value: Option<impl Display>) -> Self {
        if let Some(value) = value {
            self.0 += &format!(" {name}={value}");
        }
        self
    }

    /// The delivery's id is the same at every attempt: a plugin that writes somewhere uses it to write once.
    fn close(self, delivery: &Delivery) -> String {
        let line = self.known("delivery", Some(&delivery.id)).known("attempt", Some(delivery.attempt));
        // Newer events of this session id came first. This is about the past: do not open what they have closed.
        if delivery.late { line.0 + " late" } else { line.0 }
    }
}

fn reason(reason: &EndReason) -> &str {
    match reason {
        EndReason::New => "new",
        EndReason::Reset => "reset",
        EndReason::Idle => "idle",
        EndReason::Daily => "daily",
        EndReason::Compaction => "compaction",
        EndReason::Deleted => "deleted",
        EndReason::Shutdown => "shutdown",
        EndReason::Restart => "restart",
        EndReason::Clear => "clear",
        EndReason::Resume => "resume",
        EndReason::Logout => "logout",
        EndReason::UserExit => "user-exit",
        EndReason::Completed => "completed",
        EndReason::Aborted => "aborted",
        EndReason::Error => "error",
        EndReason::Timeout => "timeout",
        EndReason::Crashed => "crashed",
        EndReason::Unknown => "unknown",
        EndReason::Other(word) => word,
    }
}

/// Without floating point, whose formatting alone is tens of kilobytes of code.
fn seconds(ms: u32) -> String {
    format!("{}.{}s", ms / 1000, ms % 1000 / 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session() -> Session {
        Session {
            tenant: "acme".into(),
            id: "s1".into(),
            generation: 2,
            key: None,
            agent_id: None,
            owner_kind: None,
            cwd: None,
            transcript: None,
            started_at: None,
            attributes: vec![],
        }
    }

    fn delivery(late: bool) -> Delivery {
        Delivery { id: "k3f9a2c1.17/session-end/log".into(), attempt: 3, remaining_ms: 500, late }
    }

    fn ended(reason: EndReason, late: bool) -> SessionEndEvent {
        SessionEndEvent {
            session: session(),
            delivery: delivery(late),
            reason,
            raw_reason: None,
            ended_at: "2026-11-21T07:00:00.000Z".into(),
            duration_ms: Some(12_345),
            message_count: Some(4),
            next_session_id: None,
            next_session_key: None,
            attributes: vec![],
        }
    }

    #[test]
    fn an_end_tells_all_that_is_known() {
        assert_eq!(
            end(&ended(EndReason::Reset, false)),
            "session-end acme/s1#2 reason=reset messages=4 after=12.3s delivery=k3f9a2c1.17/session-end/log attempt=3"
        );
    }

    #[test]
    fn what_is_unknown_is_left_out() {
        let event = SessionEndEvent {
            message_count: None,
            duration_ms: None,
            ..ended(EndReason::Other("coffee".into()), true)
        };
        assert_eq!(
            end(&event),
            "session-end acme/s1#2 reason=coffee delivery=k3f9a2c1.17/session-end/log attempt=3 late"
        );
    }

    #[test]
    fn a_start_and_a_compaction_tell_all_that_is_known() {
        let started = SessionStartEvent {
            session: session(),
            delivery: delivery(false),
            source: Some("resume".into()),
            resumed_from: Some("s0".into()),
            attributes: vec![],
        };
        assert_eq!(
            start(&started),
            "session-start acme/s1#2 source=resume resumed-from=s0 delivery=k3f9a2c1.17/session-end/log attempt=3"
        );
        let compacted = SessionCompactionEvent {
            session: session(),
            delivery: delivery(true),
            phase: CompactionPhase::After,
            message_count: Some(40),
            compacted_count: Some(31),
            token_count: None,
            previous_session_id: None,
            attributes: vec![],
        };
        assert_eq!(
            compaction(&compacted),
            "session-compaction acme/s1#2 phase=after messages=40 compacted=31 \
             delivery=k3f9a2c1.17/session-end/log attempt=3 late"
        );
    }
}
