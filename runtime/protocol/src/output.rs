//! The lines that Lastword writes.

use lastword_events::{DeliveryId, DrainReport, DrainWarning, Hook, JournalName, PluginName, Timestamp};
use serde::{Serialize, Serializer};

use super::bad_line::BadLine;

/// A line that Lastword writes, with the fields that the protocol documents, in their order.
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum Output<'a> {
    /// The program is ready. The first line, unless the connection is refused.
    Ready(Ready<'a>),
    /// A line is on record.
    Accepted(Accepted<'a>),
    /// Several lines are on record.
    #[serde(rename = "accepted")]
    AcceptedLines(AcceptedLines),
    /// An attempt has ended, or a delivery was deferred.
    Outcome(Outcome<'a>),
    /// A line is refused.
    Error(Error<'a>),
    /// Several lines are refused.
    #[serde(rename = "error")]
    RefusedLines(RefusedLines<'a>),
    /// The drain is over. The last line.
    Drain(Drain<'a>),
}

impl Output<'_> {
    /// Returns the line with its newline.
    pub fn line(&self) -> Vec<u8> {
        let mut line = Vec::with_capacity(320);
        // Only a map whose keys are no strings could fail, and there is none.
        if serde_json::to_writer(&mut line, self).is_ok() {
            line.push(b'\n');
        } else {
            line.clear();
        }
        line
    }
}

/// The content of the first line.
#[derive(Serialize)]
pub struct Ready<'a> {
    /// The journal's name, which its deliveries carry.
    pub journal: JournalName,
    /// The plugins, in the order of the configuration.
    pub plugins: Vec<ReadyPlugin<'a>>,
    /// Calls that can run at once.
    pub slots: u32,
    /// The reason for their number, if it is known: one word, e.g. `memory`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slots_bound: Option<&'static str>,
    /// The sessions and deliveries that earlier runs left.
    pub recovered: Recovered,
}

/// A plugin that is loaded.
#[derive(Serialize)]
pub struct ReadyPlugin<'a> {
    /// Its name.
    pub name: &'a PluginName,
    /// The hooks that the plugin has.
    pub hooks: Vec<Hook>,
}

/// The numbers of sessions and deliveries that earlier runs left.
#[derive(Serialize)]
pub struct Recovered {
    /// Sessions that were active.
    pub sessions: u64,
    /// Deliveries that were owed besides the ends of these sessions.
    pub deliveries: u64,
}

/// A line that is on record.
#[derive(Serialize)]
pub struct Accepted<'a> {
    /// `start`, `compaction` or `end`.
    pub op: &'static str,
    /// The owner's name for the line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub op_id: Option<&'a str>,
    /// The session's tenant.
    pub tenant: &'a str,
    /// The session's id.
    pub session: &'a str,
    /// The session's generation: how often its id was started.
    pub generation: u32,
    /// The owner's line, from 1.
    pub line: u64,
    /// Whether the session was active already.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub updated: bool,
    /// Why the line has no effect, e.g. `duplicate_end`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<&'static str>,
    /// The fields that did not fit and were dropped.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    pub dropped: &'a [String],
}

/// Several accepted lines, for a reader that is far behind.
#[derive(Serialize)]
pub struct AcceptedLines {
    /// The first and the last.
    pub lines: [u64; 2],
    /// How many, if lines between them had no answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// `not_kept`: some answers had more to say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<&'static str>,
}

/// Several lines, some or all of them refused, for a reader that is far behind.
#[derive(Serialize)]
pub struct RefusedLines<'a> {
    /// The first and the last.
    pub lines: [u64; 2],
    /// How many were refused.
    pub count: u64,
    /// How many were accepted.
    #[serde(skip_serializing_if = "is_zero")]
    pub accepted: u64,
    /// `not_kept`.
    pub code: &'static str,
    /// The meaning of the code, for people.
    pub message: &'a str,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// A line that is refused.
#[derive(Serialize)]
pub struct Error<'a> {
    /// The owner's line, from 1.
    pub line: u64,
    /// The field that is wrong, if it is a field.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<&'a str>,
    /// A stable word for programs.
    pub code: &'static str,
    /// The mistake and the remedy, for people.
    pub message: &'a str,
}

impl<'a> Error<'a> {
    /// The error of a line.
    pub fn new(line: u64, bad: &'a BadLine) -> Self {
        Self { line, field: bad.field.as_deref(), code: bad.code, message: &bad.message }
    }
}

