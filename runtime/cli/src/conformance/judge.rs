//! What to think of a case.

use lastword::Report;
use lastword_events::{FailureCause, Outcome};

use super::cases::{Case, Kind};

/// One call.
#[derive(Debug)]
pub(super) struct Tried {
    pub(super) report: Report,
    pub(super) printed: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Passed,
    /// It answered, and its operator should know what.
    Noted(String),
    Failed(String),
}

/// A case, its two calls, and what to think of them.
#[derive(Debug)]
pub(super) struct CaseResult {
    pub(super) case: Case,
    pub(super) first: Tried,
    pub(super) second: Tried,
    pub(super) verdict: Verdict,
}

impl CaseResult {
    pub(super) fn new(case: Case, first: Tried, second: Tried) -> Self {
        let verdict = judge(case.kind, &first.report, &second.report);
        Self { case, first, second, verdict }
    }

    pub(super) fn passed(&self) -> bool {
        !matches!(self.verdict, Verdict::Failed(_))
    }

    /// Whether both calls used the same fuel.
    pub(super) fn same_fuel(&self) -> bool {
        self.first.report.fuel_used == self.second.report.fuel_used
    }

    pub(super) fn reports(&self) -> [&Report; 2] {
        [&self.first.report, &self.second.report]
    }
}

fn judge(kind: Kind, first: &Report, second: &Report) -> Verdict {
    for (report, which) in [(first, ""), (second, "the second time: ")] {
        if let Some(broken) = broken(kind, &report.outcome) {
            return Verdict::Failed(format!("{which}{broken}"));
        }
    }
    // The second call of a redelivery finds what the first has stored; and who is in a hurry may or may not get it done.
    let may_differ = matches!(kind, Kind::Again | Kind::Hurried);
    if !may_differ && kind_of(&first.outcome) != kind_of(&second.outcome) {
        return Verdict::Failed(format!(
            "the same call ended in another way the second time: {}, then {}",
            said(&first.outcome),
            said(&second.outcome)
        ));
    }
    match &first.outcome {
        answer @ Outcome::Failed { .. } if kind == Kind::Ordinary => Verdict::Noted(said(answer)),
        _ => Verdict::Passed,
    }
}

/// The outcome without its message: which words a guest chooses may depend on the moment.
fn kind_of(outcome: &Outcome) -> (&str, Option<&FailureCause>) {
    match outcome {
        Outcome::Failed { cause, .. } => (outcome.as_str(), Some(cause)),
        _ => (outcome.as_str(), None),
    }
}

/// Why this is no answer.
fn broken(kind: Kind, outcome: &Outcome) -> Option<String> {
    match outcome {
        Outcome::Failed { cause: FailureCause::Retry | FailureCause::Fatal, .. } | Outcome::Delivered => None,
        Outcome::Failed { cause: FailureCause::Deadline, .. } if kind == Kind::Hurried => None,
        other => Some(said(other)),
    }
}

/// In the words of an operator's log.
pub(super) fn said(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Failed { cause: FailureCause::Retry, message } => format!("it answered retry: {message}"),
        Outcome::Failed { cause: FailureCause::Fatal, message } => format!("it answered fatal: {message}"),
        Outcome::Failed { cause, message } => format!("failed({cause}): {message}"),
        other => other.to_string(),
    }
}
