//! Judges the calls of a case.

use lastword::CallReport;
use lastword_events::{FailureCause, Outcome};

use super::cases::{Case, Kind};

/// One call.
#[derive(Debug)]
pub(super) struct Tried {
    pub(super) report: CallReport,
    pub(super) printed: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Passed,
    /// The plugin answered, and its operator should know the answer.
    Noted(String),
    Failed(String),
}

/// A case, its two calls and its verdict.
#[derive(Debug)]
pub(super) struct CaseResult {
    pub(super) case: Case,
    pub(super) first: Tried,
    pub(super) second: Tried,
    pub(super) verdict: Verdict,
}

impl CaseResult {
    pub(super) fn new(case: Case, first: Tried, second: Tried) -> Self {
        let verdict = judge(case.kind, &first.report.outcome, &second.report.outcome);
        Self { case, first, second, verdict }
    }

    pub(super) fn passed(&self) -> bool {
        !matches!(self.verdict, Verdict::Failed(_))
    }

    /// Whether both calls used the same fuel.
    pub(super) fn same_fuel(&self) -> bool {
        self.first.report.fuel_used == self.second.report.fuel_used
    }

    pub(super) fn reports(&self) -> [&CallReport; 2] {
        [&self.first.report, &self.second.report]
    }
}

fn judge(kind: Kind, first: &Outcome, second: &Outcome) -> Verdict {
    for (outcome, which) in [(first, ""), (second, "the second time: ")] {
        if let Some(broken) = broken(kind, outcome) {
            return Verdict::Failed(format!("{which}{broken}"));
        }
    }
    // The second call of a redelivery finds the first one's stored values, and a call with little time may or may not
    // finish.
    let may_differ = matches!(kind, Kind::Again | Kind::Hurried);
    if !may_differ && kind_of(first) != kind_of(second) {
        return Verdict::Failed(format!(
            "the same call ended in another way the second time: {}, then {}",
            said(first),
            said(second)
        ));
    }
    match first {
        answer @ Outcome::Failed { .. } if kind == Kind::Ordinary => Verdict::Noted(said(answer)),
        _ => Verdict::Passed,
    }
}

/// Returns the outcome without its message: a guest's words may depend on the moment.
fn kind_of(outcome: &Outcome) -> (&str, Option<&FailureCause>) {
    match outcome {
        Outcome::Failed { cause, .. } => (outcome.as_str(), Some(cause)),
        _ => (outcome.as_str(), None),
    }
}

/// Returns why this outcome is no answer.
pub(super) fn broken(kind: Kind, outcome: &Outcome) -> Option<String> {
    match outcome {
        Outcome::Failed { cause: FailureCause::Retry | FailureCause::Fatal, .. } | Outcome::Delivered => None,
        Outcome::Failed { cause: FailureCause::Deadline, .. } if kind == Kind::Hurried => None,
        other => Some(said(other)),
    }
}

/// Returns the outcome in the words of an operator's log.
pub(super) fn said(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Failed { cause: FailureCause::Retry, message } => format!("it answered retry: {message}"),
        Outcome::Failed { cause: FailureCause::Fatal, message } => format!("it answered fatal: {message}"),
        Outcome::Failed { cause, message } => format!("failed({cause}): {message}"),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KINDS: [Kind; 5] =
        [Kind::Ordinary, Kind::Strange, Kind::Again, Kind::Without(lastword_sandbox::Grant::Http), Kind::Hurried];
    const OK: Outcome = Outcome::Delivered;

    fn failed(cause: FailureCause) -> Outcome {
        Outcome::Failed { cause, message: "why".to_owned() }
    }

    fn retry() -> Outcome {
        failed(FailureCause::Retry)
    }

    fn fails(kind: Kind, first: &Outcome, second: &Outcome) -> bool {
        matches!(judge(kind, first, second), Verdict::Failed(_))
    }

    /// Returns the kinds that fail when the calls end like this.
    fn failing(first: &Outcome, second: &Outcome) -> Vec<Kind> {
        KINDS.into_iter().filter(|kind| fails(*kind, first, second)).collect()
    }

    #[test]
    fn whatever_a_plugin_answers_is_an_answer_and_nothing_else_is() {
        for answer in [OK, retry(), failed(FailureCause::Fatal)] {
            assert_eq!(failing(&answer, &answer), [], "{answer}");
        }
        let trap = FailureCause::Trap("unreachable".to_owned());
        let limit = FailureCause::Limit("host-calls".to_owned());
        for cause in [trap, FailureCause::Fuel, FailureCause::Memory, limit, FailureCause::Host] {
            let none = failed(cause);
            assert_eq!(failing(&none, &none), KINDS, "{none}");
        }
    }

    #[test]
    fn only_who_is_in_a_hurry_may_be_cut_at_the_deadline() {
        let cut = failed(FailureCause::Deadline);
        assert_eq!(failing(&cut, &cut), KINDS[..4]);
    }

    #[test]
    fn the_second_call_must_come_to_an_answer_as_the_first() {
        let trap = failed(FailureCause::Trap("unreachable".to_owned()));
        for kind in KINDS {
            let Verdict::Failed(why) = judge(kind, &OK, &trap) else { panic!("{kind:?} passed") };
            assert!(why.starts_with("the second time: failed(trap: unreachable)"), "{why}");
        }
    }

    #[test]
    fn the_same_call_must_end_the_same_way_unless_it_found_what_the_first_stored_or_was_in_a_hurry() {
        let same = [Kind::Ordinary, Kind::Strange, Kind::Without(lastword_sandbox::Grant::Http)];
        assert_eq!(failing(&OK, &retry()), same);
        assert_eq!(failing(&retry(), &failed(FailureCause::Fatal)), same);
        // Only the words differ.
        let other_words = Outcome::Failed { cause: FailureCause::Retry, message: "at 12:01".to_owned() };
        assert_eq!(failing(&retry(), &other_words), []);
    }

    #[test]
    fn an_answer_that_is_not_ok_is_worth_a_word_on_an_ordinary_day_only() {
        assert_eq!(judge(Kind::Ordinary, &retry(), &retry()), Verdict::Noted("it answered retry: why".to_owned()));
        for kind in &KINDS[1..] {
            assert_eq!(judge(*kind, &retry(), &retry()), Verdict::Passed, "{kind:?}");
        }
    }
}
