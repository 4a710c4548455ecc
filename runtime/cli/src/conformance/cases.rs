//! The test cases: the calls, and the answers that pass.

use std::sync::Arc;
use std::time::Duration;

use lastword_events::{
    CompactionPhase, EndReason, Event, Hook, HookCall, PluginName, Session, SessionCompaction, SessionEnd,
    SessionStart, Timestamp, Transcript, limits,
};
use lastword_sandbox::Grant;

use crate::calls::sample;

/// The rest of a deadline that is nearly over.
pub(super) const HURRY: Duration = Duration::from_millis(10);

/// One test case.
#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) hook: Hook,
    /// The group of the case. A group is one line of the report.
    pub(super) group: &'static str,
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) call: HookCall,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// An ordinary event. Any answer other than ok is noted.
    Ordinary,
    /// An unusual event. Any answer passes.
    Strange,
    /// The same delivery again, as after the loss of the first attempt's outcome.
    Again,
    /// A grant is given, but the service behind it fails.
    Without(Grant),
    /// Little time is left. A cut is no failure.
    Hurried,
}

/// Returns every case of these hooks, for a plugin with these grants.
pub(super) fn all(hooks: impl Iterator<Item = Hook>, plugin: &PluginName, granted: &[Grant]) -> Vec<Case> {
    let mut cases = Vec::new();
    for hook in hooks {
        let mut add = Maker { hook, plugin, cases: &mut cases };
        add.ordinary();
        add.strange();
        add.again();
        for grant in granted {
            add.without(*grant);
        }
        add.hurried();
    }
    cases
}

struct Maker<'a> {
    hook: Hook,
    plugin: &'a PluginName,
    cases: &'a mut Vec<Case>,
}

impl Maker<'_> {
    fn add(&mut self, group: &'static str, name: impl Into<String>, kind: Kind, session: Session, event: Event) {
        // The time is set when the limits are known.
        let delivery = sample::delivery(&event, self.plugin, 0);
        let call = HookCall { session: Arc::new(session), delivery, event: Arc::new(event) };
        self.cases.push(Case { hook: self.hook, group, name: name.into(), kind, call });
    }

    fn ordinary(&mut self) {
        let event = sample::event(self.hook);
        self.add("an ordinary event", "an ordinary event", Kind::Ordinary, sample::session(), event.clone());
        match event {
            Event::Start(start) => {
                for source in ["startup", "resume", "clear", "compact"] {
                    let event = Event::Start(SessionStart { source: Some(source.to_owned()), ..start.clone() });
                    self.add("every source", format!("source {source}"), Kind::Ordinary, sample::session(), event);
                }
            }
            Event::End(end) => {
                for reason in EndReason::ALL.into_iter().chain([EndReason::Other("made-up".to_owned())]) {
                    let (name, raw) = (format!("reason {reason}"), Some(reason.to_string()));
                    let event = Event::End(SessionEnd { reason, raw_reason: raw, ..end.clone() });
                    self.add("every reason", name, Kind::Ordinary, sample::session(), event);
                }
            }
            Event::Compaction(compaction) => {
                for phase in [CompactionPhase::Before, CompactionPhase::After] {
                    let event = Event::Compaction(SessionCompaction { phase, ..compaction.clone() });
                    self.add(
                        "both phases",
                        format!("phase {}", phase.as_str()),
                        Kind::Ordinary,
                        sample::session(),
                        event,
                    );
                }
            }
        }
        let (session, event) = minimal(self.hook);
        self.add("nothing but what must be there", "minimal event", Kind::Ordinary, session, event);
    }

    fn strange(&mut self) {
        let (session, event) = maximal(self.hook);
        self.add("every field, as long as it may be", "maximal event", Kind::Strange, session, event);
        let (session, event) = attributed(self.hook);
        self.add("as many attributes as there may be", "many attributes", Kind::Strange, session, event);
        for (what, text) in UNICODE {
            let (session, event) = told_in(self.hook, text);
            self.add("text of all kinds", format!("text: {what}"), Kind::Strange, session, event);
        }
        let event = sample::event(self.hook);
        self.add("a late event", "late", Kind::Strange, sample::session(), event);
        if let Some(case) = self.cases.last_mut() {
            case.call.delivery.late = true;
            case.call.delivery.attempt = 3;
        }
        let mut session = sample::session();
        session.generation = u32::MAX;
        let mut event = sample::event(self.hook);
        numbers(&mut event, u32::MAX);
        self.add("the largest numbers", "largest numbers", Kind::Strange, session, event);
    }

    fn again(&mut self) {
        let event = sample::event(self.hook);
        self.add("the same delivery again", "redelivery", Kind::Again, sample::session(), event);
    }

    fn without(&mut self, grant: Grant) {
        let name = format!("without its {}", grant.as_str());
        self.add(
            "what it was granted cannot be had",
            name,
            Kind::Without(grant),
            sample::session(),
            sample::event(self.hook),
        );
    }

    fn hurried(&mut self) {
        let event = sample::event(self.hook);
        self.add("a deadline that is nearly over", "nearly over", Kind::Hurried, sample::session(), event);
    }
}

