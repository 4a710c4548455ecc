//! Writes a call in WAVE, the component model's text format for values.

use std::fmt::Write as _;

use lastword_events::{
    Attributes, Delivery, EndReason, Event, HookCall, Session, SessionCompaction, SessionEnd, SessionStart, Transcript,
    is_plain,
};

/// Returns `session-end({session: {…}, …})`. Omits absent options, as WAVE allows.
pub(super) fn call(call: &HookCall) -> String {
    let mut event = Record::default();
    event.put("session", session(&call.session));
    event.put("delivery", delivery(&call.delivery));
    match call.event.as_ref() {
        Event::Start(start) => put_start(&mut event, start),
        Event::End(end) => put_end(&mut event, end),
        Event::Compaction(compaction) => put_compaction(&mut event, compaction),
    }
    format!("{}({})", call.event.hook(), event.end())
}

fn session(session: &Session) -> String {
    let mut record = Record::default();
    record.put("tenant", text(&session.identity.tenant));
    record.put("id", text(&session.identity.id));
    record.put("generation", session.generation);
    record.put_text("key", session.key.as_deref());
    record.put_text("agent-id", session.agent_id.as_deref());
    record.put_text("owner-kind", session.owner_kind.as_deref());
    record.put_text("cwd", session.cwd.as_deref());
    record.put_some("transcript", session.transcript.as_ref().map(transcript));
    record.put_some("started-at", session.started_at.map(|at| text(&at.to_string())));
    record.put("attributes", attributes(&session.attributes));
    record.end()
}

fn transcript(transcript: &Transcript) -> String {
    let mut record = Record::default();
    record.put("uri", text(&transcript.uri));
    record.put("archived", transcript.archived);
    record.end()
}

fn delivery(delivery: &Delivery) -> String {
    let mut record = Record::default();
    record.put("id", text(&delivery.id.to_string()));
    record.put("attempt", delivery.attempt);
    record.put("remaining-ms", delivery.remaining_ms);
    record.put("late", delivery.late);
    record.end()
}

fn put_start(record: &mut Record, start: &SessionStart) {
    record.put_text("source", start.source.as_deref());
    record.put_text("resumed-from", start.resumed_from.as_deref());
    record.put("attributes", attributes(&start.attributes));
}

fn put_end(record: &mut Record, end: &SessionEnd) {
    match &end.reason {
        EndReason::Other(word) => record.put("reason", format!("other({})", text(word))),
        reason => record.put("reason", reason.as_str()),
    }
    record.put_text("raw-reason", end.raw_reason.as_deref());
    record.put("ended-at", text(&end.ended_at.to_string()));
    record.put_some("duration-ms", end.duration_ms);
    record.put_some("message-count", end.message_count);
    record.put_text("next-session-id", end.next_session_id.as_deref());
    record.put_text("next-session-key", end.next_session_key.as_deref());
    record.put("attributes", attributes(&end.attributes));
}

fn put_compaction(record: &mut Record, compaction: &SessionCompaction) {
    record.put("phase", compaction.phase.as_str());
    record.put_some("message-count", compaction.message_count);
    record.put_some("compacted-count", compaction.compacted_count);
    record.put_some("token-count", compaction.token_count);
    record.put_text("previous-session-id", compaction.previous_session_id.as_deref());
    record.put("attributes", attributes(&compaction.attributes));
}

fn attributes(attributes: &Attributes) -> String {
    let pairs: Vec<String> =
        attributes.iter().map(|(name, value)| format!("({}, {})", text(name), text(value))).collect();
    format!("[{}]", pairs.join(", "))
}

/// Writes a string. WAVE accepts every character but these; control characters would spoil a command line.
fn text(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            // Writing to a String cannot fail.
            c if !is_plain(c) => write!(quoted, "\\u{{{:x}}}", u32::from(c)).unwrap_or_default(),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[derive(Default)]
struct Record {
    fields: Vec<String>,
}

impl Record {
    fn put(&mut self, name: &str, value: impl std::fmt::Display) {
        self.fields.push(format!("{name}: {value}"));
    }

    fn put_some(&mut self, name: &str, value: Option<impl std::fmt::Display>) {
        if let Some(value) = value {
            self.put(name, format_args!("some({value})"));
        }
    }

    fn put_text(&mut self, name: &str, value: Option<&str>) {
        self.put_some(name, value.map(text));
    }

    fn end(self) -> String {
        format!("{{{}}}", self.fields.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use lastword_events::{Hook, PluginName};
    use wasm_wave::untyped::UntypedFuncCall;
    use wasm_wave::value::{Value, resolve_wit_func_type};

    use super::*;
    use crate::calls::sample;

    /// Parses a call against the contract as wasmtime does, and writes the values again.
    fn read(hook: Hook, call: &str) -> String {
        let mut resolve = wit_parser::Resolve::new();
        let wit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit");
        let (package, _) = resolve.push_path(wit).unwrap();
        let world = resolve.select_world(&[package], Some("session-lifecycle-hooks")).unwrap();
        let key = wit_parser::WorldKey::Name(hook.to_string());
        let Some(wit_parser::WorldItem::Function(function)) = resolve.worlds[world].exports.get(&key) else {
            panic!("{hook} is in the contract");
        };
        let types = resolve_wit_func_type(&resolve, function).unwrap();
        let call = UntypedFuncCall::parse(call).unwrap();
        assert_eq!(call.name(), hook.as_str());
        let params: Vec<_> = wasm_wave::wasm::WasmFunc::params(&types).collect();
        let values: Vec<Value> = call.to_wasm_params(&params).unwrap_or_else(|e| panic!("{e}: {call}"));
        wasm_wave::to_string(&values[0]).unwrap()
    }

    fn sample_call(hook: Hook) -> HookCall {
        sample::call(hook, &PluginName::new("memory").unwrap(), 500)
    }

    #[test]
    fn the_samples_of_all_hooks_are_calls_of_the_contract() {
        for hook in Hook::ALL {
            let text = call(&sample_call(hook));
            let read = read(hook, &text);
            assert!(read.contains(r#"tenant: "default""#) && read.contains(r#"attempt: 1"#), "{read}");
        }
    }

    #[test]
    fn every_reason_and_every_character_arrives_as_it_was() {
        let strange = "a\"b\\c'd\ne\t\u{7}\u{1b}[31m ü 🦀 \u{85} some none %";
        let mut hook_call = sample_call(Hook::SessionEnd);
        let mut session = Session::clone(&hook_call.session);
        session.cwd = Some(strange.to_owned());
        session.attributes = vec![(strange.to_owned(), String::new()), ("b".to_owned(), strange.to_owned())];
        hook_call.session = Arc::new(session);
        let Event::End(end) = Event::clone(&hook_call.event) else { panic!() };
        for reason in EndReason::ALL.into_iter().chain([EndReason::Other(strange.to_owned())]) {
            let event = SessionEnd { reason: reason.clone(), raw_reason: Some(strange.to_owned()), ..end.clone() };
            hook_call.event = Arc::new(Event::End(event));
            let text = call(&hook_call);
            assert!(!text.contains(|c: char| c.is_control()), "{text:?}");
            let read = read(Hook::SessionEnd, &text);
            // wasm-wave escapes in its own way, so the text is parsed a second time.
            let again = self::read(Hook::SessionEnd, &format!("session-end({read})"));
            assert_eq!(read, again);
            if !matches!(reason, EndReason::Other(_)) {
                assert!(read.contains(&format!("reason: {reason},")), "{read}");
            }
            assert!(read.contains(r#"a\"b\\c"#) && read.contains("🦀"), "{read}");
        }
    }
}
