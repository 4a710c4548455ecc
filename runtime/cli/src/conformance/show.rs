//! The report for people: a line for each group of cases, and the failures in plain words.

use std::io::{self, Write};

use lastword::Plugin;
use lastword_events::Hook;

use super::advice::Advice;
use super::judge::{self, CaseResult, Verdict};
use super::trial::Trial;
use crate::calls::output::{MUTE, prints};
use crate::style::{BAD, DIM, GOOD, NOTE};
use lastword_config::units::{show_bytes, show_count, show_duration, show_memory};
use lastword_events::text::clip_chars;

/// Lines of output that are shown of a failed call: an exception with its innermost functions, and the text after it.
const FAILED_LINES: usize = 16;
/// Lines of output that are shown of an answered call.
const NOTED_LINES: usize = 3;
/// Characters that are shown of a message.
const MESSAGE_CHARS: usize = 300;

/// Prints the report.
pub(super) fn show(
    out: &mut impl Write,
    trial: &Trial,
    results: &[CaseResult],
    advice: &Option<Advice>,
) -> io::Result<()> {
    head(out, trial.plugin())?;
    for hook in trial.plugin().hooks().iter() {
        writeln!(out, "\n{hook}")?;
        let of_hook: Vec<&CaseResult> = results.iter().filter(|result| result.case.hook == hook).collect();
        for group in groups(&of_hook) {
            show_group(out, &group)?;
        }
    }
    writeln!(out)?;
    if !prints(trial.plugin().imports().iter().map(String::as_str)) {
        writeln!(out, "Its output is {MUTE}.")?;
    }
    loading(out, trial)?;
    sameness(out, results)?;
    if let Some(advice) = advice {
        limits(out, advice)?;
    }
    verdict(out, results)
}

fn head(out: &mut impl Write, plugin: &Plugin) -> io::Result<()> {
    let hooks: Vec<&str> = plugin.hooks().iter().map(Hook::as_str).collect();
    let compiled = match plugin.compiled_in() {
        Some(took) => format!("compiled in {}", show_duration(took)),
        None => "compiled before".to_owned(),
    };
    writeln!(out, "{}: {}; {compiled}", plugin.name(), hooks.join(", "))
}

/// Groups the cases, in their order.
fn groups<'a>(results: &[&'a CaseResult]) -> Vec<Vec<&'a CaseResult>> {
    let mut groups: Vec<Vec<&CaseResult>> = Vec::new();
    for result in results {
        match groups.last_mut() {
            Some(group) if group.first().is_some_and(|first| first.case.group == result.case.group) => {
                group.push(result);
            }
            _ => groups.push(vec![result]),
        }
    }
    groups
}

fn show_group(out: &mut impl Write, group: &[&CaseResult]) -> io::Result<()> {
    let Some(first) = group.first() else { return Ok(()) };
    let failed = group.iter().any(|result| !result.passed());
    let noted = group.iter().any(|result| matches!(result.verdict, Verdict::Noted(_)));
    let (style, mark) = match (failed, noted) {
        (true, _) => (BAD, '✗'),
        (false, true) => (NOTE, '!'),
        (false, false) => (GOOD, '✓'),
    };
    let many = if group.len() > 1 { format!(" ({})", group.len()) } else { String::new() };
    let reports = || group.iter().flat_map(|result| result.reports());
    let fuel = reports().map(|report| report.fuel_used).max().unwrap_or(0);
    let memory = reports().map(|report| report.peak_memory).max().unwrap_or(0);
    let time = reports().map(|report| report.active).max().unwrap_or_default();
    writeln!(
        out,
        "  {style}{mark}{style:#} {:<38}{:>16} fuel  {:>9}  {:>8}",
        format!("{}{many}", first.case.group),
        show_count(fuel),
        show_bytes(memory),
        show_duration(time)
    )?;
    let mut shown: Vec<&str> = Vec::new();
    for result in group {
        let (Verdict::Noted(said) | Verdict::Failed(said)) = &result.verdict else { continue };
        // Eighteen reasons with the same end are shown once.
        if shown.contains(&said.as_str()) {
            continue;
        }
        shown.push(said);
        let same = group.iter().filter(|other| other.verdict == result.verdict).count();
        let more = if same > 1 { format!(" (and {} more)", same - 1) } else { String::new() };
        writeln!(out, "      {}{more}: {}", result.case.name, clip_chars(said, MESSAGE_CHARS))?;
        for line in last_lines(result) {
            writeln!(out, "      {DIM}|{DIM:#} {}", clip_chars(line, MESSAGE_CHARS))?;
        }
    }
    Ok(())
}

/// Returns the last lines of the call that the verdict is about. An exception comes before its language runtime's
/// message, so a failure shows more lines.
fn last_lines(result: &CaseResult) -> &[String] {
    let failed_first = judge::broken(result.case.kind, &result.first.report.outcome).is_some();
    let (tried, most) = match &result.verdict {
        Verdict::Failed(_) if failed_first => (&result.first, FAILED_LINES),
        Verdict::Failed(_) => (&result.second, FAILED_LINES),
        _ => (&result.first, NOTED_LINES),
    };
    tried.printed.get(tried.printed.len().saturating_sub(most)..).unwrap_or_default()
}

fn loading(out: &mut impl Write, trial: &Trial) -> io::Result<()> {
    match trial.ungranted() {
        Some(refusal) => writeln!(out, "Without grants it is refused when it is loaded: {refusal}"),
        None => writeln!(out, "Without grants it is loaded all the same."),
    }
}

fn sameness(out: &mut impl Write, results: &[CaseResult]) -> io::Result<()> {
    let others: Vec<&CaseResult> = results
        .iter()
        .filter(|result| !matches!(result.case.kind, super::cases::Kind::Again | super::cases::Kind::Hurried))
        .filter(|result| !result.same_fuel())
        .collect();
    match others.first() {
        None => writeln!(out, "The same call used the same fuel both times, in every case."),
        Some(one) => writeln!(
            out,
            "The same call does not always use the same fuel ({}: {} and {}): it depends on the time, on random numbers or \
             on a server.",
            one.case.name,
            show_count(one.first.report.fuel_used),
            show_count(one.second.report.fuel_used)
        ),
    }
}

fn limits(out: &mut impl Write, advice: &Advice) -> io::Result<()> {
    writeln!(
        out,
        "It used at most {} fuel, {} and {}. With headroom, for lastword.toml:",
        show_count(advice.fuel_used),
        show_memory(advice.peak_memory, advice.host_memory),
        show_duration(advice.active)
    )?;
    writeln!(out, "\n  {}\n", advice.toml())
}

fn verdict(out: &mut impl Write, results: &[CaseResult]) -> io::Result<()> {
    let failed = results.iter().filter(|result| !result.passed()).count();
    let noted = results.iter().filter(|result| matches!(result.verdict, Verdict::Noted(_))).count();
    let all = results.len();
    match (failed, noted) {
        (0, 0) => writeln!(out, "{GOOD}passed{GOOD:#}: {all} cases"),
        (0, _) => writeln!(
            out,
            "{GOOD}passed{GOOD:#}: {all} cases; in {NOTE}{noted}{NOTE:#} it answered an ordinary event with something else than \
             ok, see !"
        ),
        _ => writeln!(out, "{BAD}failed{BAD:#}: {failed} of {all} cases, see ✗"),
    }
}
