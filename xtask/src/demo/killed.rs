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
    /// Calls of the first run that were made again, because they were not written down yet when it was killed.
    repeated: usize,
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
    let (ends, repeated) = second.ends(open)?;
    second.program.sigterm()?;
    let (_, status) = second.end()?;
    let logged =
        second.log.iter().filter(|line| line.contains("session-end ") && line.contains(" reason=crashed")).count();
    Ok(verdict(open, &Again { recovered, ends, repeated, logged, exit_code: status.code() }))
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

    /// Waits for the ends of the sessions that the first run left, and counts the other calls.
    fn ends(&mut self, count: usize) -> anyhow::Result<(Vec<Outcome>, usize)> {
        let (mut ends, mut others) = (Vec::new(), 0);
        while ends.len() < count {
            match self.outcomes(1)?.pop() {
                Some(outcome) if is_left(&outcome) => ends.push(outcome),
                _ => others += 1,
            }
        }
        Ok((ends, others))
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

/// Whether it tells of a session that the first run had left.
fn is_left(outcome: &Outcome) -> bool {
    outcome.hook == "session-end" && outcome.reason.as_deref() == Some("crashed")
}

fn verdict(open: usize, again: &Again) -> bool {
    let delivered = again.ends.iter().filter(|end| end.outcome == Word::Delivered && is_left(end)).count();
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
    if again.repeated > 0 {
        let calls = again.repeated;
        anstream::println!(
            "    ({calls} calls of the first run were not written down yet, and were made again: at least once)"
        );
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
        Again { recovered: 1, ends: vec![end], repeated: 0, logged: 1, exit_code: Some(0) }
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
