//! Flat payloads: one object with all fields. Claude Code writes them, and so do the owners that follow it.

use std::sync::Arc;

use lastword_events::{
    CompactionPhase, EndReason, Event, Identity, Owner, Session, SessionCompaction, SessionEnd, SessionStart,
    Timestamp, Transcript,
};

use super::keep::Keep;
use super::parts::Parts;
use super::payload::Payload;
use crate::bad_line::BadLine;
use crate::fields::Fields;
use crate::input::{DEFAULT_TENANT, Input, OwnerEvent};

/// The layout of flat payloads, as Claude Code and its followers write them. Each list has the current and former names
/// of a field; the first one present counts.
pub(super) struct Flat {
    /// The fields with the event's name.
    pub(super) event: &'static [&'static str],
    /// Returns the event of a payload without a name.
    pub(super) unnamed: fn(&Fields) -> Option<&'static str>,
    /// The events of a session's life, and their meanings. Only names that an owner has used.
    pub(super) events: &'static [(&'static str, SessionChange)],
    /// Whether one of those events does not count, because of another field of its payload.
    pub(super) unless: fn(&str, &Fields) -> bool,
    /// Fields that only an agent inside a session has. Its events neither begin nor end a session.
    pub(super) of_sub_agent: &'static [&'static str],
    /// The fields with the agent's parent session, when `id` is the agent's own.
    pub(super) parent: &'static [&'static str],
    /// Inner objects with further fields.
    pub(super) inner: &'static [&'static str],
    pub(super) id: &'static [&'static str],
    pub(super) cwd: &'static [&'static str],
    /// Lists of folders in place of `cwd`. The first folder is taken.
    pub(super) folders: &'static [&'static str],
    pub(super) transcript: &'static [&'static str],
    pub(super) time: &'static [&'static str],
    pub(super) source: &'static [&'static str],
    pub(super) reason: &'static [&'static str],
    pub(super) duration_ms: &'static [&'static str],
    pub(super) message_count: &'static [&'static str],
    pub(super) compacted_count: &'static [&'static str],
    pub(super) token_count: &'static [&'static str],
}

/// The meaning of an event for its session.
#[derive(Clone, Copy)]
pub(super) enum SessionChange {
    /// The session began. Holds the source, for a payload without one.
    Start(Option<&'static str>),
    /// The session ended. Holds the reason, for a payload without one.
    End(Option<&'static str>),
    Compaction(CompactionPhase),
}

pub(super) const BEFORE: SessionChange = SessionChange::Compaction(CompactionPhase::Before);
pub(super) const AFTER: SessionChange = SessionChange::Compaction(CompactionPhase::After);

/// The source of a start that reports only a compaction: the session has run for long.
const COMPACTED: &str = "compact";

/// A payload as Claude Code writes it. The descriptions of other owners state their differences.
pub(super) const CLAUDE_LIKE: Flat = Flat {
    event: &["hook_event_name"],
    unnamed: |_| None,
    events: &[
        ("SessionStart", SessionChange::Start(None)),
        ("SessionEnd", SessionChange::End(None)),
        ("PreCompact", BEFORE),
        ("PostCompact", AFTER),
    ],
    unless: |_, _| false,
    of_sub_agent: &["agent_id"],
    parent: &[],
    inner: &[],
    id: &["session_id"],
    cwd: &["cwd"],
    folders: &[],
    transcript: &["transcript_path"],
    time: &["timestamp"],
    source: &["source"],
    reason: &["reason"],
    duration_ms: &[],
    message_count: &[],
    compacted_count: &[],
    token_count: &[],
};

impl Flat {
    pub(super) fn read(&self, owner: Owner, payload: Payload, keep: &Keep<'_>) -> Result<Input, BadLine> {
        let Payload { event, op_id, fields: mut payload } = payload;
        let name = self.event.iter().find_map(|name| payload.string_if(name)).or(event);
        let Some(name) = name.or_else(|| (self.unnamed)(&payload).map(str::to_owned)) else {
            return Err(payload.missing(self.event.first().copied().unwrap_or("hook")));
        };
        let passed_over = (self.unless)(&name, &payload);
        let mut parts = Parts::of(payload, self.inner);
        let means = self.events.iter().find(|(event, _)| *event == name).map(|(_, means)| *means);
        let Some(means) = means.filter(|_| !passed_over) else {
            return Ok(self.unrelated(name, parts));
        };
        if self.of_sub_agent.iter().any(|field| parts.says(field)) {
            return Ok(self.unrelated(format!("{name} of a sub-agent"), parts));
        }
        let (mut session, at) = self.session(owner, &mut parts)?;
        let event = match means {
            SessionChange::Start(word) => {
                let start = self.start(word, parts, keep);
                session.started_at = at.filter(|_| start.source.as_deref() != Some(COMPACTED));
                Event::Start(start)
            }
            SessionChange::End(word) => Event::End(self.end(owner, word, at, parts, keep)),
            SessionChange::Compaction(phase) => Event::Compaction(self.compaction(phase, parts, keep)),
        };
        Ok(OwnerEvent::input(op_id.map(Arc::from), session, event))
    }

    /// Makes an event of another kind, with the session that it names.
    fn unrelated(&self, name: String, mut parts: Parts) -> Input {
        let id = parts.text(self.parent).or_else(|| parts.text(self.id));
        Input::Unrelated { name, session: id.map(|id| Identity::new(DEFAULT_TENANT, &id)) }
    }

    fn session(&self, owner: Owner, parts: &mut Parts) -> Result<(Session, Option<Timestamp>), BadLine> {
        let id = parts.text(self.id).ok_or_else(|| parts.missing(self.id))?;
        let mut session = Session::new(DEFAULT_TENANT, &id);
        session.owner_kind = owner.kind().map(str::to_owned);
        session.cwd = parts.text(self.cwd).or_else(|| parts.first_of_list(self.folders));
        session.transcript = parts.text(self.transcript).map(|uri| Transcript { uri, archived: false });
        Ok((session, parts.time(self.time)))
    }

    fn start(&self, word: Option<&str>, mut parts: Parts, keep: &Keep<'_>) -> SessionStart {
        let source = parts.text(self.source).or_else(|| word.map(str::to_owned));
        SessionStart { source, resumed_from: None, attributes: parts.kept(keep) }
    }

    fn end(
        &self,
        owner: Owner,
        word: Option<&str>,
        at: Option<Timestamp>,
        mut parts: Parts,
        keep: &Keep<'_>,
    ) -> SessionEnd {
        let word = parts.text(self.reason).or_else(|| word.map(str::to_owned));
        let reason = word.as_deref().map_or(EndReason::Unknown, |word| owner.end_reason(word));
        // Some payloads have no time. The hook is called when the session ends.
        let mut end = SessionEnd::new(reason, at.unwrap_or_else(Timestamp::now));
        end.raw_reason = word;
        end.duration_ms = parts.count(self.duration_ms);
        end.message_count = parts.count(self.message_count);
        end.attributes = parts.kept(keep);
        end
    }

    fn compaction(&self, phase: CompactionPhase, mut parts: Parts, keep: &Keep<'_>) -> SessionCompaction {
        let mut compaction = SessionCompaction::new(phase);
        compaction.message_count = parts.count(self.message_count);
        compaction.compacted_count = parts.count(self.compacted_count);
        compaction.token_count = parts.count(self.token_count);
        compaction.attributes = parts.kept(keep);
        compaction
    }
}
