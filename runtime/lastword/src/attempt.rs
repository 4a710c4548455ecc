use lastword_events::{Deferral, Outcome};
use lastword_sandbox::Report;

use crate::owed::Owed;

/// An attempt that is over, before anyone has said what becomes of its delivery.
#[derive(Debug)]
pub(crate) struct Attempt {
    pub(crate) owed: Owed,
    pub(crate) outcome: Outcome,
    /// None when the call was cut by the budget: it never came to report.
    pub(crate) report: Option<Report>,
}

impl Attempt {
    pub(crate) fn finished(owed: Owed, report: Report) -> Self {
        Self { owed, outcome: report.outcome.clone(), report: Some(report) }
    }

    pub(crate) fn cut(owed: Owed) -> Self {
        Self { owed, outcome: Outcome::Deferred(Deferral::Budget), report: None }
    }
}
