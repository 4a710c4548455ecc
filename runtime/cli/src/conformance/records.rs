//! The report for programs: a JSON object for each case, one a line, and a summary.

use std::io::{self, Write};

use lastword_events::{Outcome, PluginName};
use serde_json::{Value, json};

use super::advice::Advice;
use super::judge::{CaseResult, Tried, Verdict};

/// One case.
pub(super) fn case(out: &mut impl Write, result: &CaseResult) -> io::Result<()> {
    let (verdict, message) = match &result.verdict {
        Verdict::Passed => ("passed", None),
        Verdict::Noted(note) => ("noted", Some(note)),
        Verdict::Failed(why) => ("failed", Some(why)),
    };
    let line = json!({
        "hook": result.case.hook.as_str(),
        "case": result.case.name,
        "verdict": verdict,
        "message": message,
        "calls": [call(&result.first), call(&result.second)],
    });
    writeln!(out, "{line}")
}

fn call(tried: &Tried) -> Value {
    let report = &tried.report;
    let (cause, message) = match &report.outcome {
        Outcome::Failed { cause, message } => (Some(cause.to_string()), Some(message)),
        _ => (None, None),
    };
    json!({
        "outcome": report.outcome.as_str(),
        "cause": cause,
        "message": message,
        "fuel": report.fuel_used,
        "peak_memory_bytes": report.peak_memory,
        "host_memory_bytes": report.host_memory,
        "active_us": u64::try_from(report.active.as_micros()).unwrap_or(u64::MAX),
        "printed": tried.printed,
    })
}

/// Writes the summary of all cases, and the suggested limits.
pub(super) fn summary(
    out: &mut impl Write,
    plugin: &PluginName,
    results: &[CaseResult],
    advice: &Option<Advice>,
) -> io::Result<()> {
    let failed = results.iter().filter(|result| !result.passed()).count();
    let noted = results.iter().filter(|result| matches!(result.verdict, Verdict::Noted(_))).count();
    let limits = advice.as_ref().map(|advice| {
        json!({
            "fuel": advice.fuel,
            "memory_bytes": advice.memory,
            "deadline_ms": u64::try_from(advice.deadline.as_millis()).unwrap_or(u64::MAX),
        })
    });
    let line = json!({
        "plugin": plugin.as_str(),
        "cases": results.len(),
        "failed": failed,
        "noted": noted,
        "passed": failed == 0,
        "suggested_limits": limits,
    });
    writeln!(out, "{line}")
}
