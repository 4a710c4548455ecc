//! Prints the report of `lastword run`.

use std::io::{self, Write};

use lastword::{CallReport, Plugin};
use lastword_events::{FailureCause, Hook, Outcome};

use crate::calls::output::{MUTE, Printed, prints};
use crate::calls::stored;
use crate::style::{BAD, DIM, GOOD};
use lastword_config::units::{show_bytes, show_count, show_duration, show_memory};

/// Prints the report for a person. `stores`: the plugin was granted key-value storage.
pub(super) fn show(
    out: &mut impl Write,
    plugin: &Plugin,
    hook: Hook,
    report: &CallReport,
    stores: bool,
    printed: &[Printed],
    command: &str,
) -> io::Result<()> {
    let (style, outcome) = match &report.outcome {
        Outcome::Delivered => (GOOD, "delivered".to_owned()),
        Outcome::Failed { cause, message } => (BAD, format!("{}: {message}", report_cause(cause))),
        deferred @ Outcome::Deferred(_) => (BAD, deferred.to_string()),
    };
    writeln!(out, "{hook} of {}: {style}{outcome}{style:#}", plugin.name())?;
    writeln!(out)?;
    match printed {
        [] if !prints(plugin.imports().iter().map(String::as_str)) => writeln!(out, "  output  {DIM}{MUTE}{DIM:#}")?,
        [] => writeln!(out, "  output  {DIM}(nothing){DIM:#}")?,
        lines => {
            for (number, Printed { line, stderr }) in lines.iter().enumerate() {
                let label = if number == 0 { "output" } else { "" };
                let mark = if *stderr { "!" } else { "|" };
                writeln!(out, "  {label:6}  {DIM}{mark}{DIM:#} {line}")?;
            }
        }
    }
    if stores {
        stored::show(out, &report.changes)?;
    }
    let limits = plugin.limits();
    // The engine counts fuel in a register and stores it at calls, so the count of a cut guest is a lower bound.
    let cut = matches!(&report.outcome, Outcome::Failed { cause: FailureCause::Deadline, .. });
    let least = if cut { "at least " } else { "" };
    writeln!(out, "  fuel    {least}{} of {}", show_count(report.fuel_used), show_count(limits.fuel))?;
    let memory = show_memory(report.peak_memory, report.host_memory);
    writeln!(out, "  memory  {memory} of {} at most", show_bytes(limits.memory))?;
    let (active, wall) = (show_duration(report.active), show_duration(report.wall));
    writeln!(out, "  time    {active} of {} (by the clock {wall})", show_duration(limits.deadline))?;
    writeln!(out)?;
    writeln!(out, "{DIM}The same call by hand:{DIM:#}")?;
    writeln!(out, "{command}")
}

fn report_cause(cause: &FailureCause) -> String {
    format!("failed({cause})")
}
