//! The act in which the program is killed, and started again on the same journal.

use std::path::Path;

use super::act::Run;
use super::owner;
use super::program::Program;
use super::protocol::{Line, Outcome, Word};
use crate::console::{BAD, BOLD, GOOD};

/// What its second run did.
struct Again {
    /// Sessions that the first run left.
    recovered: u64,
    ends: Vec<Outcome>,
    /// Ends that the plugin logged itself.
    logged: usize,
    exit_code: Option<i32>,
}

/// Kills the program with sessions open, starts it again, prints what became of them and tells whether all were kept.
pub(super) fn show(lastword: &Path, plugin: &Path, journal: &Path, lines: &[String]) -> anyhow::Result<bool> {
    let open = owner::open_sessions(lines);
    let plugins = [plugin.to_owned()];
    let mut first = Run::of(Program::start(lastword, &plugins, journal)?);
    first.ready()?;
    first.program.tell(lines)?;
    first.outcomes(owner::calls(lines))?;
    first.program.sigkill()?;
    first.end()?;
    anstream::println!("  {BOLD}SIGKILL{BOLD:#}, with {open} sessions open; then it is started again\n");

    let mut second = Run::of(Program::start(lastword, &plugins, journal)?);
    let recovered = second.ready()?;
    let ends = second.outcomes(open)?;
    second.program.sigterm()?;
    let (_, status) = second.end()?;
    let logged =
        second.log.iter().filter(|line| line.contains("session-end ") && line.contains(" reason=crashed")).count();
    Ok(verdict(open, &Again { recovered, ends, logged, exit_code: status.code() }))
}

impl Run {
    /// Waits for the `ready` line, and gives how many sessions an earlier run had left.
    fn ready(&mut self) -> anyhow::Result<u64> {
        loop {
            if let (_, Some(Line::Ready { recovered })) = self.line()? {
                return Ok(recovered.sessions);
            }
        }
    }

    fn outcomes(&mut self, count: usize) -> anyhow::Result<Vec<Outcome>> {
        let mut outcomes = Vec::new();
        while outcomes.len() < count {
            if let (_, Some(Line::Outcome(outcome))) = self.line()? {
                outcomes.push(outcome);
            }
        }
        Ok(outcomes)
    }
}

fn verdict(open: usize, again: &Again) -> bool {
    let crashed = |end: &&Outcome| {
        end.outcome == Word::Delivered && end.hook == "session-end" && end.reason.as_deref() == Some("crashed")
    };
    let delivered = again.ends.iter().filter(crashed).count();
    let promises = [
        (
            again.recovered == u64::try_from(open).unwrap_or(u64::MAX),
            format!("{} of {open} sessions were found in the journal", again.recovered),
        ),
        (
            delivered == open && again.logged == open,
            format!("{delivered} of {open} ends delivered as `crashed`, and the plugin logged {} itself", again.logged),
        ),
        (again.exit_code == Some(0), "nothing is owed any more".to_owned()),
    ];
    for (kept, text) in &promises {
        let (style, mark) = if *kept { (GOOD, '✓') } else { (BAD, '✗') };
        anstream::println!("  {style}{mark}{style:#} {text}");
    }
    promises.iter().all(|(kept, _)| *kept)
}

#[cfg(test)]
mod tests {
    use super::super::tally::tests::call;
    use super::*;

    fn again() -> Again {
        let mut end = call("good", Word::Delivered, None).outcome;
        end.reason = Some("crashed".into());
        Again { recovered: 1, ends: vec![end], logged: 1, exit_code: Some(0) }
    }

    #[test]
    fn a_kept_promise_is_found_kept_and_a_broken_one_broken() {
        assert!(verdict(1, &again()));
        assert!(!verdict(2, &again()));
        assert!(!verdict(1, &Again { logged: 0, ..again() }), "only the report knows of it");
        assert!(!verdict(1, &Again { exit_code: Some(3), ..again() }));
        let mut other = again();
        other.ends[0].reason = Some("shutdown".into());
        assert!(!verdict(1, &other));
    }
}
