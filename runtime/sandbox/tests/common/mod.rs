//! What the tests of the sandbox share.

#![allow(dead_code, reason = "each test program uses a part of it")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot be set up has failed")]

pub(crate) mod heard;

use std::sync::Arc;
use std::time::Duration;

use lastword_events::{
    CompactionPhase, Delivery, DeliveryId, EndReason, Event, EventKey, FailureCause, HookCall, JournalName, Outcome,
    PluginName, Session, SessionCompaction, SessionEnd, SessionStart, Timestamp,
};
use lastword_sandbox::{CallReport, Grants, Limits, Plugin, Sandbox, SandboxConfig, Source};

/// Longer than any test: for calls that are not about their deadline.
pub(crate) const LONG: Duration = Duration::from_secs(3600);

/// Limits that cut nothing, however slow the machine is.
pub(crate) fn generous() -> Limits {
    Limits { deadline: LONG, fuel: u64::MAX / 2, host_calls: u64::MAX, ..Limits::default() }
}

pub(crate) fn sandbox() -> Sandbox {
    Sandbox::new(SandboxConfig { max_concurrent_calls: Some(16), ..SandboxConfig::default() }).unwrap()
}

pub(crate) fn name(name: &str) -> PluginName {
    PluginName::new(name).unwrap()
}

pub(crate) fn load(sandbox: &Sandbox, guest: &str, limits: Limits) -> Plugin {
    sandbox.load(name(guest), &Source::Bytes(lastword_test_guests::component(guest)), limits).unwrap()
}

pub(crate) fn load_with(sandbox: &Sandbox, guest: &str, limits: Limits, grants: Grants) -> Plugin {
    let source = Source::Bytes(lastword_test_guests::component(guest));
    sandbox.load_with(name(guest), &source, limits, grants).unwrap()
}

/// A `session-end` as owners send it.
pub(crate) fn end(session_id: &str, attempt: u32) -> HookCall {
    let mut session = Session::new("acme", session_id);
    session.generation = 1;
    session.key = Some("agent:main:a".to_owned());
    session.cwd = Some("/w".to_owned());
    session.started_at = Some(Timestamp::from_millisecond(1_795_240_416_000));
    session.attributes = vec![("channel".to_owned(), "telegram".to_owned())];
    let mut end = SessionEnd::new(EndReason::Reset, Timestamp::from_millisecond(1_795_240_417_000));
    end.message_count = Some(4);
    call(session, Event::End(end), attempt)
}

pub(crate) fn start(session_id: &str) -> HookCall {
    call(Session::new("acme", session_id), Event::Start(SessionStart::default()), 1)
}

pub(crate) fn compaction(session_id: &str) -> HookCall {
    let event = SessionCompaction::new(CompactionPhase::After);
    call(Session::new("acme", session_id), Event::Compaction(event), 1)
}

pub(crate) fn call(session: Session, event: Event, attempt: u32) -> HookCall {
    let id = DeliveryId {
        journal: JournalName::from_random(*b"testtest"),
        sequence: 17,
        event: EventKey::End,
        plugin: name("memory"),
    };
    let delivery = Delivery { id, attempt, remaining_ms: 500, late: false };
    HookCall { session: Arc::new(session), delivery, event: Arc::new(event) }
}

/// Calls `session-end` once.
pub(crate) async fn call_end(sandbox: &Sandbox, plugin: &Plugin) -> CallReport {
    sandbox.call(plugin, end("s1", 1), LONG).await
}

/// The cause of a failure, and its message.
pub(crate) fn failure(report: &CallReport) -> (&FailureCause, &str) {
    match &report.outcome {
        Outcome::Failed { cause, message } => (cause, message),
        other => panic!("expected a failure, got {other:?}"),
    }
}
