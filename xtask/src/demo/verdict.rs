//! Says whether an act kept the promises.

use std::time::Duration;

use super::act::Played;
use super::protocol::Word;
use super::tally;
use crate::console::{BAD, GOOD, time};

/// From the receipt of the signal to the end of the process: at most the budget and this. The one slack of the design.
const SLACK: Duration = Duration::from_millis(100);

/// What the good plugin's own line for an end by this drain holds, and no other line does.
const LOGGED: [&str; 3] = ["session-end ", " reason=shutdown", " delivery="];

/// What the act must show.
#[derive(Clone, Copy)]
pub(super) enum Expected {
    /// Every end was delivered.
    AllDelivered,
    /// Every end was delivered to this plugin, whatever became of the others'.
    DeliveredBy(&'static str),
}

/// Prints the verdict, a line a promise, and tells whether all were kept.
pub(super) fn show(played: &Played, expected: Expected) -> bool {
    let promises = [delivered(played, expected), accounted(played), in_time(played), code(played, expected)];
    for (kept, text) in &promises {
        let (style, mark) = if *kept { (GOOD, '✓') } else { (BAD, '✗') };
        anstream::println!("  {style}{mark}{style:#} {text}");
    }
    promises.iter().all(|(kept, _)| *kept)
}

/// Counted twice: in the outcomes, and in what the plugin itself printed.
fn delivered(played: &Played, expected: Expected) -> (bool, String) {
    let name = match expected {
        Expected::AllDelivered => None,
        Expected::DeliveredBy(name) => Some(name),
    };
    let tallies = tally::by_plugin(&played.calls);
    let delivered: usize = tallies
        .iter()
        .filter(|tally| name.is_none_or(|name| tally.plugin == name))
        .map(|tally| tally.count(Word::Delivered))
        .sum();
    let logged = played.log.iter().filter(|line| LOGGED.iter().all(|part| line.contains(part))).count();
    let text = format!(
        "{delivered} of {} ends delivered to {}, which logged {logged} of them itself",
        played.open,
        name.unwrap_or("the plugin"),
    );
    (delivered == played.open && logged == played.open, text)
}

/// What was owed has exactly one outcome each.
fn accounted(played: &Played) -> (bool, String) {
    let drain = &played.drain;
    let owed = u64::try_from(played.open * played.plugins.len()).unwrap_or(u64::MAX);
    let text = format!(
        "{owed} ends owed = {} delivered + {} failed + {} deferred, of {} sessions ({})",
        drain.delivered, drain.failed, drain.deferred, drain.sessions, drain.reason
    );
    (
        drain.delivered + drain.failed + drain.deferred == owed
            && played.calls.len() == played.open * played.plugins.len(),
        text,
    )
}

fn in_time(played: &Played) -> (bool, String) {
    let budget = Duration::from_millis(played.drain.budget_ms);
    let text = format!(
        "drained in {} of a budget of {}; signal to exit {}",
        // Reported in whole milliseconds.
        match played.drain.elapsed_ms {
            0 => "less than 1 ms".to_owned(),
            ms => time(Duration::from_millis(ms)),
        },
        time(budget),
        time(played.ended_after),
    );
    (played.ended_after <= budget + SLACK, text)
}

fn code(played: &Played, expected: Expected) -> (bool, String) {
    let meaning = match played.exit_code {
        Some(0) => "everything was delivered",
        Some(3) => "ends are still owed, and safe in the journal",
        _ => "not an end of a drain",
    };
    let good = match expected {
        Expected::AllDelivered => played.exit_code == Some(0),
        Expected::DeliveredBy(_) => played.exit_code == Some(3),
    };
    let code = played.exit_code.map_or_else(|| "none: killed".to_owned(), |code| code.to_string());
    (good, format!("exit code {code}: {meaning}"))
}

#[cfg(test)]
mod tests {
    use super::super::protocol::Drain;
    use super::super::tally::tests::call;
    use super::*;

    fn played() -> Played {
        let line = "INFO plugin: session-end t/s1#1 reason=shutdown delivery=d attempt=1";
        Played {
            plugins: vec!["good.wasm".into(), "spin.wasm".into()],
            open: 1,
            before: vec![],
            calls: vec![call("good", Word::Delivered, None), call("spin", Word::Failed, Some("deadline"))],
            drain: Drain {
                reason: "shutdown".into(),
                budget_ms: 2000,
                elapsed_ms: 512,
                sessions: 1,
                delivered: 1,
                failed: 1,
                deferred: 0,
            },
            reported_after: Duration::from_millis(513),
            ended_after: Duration::from_millis(520),
            exit_code: Some(3),
            log: vec![line.into()],
        }
    }

    const GOOD_ONE: Expected = Expected::DeliveredBy("good");

    #[test]
    fn kept_promises_are_found_kept() {
        assert!(show(&played(), GOOD_ONE));
    }

    #[test]
    fn an_end_that_only_the_report_knows_of_is_no_delivery() {
        let played = Played { log: vec![], ..played() };
        assert!(!delivered(&played, GOOD_ONE).0);
        assert!(!delivered(&super::tests::played(), Expected::DeliveredBy("spin")).0);
    }

    #[test]
    fn an_end_without_an_outcome_is_noticed() {
        let mut played = played();
        played.calls.pop();
        assert!(!accounted(&played).0);
        played.drain.failed = 0;
        assert!(!accounted(&played).0);
    }

    #[test]
    fn an_exit_after_the_budget_and_its_slack_is_too_late() {
        let at = |ms| in_time(&Played { ended_after: Duration::from_millis(ms), ..played() }).0;
        assert!(at(2100));
        assert!(!at(2101));
    }

    #[test]
    fn the_exit_code_must_tell_what_is_owed() {
        assert!(!code(&played(), Expected::AllDelivered).0);
        let killed = Played { exit_code: None, ..played() };
        assert_eq!(code(&killed, GOOD_ONE), (false, "exit code none: killed: not an end of a drain".to_owned()));
    }
}
