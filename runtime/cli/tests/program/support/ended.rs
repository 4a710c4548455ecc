//! A program that has left: its exit code and all that it said.

use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::time::Instant;

use serde_json::Value;

use super::{Program, sorted};

/// A program that has left, and all that it said.
pub(crate) struct Ended {
    /// Its lines on stdout, if it speaks the protocol.
    pub(crate) lines: Vec<Value>,
    /// Its stdout, if it does not.
    pub(crate) text: Vec<String>,
    /// Its lines on stderr.
    pub(crate) log: Vec<String>,
    /// When the process had ended.
    pub(crate) at: Instant,
    status: ExitStatus,
    /// Shows what it said if the test fails from here on.
    _program: Program,
}

impl Ended {
    pub(super) fn new(program: Program, status: ExitStatus, at: Instant) -> Self {
        let state = program.seen.lock();
        assert!(state.bad.is_empty(), "stdout carries protocol lines only: {:#?}", state.bad);
        let killed = status.signal().is_some();
        assert!(killed || state.torn.is_none(), "the last line is whole: {:?}", state.torn);
        let (lines, log, text) = (state.lines.clone(), state.log.clone(), state.text.clone());
        drop(state);
        Self { lines, text, log, at, status, _program: program }
    }

    /// The exit code.
    #[track_caller]
    pub(crate) fn code(&self) -> i32 {
        self.status.code().unwrap_or_else(|| panic!("it was ended by signal {:?}", self.status.signal()))
    }

    /// It did not begin: this code, nothing on stdout, and stderr says all of this.
    #[track_caller]
    pub(crate) fn assert_refused(&self, code: i32, said: &[&str]) {
        assert_eq!(self.code(), code, "{}", self.stderr());
        assert!(self.lines.is_empty(), "no `ready`, no anything: {:?}", self.lines);
        for said in said {
            assert!(self.stderr().contains(said), "{said:?} is missing in:\n{}", self.stderr());
        }
    }

    /// Whether it was killed, rather than left by itself.
    pub(crate) fn was_killed(&self) -> bool {
        self.status.signal().is_some()
    }

    /// The lines of an event.
    pub(crate) fn of<'a>(&'a self, event: &'a str) -> impl Iterator<Item = &'a Value> {
        self.lines.iter().filter(move |line| line["event"] == event)
    }

    /// Each line of the owner's that has an answer, in the order of the answers, and whether it was accepted.
    #[track_caller]
    pub(crate) fn answers(&self) -> Vec<(u64, bool)> {
        let mut answers = Vec::new();
        for answer in self.lines.iter().filter(|line| line["event"] == "accepted" || line["event"] == "error") {
            let number = |value: &Value| value.as_u64().unwrap_or_else(|| panic!("no line number: {answer}"));
            let (first, last) = match answer.get("lines") {
                Some(lines) => (number(&lines[0]), number(&lines[1])),
                None => (number(&answer["line"]), number(&answer["line"])),
            };
            assert!(answer.get("accepted").is_none(), "it does not say which: {answer}");
            if let Some(count) = answer.get("count") {
                assert_eq!(number(count), last - first + 1, "it does not say which: {answer}");
            }
            answers.extend((first..=last).map(|line| (line, answer["event"] == "accepted")));
        }
        answers
    }

    /// The outcome lines of a plugin's hook.
    pub(crate) fn outcomes<'a>(&'a self, plugin: &'a str, hook: &'a str) -> impl Iterator<Item = &'a Value> {
        self.of("outcome").filter(move |line| line["plugin"] == plugin && line["hook"] == hook)
    }

    /// The sessions, sorted, whose `session-end` has this outcome (with its cause: `failed(deadline)`) in a line.
    pub(crate) fn ends(&self, plugin: &str, outcome: &str) -> Vec<String> {
        let told = self.outcomes(plugin, "session-end").filter(|line| outcome_of(line) == outcome);
        sorted(told.map(|line| line["session"].as_str().unwrap().to_owned()))
    }

    /// The drain line. There is exactly one.
    #[track_caller]
    pub(crate) fn drain(&self) -> &Value {
        let drains: Vec<&Value> = self.of("drain").collect();
        assert_eq!(drains.len(), 1, "one drain line: {drains:?}");
        drains[0]
    }

    /// A number of the drain line.
    #[track_caller]
    pub(crate) fn drained(&self, count: &str) -> u64 {
        self.drain()[count].as_u64().unwrap_or_else(|| panic!("the drain line has no number {count:?}"))
    }

    /// The messages of the drain's warnings named `session-end-drain`.
    #[track_caller]
    pub(crate) fn drain_warnings(&self) -> Vec<&str> {
        let warnings = self.drain()["warnings"].as_array().unwrap().iter();
        warnings.filter(|w| w["name"] == "session-end-drain").map(|w| w["message"].as_str().unwrap()).collect()
    }

    /// What a guest printed, in that order: `session-end s1 attempt=1`.
    pub(crate) fn printed(&self, plugin: &str) -> Vec<String> {
        self.log.iter().filter_map(|line| printed(line)).filter(|(by, _)| by == plugin).map(|(_, text)| text).collect()
    }

    /// The sessions, sorted, of which a guest printed that they ended: an account that is not the program's own.
    pub(crate) fn printed_ends(&self, plugin: &str) -> Vec<String> {
        let printed = self.printed(plugin);
        sorted(
            printed.iter().filter_map(|text| text.strip_prefix("session-end ")?.split(' ').next().map(str::to_owned)),
        )
    }

    /// stderr as one text.
    pub(crate) fn stderr(&self) -> String {
        self.log.join("\n")
    }

    /// stdout of a command that does not speak the protocol.
    pub(crate) fn stdout(&self) -> String {
        self.text.join("\n")
    }
}

/// `delivered`, `failed(deadline)`, `failed(trap: exit)`, `deferred(budget)`.
fn outcome_of(line: &Value) -> String {
    let outcome = line["outcome"].as_str().unwrap();
    match (line["cause"].as_str(), line["which"].as_str()) {
        (None, _) => outcome.to_owned(),
        (Some(cause), None) => format!("{outcome}({cause})"),
        (Some(cause), Some(which)) => format!("{outcome}({cause}: {which})"),
    }
}

/// The plugin and the text of a guest's line in the log: `… INFO plugin=prints session=s1 | session-end s1 attempt=1`, or the same in
/// JSON, as a daemon's log has it.
fn printed(line: &str) -> Option<(String, String)> {
    if line.starts_with('{') {
        let line: Value = serde_json::from_str(line).ok().filter(|line: &Value| line["target"] == "lastword::guest")?;
        return Some((line["plugin"].as_str()?.to_owned(), line["message"].as_str()?.to_owned()));
    }
    let (about, text) = line.split_once(" | ")?;
    let plugin = about.split_whitespace().find_map(|word| word.strip_prefix("plugin="))?;
    Some((plugin.to_owned(), text.to_owned()))
}