/// Unicode text that a plugin may not be ready for.
const UNICODE: [(&str, &str); 6] = [
    ("emoji", "👩‍👩‍👧‍👦 🦀 🇨🇭"),
    ("right to left", "שלום ‏مرحبا"),
    ("combining", "Z̷̢̛a̸l̵g̶o̴ é ñ"),
    ("quotes and backslashes", r#"a"b\c'd`${e}%s{{f}}"#),
    ("lines and tabs", "one\ntwo\r\nthree\tfour"),
    ("the edges of Unicode", "\u{1}\u{7f}\u{85}\u{2028}\u{fffd}\u{ffff}\u{10ffff}"),
];

fn minimal(hook: Hook) -> (Session, Event) {
    let mut session = Session::new("t", "s");
    session.generation = 1;
    let event = match hook {
        Hook::SessionStart => Event::Start(SessionStart::default()),
        Hook::SessionCompaction => Event::Compaction(SessionCompaction::new(CompactionPhase::Before)),
        Hook::SessionEnd => Event::End(SessionEnd::new(EndReason::Unknown, Timestamp::from_millisecond(0))),
    };
    (session, event)
}

fn text(bytes: usize) -> String {
    "x".repeat(bytes)
}

fn maximal(hook: Hook) -> (Session, Event) {
    let mut session = sample::session();
    let identity = lastword_events::Identity::new(&text(limits::MAX_TENANT_BYTES), &text(limits::MAX_ID_BYTES));
    session.identity = identity;
    for field in [&mut session.key, &mut session.agent_id, &mut session.owner_kind] {
        *field = Some(text(limits::MAX_KEY_BYTES));
    }
    session.cwd = Some(text(limits::MAX_PATH_BYTES));
    session.transcript = Some(Transcript { uri: text(limits::MAX_PATH_BYTES), archived: true });
    let mut event = sample::event(hook);
    let (id, key) = (Some(text(limits::MAX_ID_BYTES)), Some(text(limits::MAX_KEY_BYTES)));
    match &mut event {
        Event::Start(start) => (start.source, start.resumed_from) = (key, id),
        Event::End(end) => {
            (end.raw_reason, end.next_session_id, end.next_session_key) = (key.clone(), id, key);
        }
        Event::Compaction(compaction) => compaction.previous_session_id = id,
    }
    numbers(&mut event, 1_000_000);
    (session, event)
}

fn attributed(hook: Hook) -> (Session, Event) {
    let value = limits::MAX_ATTRIBUTES_BYTES / limits::MAX_ATTRIBUTES - "attribute-00".len();
    let attributes: Vec<_> = (0..limits::MAX_ATTRIBUTES).map(|n| (format!("attribute-{n:02}"), text(value))).collect();
    let mut session = sample::session();
    session.attributes = attributes.clone();
    let mut event = sample::event(hook);
    *event_attributes(&mut event) = attributes;
    (session, event)
}

fn told_in(hook: Hook, text: &str) -> (Session, Event) {
    let mut session = sample::session();
    // Identities have no control characters. All other text may have them.
    let plain: String = text.chars().filter(|c| !c.is_control()).collect();
    session.identity = lastword_events::Identity::new(&plain, &plain);
    for field in [&mut session.key, &mut session.agent_id, &mut session.owner_kind, &mut session.cwd] {
        *field = Some(text.to_owned());
    }
    session.attributes = vec![(text.to_owned(), text.to_owned())];
    let mut event = sample::event(hook);
    *event_attributes(&mut event) = vec![(text.to_owned(), text.to_owned())];
    match &mut event {
        Event::Start(start) => start.source = Some(text.to_owned()),
        Event::End(end) => {
            (end.reason, end.raw_reason) = (EndReason::Other(text.to_owned()), Some(text.to_owned()));
        }
        Event::Compaction(compaction) => compaction.previous_session_id = Some(plain),
    }
    (session, event)
}

fn event_attributes(event: &mut Event) -> &mut lastword_events::Attributes {
    match event {
        Event::Start(start) => &mut start.attributes,
        Event::End(end) => &mut end.attributes,
        Event::Compaction(compaction) => &mut compaction.attributes,
    }
}

fn numbers(event: &mut Event, number: u32) {
    match event {
        Event::Start(_) => (),
        Event::End(end) => (end.duration_ms, end.message_count) = (Some(number), Some(number)),
        Event::Compaction(compaction) => {
            (compaction.message_count, compaction.compacted_count, compaction.token_count) =
                (Some(number), Some(number), Some(number));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_is_something_that_an_owner_may_say() {
        let plugin = PluginName::new("memory").unwrap();
        let cases = all(Hook::ALL.into_iter(), &plugin, &[Grant::KeyValue, Grant::Http]);
        for case in &cases {
            case.call.session.validate().unwrap_or_else(|error| panic!("{}: {error}", case.name));
            match case.call.event.as_ref() {
                Event::Start(start) => start.validate().unwrap_or_else(|error| panic!("{}: {error}", case.name)),
                Event::Compaction(compaction) => {
                    compaction.validate().unwrap_or_else(|error| panic!("{}: {error}", case.name));
                }
                Event::End(end) => assert!(end.clone().fit().is_empty(), "{} does not fit", case.name),
            }
        }
        let reasons = cases.iter().filter(|case| case.group == "every reason").count();
        assert_eq!(reasons, EndReason::ALL.len() + 1);
    }
}
