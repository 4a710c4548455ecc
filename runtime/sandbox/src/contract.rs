//! The contract `lastword:hooks` in Rust: bindings made from `wit/` of the repository, to which `wit/hooks` is a link, and our own events
//! in their terms.
//!
//! The bindings borrow, so that an event is copied only once, into the guest's memory.

#[expect(unreachable_pub, reason = "generated")]
mod bindings {
    /// The types, from the world that uses all of them.
    pub mod all {
        wasmtime::component::bindgen!({
            path: "wit/hooks",
            world: "session-lifecycle-hooks",
            exports: { default: async },
            ownership: Borrowing { duplicate_if_necessary: false },
        });
    }
    // One world for each hook: the bindings of a world with three exports demand all three.
    pub mod session_start {
        wasmtime::component::bindgen!({
            path: "wit/hooks",
            world: "session-start-hook",
            exports: { default: async },
            ownership: Borrowing { duplicate_if_necessary: false },
            with: { "lastword:hooks/types@0.1.0": super::all::lastword::hooks::types },
        });
    }
    pub mod session_end {
        wasmtime::component::bindgen!({
            path: "wit/hooks",
            world: "session-hooks",
            exports: { default: async },
            ownership: Borrowing { duplicate_if_necessary: false },
            with: { "lastword:hooks/types@0.1.0": super::all::lastword::hooks::types },
        });
    }
    pub mod session_compaction {
        wasmtime::component::bindgen!({
            path: "wit/hooks",
            world: "session-compaction-hook",
            exports: { default: async },
            ownership: Borrowing { duplicate_if_necessary: false },
            with: { "lastword:hooks/types@0.1.0": super::all::lastword::hooks::types },
        });
    }
}

use std::fmt::Write as _;

use lastword_events::SessionStart;
use lastword_events::{Attributes, CompactionPhase, EndReason, Event, HookCall, SessionCompaction, SessionEnd};

pub(crate) use bindings::all::lastword::hooks::types::HookError;
pub(crate) use bindings::session_compaction::SessionCompactionHookIndices;
pub(crate) use bindings::session_end::SessionHooksIndices;
pub(crate) use bindings::session_start::SessionStartHookIndices;

use bindings::all::lastword::hooks::types as wit;

/// The contract of plugins, with the version that the sandbox serves.
pub const PACKAGE: &str = "lastword:hooks@0.1.0";
/// The interface of the contract's types, without the version.
pub(crate) const TYPES: &str = "lastword:hooks/types";

/// The parts of a call that are converted before the bindings borrow them.
pub(crate) struct Prepared<'a> {
    call: &'a HookCall,
    /// Replaces the call's own value, because the call may have waited since it was made.
    remaining_ms: u32,
    delivery_id: String,
    started_at: Option<String>,
    ended_at: String,
    session_attributes: Vec<(&'a str, &'a str)>,
    event_attributes: Vec<(&'a str, &'a str)>,
}

impl<'a> Prepared<'a> {
    pub(crate) fn new(call: &'a HookCall, remaining_ms: u32) -> Self {
        let (ended_at, attributes) = match &*call.event {
            Event::Start(start) => (None, &start.attributes),
            Event::End(end) => (Some(end.ended_at), &end.attributes),
            Event::Compaction(compaction) => (None, &compaction.attributes),
        };
        Self {
            call,
            remaining_ms,
            delivery_id: text(ID_BYTES, &call.delivery.id),
            started_at: call.session.started_at.as_ref().map(|t| text(TIMESTAMP_BYTES, t)),
            ended_at: ended_at.map_or_else(String::new, |t| text(TIMESTAMP_BYTES, &t)),
            session_attributes: pairs(&call.session.attributes),
            event_attributes: pairs(attributes),
        }
    }

    pub(crate) fn start<'b>(&'b self, start: &'b SessionStart) -> wit::SessionStartEvent<'b> {
        wit::SessionStartEvent {
            session: self.session(),
            delivery: self.delivery(),
            source: start.source.as_deref(),
            resumed_from: start.resumed_from.as_deref(),
            attributes: &self.event_attributes,
        }
    }

