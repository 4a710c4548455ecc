use lastword_events::{DeliveryId, DrainReport, DrainWarning, Hook, JournalName, PluginName, Timestamp};
use serde::{Serialize, Serializer};

use super::fields::BadLine;

/// Our lines, in the order and with the fields that the protocol documents.
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub(crate) enum Output<'a> {
    Ready(Ready<'a>),
    Accepted(Accepted<'a>),
    #[serde(rename = "accepted")]
    AcceptedLines(AcceptedLines),
    Outcome(Outcome<'a>),
    Error(Error<'a>),
    #[serde(rename = "error")]
    RefusedLines(RefusedLines<'a>),
    Drain(Drain<'a>),
}

impl Output<'_> {
    /// The line, with its newline.
    pub(crate) fn line(&self) -> Vec<u8> {
        let mut line = Vec::with_capacity(320);
        // Only a map with keys that are no strings could fail, and there is none.
        if serde_json::to_writer(&mut line, self).is_ok() {
            line.push(b'\n');
        } else {
            line.clear();
        }
        line
    }
}

#[derive(Serialize)]
pub(crate) struct Ready<'a> {
    pub(crate) journal: JournalName,
    pub(crate) plugins: Vec<ReadyPlugin<'a>>,
    /// Calls that can be under way at once.
    pub(crate) slots: u32,
    pub(crate) recovered: Recovered,
}

#[derive(Serialize)]
pub(crate) struct ReadyPlugin<'a> {
    pub(crate) name: &'a PluginName,
    pub(crate) hooks: Vec<Hook>,
}

#[derive(Serialize)]
pub(crate) struct Recovered {
    pub(crate) sessions: u64,
    pub(crate) deliveries: u64,
}

#[derive(Serialize)]
pub(crate) struct Accepted<'a> {
    /// `start`, `compaction` or `end`.
    pub(crate) op: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) op_id: Option<&'a str>,
    pub(crate) tenant: &'a str,
    pub(crate) session: &'a str,
    pub(crate) generation: u32,
    pub(crate) line: u64,
    /// The session was active already.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) renoted: bool,
    /// Why it is acknowledged and nothing more, e.g. `duplicate_end`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) code: Option<&'static str>,
    /// What did not fit and was left out.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    pub(crate) dropped: &'a [String],
}

/// Several accepted lines, for a reader that is far behind.
#[derive(Serialize)]
pub(crate) struct AcceptedLines {
    /// The first and the last.
    pub(crate) lines: [u64; 2],
    /// How many, if lines between them had no answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) count: Option<u64>,
    /// `not_kept`: more was said of some.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) code: Option<&'static str>,
}

/// Several lines of which some or all were refused, for a reader that is far behind.
#[derive(Serialize)]
pub(crate) struct RefusedLines<'a> {
    /// The first and the last.
    pub(crate) lines: [u64; 2],
    /// How many were refused.
    pub(crate) count: u64,
    /// How many were accepted.
    #[serde(skip_serializing_if = "is_none")]
    pub(crate) accepted: u64,
    pub(crate) code: &'static str,
    pub(crate) message: &'a str,
}

fn is_none(count: &u64) -> bool {
    *count == 0
}

#[derive(Serialize)]
pub(crate) struct Error<'a> {
    pub(crate) line: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) field: Option<&'a str>,
    pub(crate) code: &'static str,
    pub(crate) message: &'a str,
}

impl<'a> Error<'a> {
    pub(crate) fn new(line: u64, bad: &'a BadLine) -> Self {
        Self { line, field: bad.field.as_deref(), code: bad.code, message: &bad.message }
    }
}

#[derive(Serialize)]
pub(crate) struct Outcome<'a> {
    pub(crate) delivery: &'a DeliveryId,
    pub(crate) plugin: &'a PluginName,
    pub(crate) hook: Hook,
    pub(crate) tenant: &'a str,
    pub(crate) session: &'a str,
    pub(crate) generation: u32,
    /// Only ends have one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<&'a str>,
    pub(crate) attempt: u32,
    /// Newer events of the session went ahead.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) late: bool,
    /// `delivered`, `failed` or `deferred`.
    pub(crate) outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cause: Option<&'a str>,
    /// Which trap, or which limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) which: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) message: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) failures: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) retry_at: Option<Timestamp>,
    /// It failed for good and waits for an operator.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) dead: bool,
    /// What the call cost; nothing when there was none.
    #[serde(flatten)]
    pub(crate) cost: Option<Cost>,
}

#[derive(Serialize)]
pub(crate) struct Cost {
    pub(crate) wall_us: u64,
    pub(crate) fuel: u64,
    pub(crate) peak_memory_bytes: u64,
}

#[derive(Serialize)]
pub(crate) struct Drain<'a> {
    pub(crate) reason: &'a str,
    pub(crate) budget_ms: u64,
    pub(crate) elapsed_ms: u64,
    pub(crate) sessions: u64,
    pub(crate) delivered: u64,
    pub(crate) failed: u64,
    pub(crate) deferred: u64,
    pub(crate) timed_out: bool,
    #[serde(serialize_with = "warnings")]
    pub(crate) warnings: &'a [DrainWarning],
    pub(crate) dropped_lines: u64,
}

impl<'a> Drain<'a> {
    /// `reason` is `report`'s, as text.
    pub(crate) fn new(report: &'a DrainReport, reason: &'a str, dropped_lines: u64) -> Self {
        Self {
            reason,
            budget_ms: millis(report.budget),
            elapsed_ms: millis(report.elapsed),
            sessions: report.sessions,
            delivered: report.delivered,
            failed: report.failed,
            deferred: report.deferred,
            timed_out: report.timed_out,
            warnings: &report.warnings,
            dropped_lines,
        }
    }
}

fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn warnings<S: Serializer>(warnings: &[DrainWarning], serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Warning<'a> {
        name: &'a str,
        message: &'a str,
    }
    serializer.collect_seq(warnings.iter().map(|w| Warning { name: w.name, message: &w.message }))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use lastword_events::{DRAIN_WARNING, DrainReason};

    use super::*;

    fn text(output: &Output<'_>) -> String {
        String::from_utf8(output.line()).unwrap()
    }

    #[test]
    fn the_lines_are_those_of_the_design_document() {
        let journal: JournalName = "k3f9a2c1".parse().unwrap();
        let memory = PluginName::new("memory").unwrap();
        let ready = Ready {
            journal,
            plugins: vec![ReadyPlugin { name: &memory, hooks: vec![Hook::SessionEnd, Hook::SessionStart] }],
            slots: 256,
            recovered: Recovered { sessions: 0, deliveries: 0 },
        };
        assert_eq!(
            text(&Output::Ready(ready)),
            "{\"event\":\"ready\",\"journal\":\"k3f9a2c1\",\"plugins\":[{\"name\":\"memory\",\"hooks\":[\"session-end\",\"session-start\"]}],\"slots\":256,\"recovered\":{\"sessions\":0,\"deliveries\":0}}\n"
        );
        let accepted = Accepted {
            op: "start",
            op_id: Some("a-1"),
            tenant: "acme",
            session: "s1",
            generation: 1,
            line: 1,
            renoted: false,
            code: None,
            dropped: &[],
        };
        assert_eq!(
            text(&Output::Accepted(accepted)),
            "{\"event\":\"accepted\",\"op\":\"start\",\"op_id\":\"a-1\",\"tenant\":\"acme\",\"session\":\"s1\",\"generation\":1,\"line\":1}\n"
        );
        let bad = BadLine::field("session.id", "empty_id", "session.id must not be empty");
        assert_eq!(
            text(&Output::Error(Error::new(7, &bad))),
            "{\"event\":\"error\",\"line\":7,\"field\":\"session.id\",\"code\":\"empty_id\",\"message\":\"session.id must not be empty\"}\n"
        );
    }

    #[test]
    fn an_outcome_line_has_what_its_outcome_needs() {
        let id: DeliveryId = "k3f9a2c1.17/session-end/memory".parse().unwrap();
        let delivered = Outcome {
            delivery: &id,
            plugin: &id.plugin,
            hook: Hook::SessionEnd,
            tenant: "acme",
            session: "s1",
            generation: 1,
            reason: Some("reset"),
            attempt: 1,
            late: false,
            outcome: "delivered",
            cause: None,
            which: None,
            message: None,
            failures: None,
            retry_at: None,
            dead: false,
            cost: Some(Cost { wall_us: 412, fuel: 18_233, peak_memory_bytes: 1_114_112 }),
        };
        let start = "{\"event\":\"outcome\",\"delivery\":\"k3f9a2c1.17/session-end/memory\",\"plugin\":\"memory\",\"hook\":\"session-end\",\"tenant\":\"acme\",\"session\":\"s1\",\"generation\":1,\"reason\":\"reset\",\"attempt\":1,";
        let failed = Outcome {
            outcome: "failed",
            cause: Some("limit"),
            which: Some("host-calls"),
            message: Some("made more than its 100000 host calls"),
            failures: Some(1),
            retry_at: Some("2026-11-21T07:00:01Z".parse().unwrap()),
            cost: None,
            delivery: &id,
            plugin: &id.plugin,
            ..delivered
        };
        assert_eq!(
            text(&Output::Outcome(failed)),
            format!(
                "{start}\"outcome\":\"failed\",\"cause\":\"limit\",\"which\":\"host-calls\",\"message\":\"made more than its 100000 host calls\",\"failures\":1,\"retry_at\":\"2026-11-21T07:00:01.000Z\"}}\n"
            )
        );
        let delivered =
            Outcome { cost: Some(Cost { wall_us: 412, fuel: 18_233, peak_memory_bytes: 1_114_112 }), ..delivered };
        assert_eq!(
            text(&Output::Outcome(delivered)),
            format!(
                "{start}\"outcome\":\"delivered\",\"wall_us\":412,\"fuel\":18233,\"peak_memory_bytes\":1114112}}\n"
            )
        );
    }

    #[test]
    fn a_drain_line_counts_what_was_owed_and_names_its_warnings() {
        let mut report = DrainReport::empty(DrainReason::Shutdown, Duration::from_secs(2));
        report.elapsed = Duration::from_millis(31);
        (report.sessions, report.delivered) = (3, 3);
        assert_eq!(
            text(&Output::Drain(Drain::new(&report, "shutdown", 0))),
            "{\"event\":\"drain\",\"reason\":\"shutdown\",\"budget_ms\":2000,\"elapsed_ms\":31,\"sessions\":3,\"delivered\":3,\"failed\":0,\"deferred\":0,\"timed_out\":false,\"warnings\":[],\"dropped_lines\":0}\n"
        );
        report.warnings.push(DrainWarning::new(DRAIN_WARNING, "1 of 3 is left".into()));
        let line = text(&Output::Drain(Drain::new(&report, "shutdown", 7)));
        assert!(
            line.contains(r#""warnings":[{"name":"session-end-drain","message":"1 of 3 is left"}],"dropped_lines":7"#)
        );
    }
}