/// How an attempt ended, or why a delivery was deferred.
#[derive(Serialize)]
pub struct Outcome<'a> {
    /// The delivery's id.
    pub delivery: &'a DeliveryId,
    /// The plugin that is owed the delivery.
    pub plugin: &'a PluginName,
    /// The hook that was called.
    pub hook: Hook,
    /// The session's tenant.
    pub tenant: &'a str,
    /// The session's id.
    pub session: &'a str,
    /// The session's generation: how often its id was started.
    pub generation: u32,
    /// Why the session ended. Only of ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'a str>,
    /// The number of the attempt, from 1.
    pub attempt: u32,
    /// Whether newer events of the session went ahead.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub late: bool,
    /// The fields `outcome`, `cause`, `which` and `message`.
    #[serde(flatten)]
    pub outcome: &'a lastword_events::Outcome,
    /// Failed attempts so far.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failures: Option<u32>,
    /// When the next attempt is due.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<Timestamp>,
    /// Whether the delivery failed for good and waits for an operator.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub dead: bool,
    /// The cost of the call. `None`: there was no call.
    #[serde(flatten)]
    pub cost: Option<Cost>,
}

/// The cost of a call.
#[derive(Serialize)]
pub struct Cost {
    /// The wall time, in microseconds.
    pub wall_us: u64,
    /// The used fuel, in units.
    pub fuel: u64,
    /// The largest memory, in bytes: the guest's, and the part that the host kept for it.
    pub peak_memory_bytes: u64,
    /// The part that the host kept, in bytes. Omitted if it is zero.
    #[serde(skip_serializing_if = "is_zero")]
    pub host_memory_bytes: u64,
}

/// The result of the drain.
#[derive(Serialize)]
pub struct Drain<'a> {
    /// The reason of the drain.
    pub reason: &'a str,
    /// The budget, in milliseconds.
    pub budget_ms: u64,
    /// The duration, in milliseconds.
    pub elapsed_ms: u64,
    /// Sessions that it ended.
    pub sessions: u64,
    /// Ends that were delivered.
    pub delivered: u64,
    /// Deliveries whose attempt failed.
    pub failed: u64,
    /// Ends that are left for the next start.
    pub deferred: u64,
    /// Whether the budget ended the drain.
    pub timed_out: bool,
    /// Warnings for the operator.
    #[serde(serialize_with = "warnings")]
    pub warnings: &'a [DrainWarning],
    /// Lines that were not written: the reader was too slow, or the budget was over.
    pub dropped_lines: u64,
}

impl<'a> Drain<'a> {
    /// The line of a report. `reason` is the report's, as text.
    pub fn new(report: &'a DrainReport, reason: &'a str, dropped_lines: u64) -> Self {
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

    use lastword_events::{DRAIN_WARNING, DrainReason, FailureCause};

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
            slots: 4096,
            slots_bound: Some("default"),
            recovered: Recovered { sessions: 0, deliveries: 0 },
        };
        assert_eq!(
            text(&Output::Ready(ready)),
            "{\"event\":\"ready\",\"journal\":\"k3f9a2c1\",\"plugins\":[{\"name\":\"memory\",\"hooks\":[\"session-end\",\"session-start\"]}],\"slots\":4096,\"slots_bound\":\"default\",\"recovered\":{\"sessions\":0,\"deliveries\":0}}\n"
        );
        let accepted = Accepted {
            op: "start",
            op_id: Some("a-1"),
            tenant: "acme",
            session: "s1",
            generation: 1,
            line: 1,
            updated: false,
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
            outcome: &lastword_events::Outcome::Delivered,
            failures: None,
            retry_at: None,
            dead: false,
            cost: Some(Cost { wall_us: 412, fuel: 18_233, peak_memory_bytes: 1_114_112, host_memory_bytes: 1_024 }),
        };
        let start = "{\"event\":\"outcome\",\"delivery\":\"k3f9a2c1.17/session-end/memory\",\"plugin\":\"memory\",\"hook\":\"session-end\",\"tenant\":\"acme\",\"session\":\"s1\",\"generation\":1,\"reason\":\"reset\",\"attempt\":1,";
        let over_limit = lastword_events::Outcome::Failed {
            cause: FailureCause::Limit("host-calls".to_owned()),
            message: "made more than its 100000 host calls".to_owned(),
        };
        let failed = Outcome {
            outcome: &over_limit,
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
        for (host_memory_bytes, said) in [(0, ""), (1_024, ",\"host_memory_bytes\":1024")] {
            let cost = Cost { wall_us: 412, fuel: 18_233, peak_memory_bytes: 1_114_112, host_memory_bytes };
            assert_eq!(
                text(&Output::Outcome(Outcome { cost: Some(cost), ..delivered })),
                format!(
                    "{start}\"outcome\":\"delivered\",\"wall_us\":412,\"fuel\":18233,\"peak_memory_bytes\":1114112{said}}}\n"
                )
            );
        }
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