    pub(crate) fn end<'b>(&'b self, end: &'b SessionEnd) -> wit::SessionEndEvent<'b> {
        wit::SessionEndEvent {
            session: self.session(),
            delivery: self.delivery(),
            reason: reason(&end.reason),
            raw_reason: end.raw_reason.as_deref(),
            ended_at: &self.ended_at,
            duration_ms: end.duration_ms,
            message_count: end.message_count,
            next_session_id: end.next_session_id.as_deref(),
            next_session_key: end.next_session_key.as_deref(),
            attributes: &self.event_attributes,
        }
    }

    pub(crate) fn compaction<'b>(&'b self, compaction: &'b SessionCompaction) -> wit::SessionCompactionEvent<'b> {
        wit::SessionCompactionEvent {
            session: self.session(),
            delivery: self.delivery(),
            phase: match compaction.phase {
                CompactionPhase::Before => wit::CompactionPhase::Before,
                CompactionPhase::After => wit::CompactionPhase::After,
            },
            message_count: compaction.message_count,
            compacted_count: compaction.compacted_count,
            token_count: compaction.token_count,
            previous_session_id: compaction.previous_session_id.as_deref(),
            attributes: &self.event_attributes,
        }
    }

    fn session(&self) -> wit::Session<'_> {
        let session = &self.call.session;
        wit::Session {
            tenant: &session.identity.tenant,
            id: &session.identity.id,
            generation: session.generation,
            key: session.key.as_deref(),
            agent_id: session.agent_id.as_deref(),
            owner_kind: session.owner_kind.as_deref(),
            cwd: session.cwd.as_deref(),
            transcript: session.transcript.as_ref().map(|t| wit::Transcript { uri: &t.uri, archived: t.archived }),
            started_at: self.started_at.as_deref(),
            attributes: &self.session_attributes,
        }
    }

    fn delivery(&self) -> wit::Delivery<'_> {
        let delivery = &self.call.delivery;
        wit::Delivery {
            id: &self.delivery_id,
            attempt: delivery.attempt,
            remaining_ms: self.remaining_ms,
            late: delivery.late,
        }
    }
}

/// Bytes of a delivery's id with a plugin name of usual length.
const ID_BYTES: usize = 64;
/// Bytes of "2026-11-21T07:00:00.000Z".
const TIMESTAMP_BYTES: usize = 24;

/// Writes the text of a value, like `to_string`, with one allocation instead of four.
fn text(bytes: usize, value: &dyn std::fmt::Display) -> String {
    let mut text = String::with_capacity(bytes);
    // Writing to a string does not fail.
    let _never = write!(text, "{value}");
    text
}

fn pairs(attributes: &Attributes) -> Vec<(&str, &str)> {
    attributes.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

fn reason(reason: &EndReason) -> wit::EndReason<'_> {
    match reason {
        EndReason::New => wit::EndReason::New,
        EndReason::Reset => wit::EndReason::Reset,
        EndReason::Idle => wit::EndReason::Idle,
        EndReason::Daily => wit::EndReason::Daily,
        EndReason::Compaction => wit::EndReason::Compaction,
        EndReason::Deleted => wit::EndReason::Deleted,
        EndReason::Shutdown => wit::EndReason::Shutdown,
        EndReason::Restart => wit::EndReason::Restart,
        EndReason::Clear => wit::EndReason::Clear,
        EndReason::Resume => wit::EndReason::Resume,
        EndReason::Logout => wit::EndReason::Logout,
        EndReason::UserExit => wit::EndReason::UserExit,
        EndReason::Completed => wit::EndReason::Completed,
        EndReason::Aborted => wit::EndReason::Aborted,
        EndReason::Error => wit::EndReason::Error,
        EndReason::Timeout => wit::EndReason::Timeout,
        EndReason::Crashed => wit::EndReason::Crashed,
        EndReason::Other(word) => wit::EndReason::Other(word),
        // A test checks that every other reason has its case above.
        _ => wit::EndReason::Unknown,
    }
}

#[cfg(test)]
mod tests;
