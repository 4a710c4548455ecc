use std::time::Duration;

use lastword_events::{Deferral, FailureCause, Outcome};

use crate::dispatch::{Job, Taken};
use crate::limits::{DENSEST_FUEL_PER_NANOSECOND, MAX_PUT_BACKS};
use crate::owed::Owed;
use crate::sandbox::{CallReport, Change};

/// What a worker has done of a queue in one slice.
#[derive(Debug, Default)]
pub(crate) struct Served {
    pub(crate) time: Duration,
    /// Calls that have come to an outcome.
    pub(crate) attempts: Vec<Attempt>,
    /// Calls that were put back. They are the first that are begun again.
    pub(crate) put_back: Vec<PutBack>,
    /// Deliveries that the worker had taken and did not begin.
    pub(crate) unbegun: Vec<Taken>,
}

/// A call that gave up what it held, for want of something that others hold: there was no attempt.
#[derive(Debug)]
pub(crate) struct PutBack {
    pub(crate) owed: Owed,
    pub(crate) why: Deferral,
    /// What it costs the tenant, in units of fuel.
    pub(crate) fuel: u64,
}

impl PutBack {
    /// `ran` as for [`Attempt::finished`].
    ///
    /// # Errors
    /// Its calls have run and were put back too often: it has failed.
    pub(crate) fn new(
        mut owed: Owed,
        why: Deferral,
        mut report: CallReport,
        ran: Duration,
    ) -> Result<Self, Box<Attempt>> {
        let fuel = fuel_of(&report, ran);
        if report.fuel_used > 0 && !owed.may_be_put_back() {
            let message = format!("was put back {MAX_PUT_BACKS} times, for want of memory that others held");
            report.outcome = Outcome::Failed { cause: FailureCause::Memory, message };
            return Err(Box::new(Attempt::finished(owed, report, ran)));
        }
        owed.put_back(report.counted_memory);
        owed.wanted_host_memory = report.wanted_host_memory;
        Ok(Self { owed, why, fuel })
    }

    /// What is to be begun again. Its call has given back what it had reserved.
    pub(crate) fn again(self) -> Taken {
        let reserved = self.owed.reserved;
        Taken { job: Job::Owed(self.owed), reserved, memory: None }
    }
}

/// An attempt that is over, before anyone has said what becomes of its delivery.
#[derive(Debug)]
pub(crate) struct Attempt {
    pub(crate) owed: Owed,
    pub(crate) outcome: Outcome,
    /// None when the call was cut by the budget: it never came to report.
    pub(crate) report: Option<CallReport>,
    /// What it costs the tenant, in units of fuel.
    pub(crate) fuel: u64,
    /// The journal has been told of it, together with what it stored.
    pub(crate) recorded: bool,
}

impl Attempt {
    /// `ran` is how long it has kept a worker at least.
    pub(crate) fn finished(owed: Owed, report: CallReport, ran: Duration) -> Self {
        let fuel = fuel_of(&report, ran);
        Self { owed, outcome: report.outcome.clone(), report: Some(report), fuel, recorded: false }
    }

    pub(crate) fn cut(owed: Owed) -> Self {
        Self { owed, outcome: Outcome::Deferred(Deferral::Budget), report: None, fuel: 0, recorded: false }
    }

    /// What its guest wants changed, if it delivered and wants anything. What others wanted is gone with them.
    pub(crate) fn take_changes(&mut self) -> Option<Vec<(String, Change)>> {
        let changes = &mut self.report.as_mut()?.changes;
        if changes.is_empty() || self.outcome != Outcome::Delivered {
            return None;
        }
        Some(std::mem::take(changes))
    }

    /// The guest answered ok, and we could not keep what it stored: it has to be called again.
    pub(crate) fn fail_in_host(&mut self, message: String) {
        self.outcome = Outcome::Failed { cause: FailureCause::Host, message };
        self.recorded = false;
        if let Some(report) = &mut self.report {
            report.outcome = self.outcome.clone();
        }
    }
}

/// The engine keeps the count of fuel in a register, and of a guest that did not come back most of it is lost: a spinner
/// would cost its tenant nothing. Such a guest pays for the time that it ran instead, as if it had run the densest code.
fn fuel_of(report: &CallReport, ran: Duration) -> u64 {
    match &report.outcome {
        Outcome::Delivered => report.fuel_used,
        Outcome::Failed { cause: FailureCause::Retry | FailureCause::Fatal | FailureCause::Fuel, .. } => {
            report.fuel_used
        }
        Outcome::Failed { .. } | Outcome::Deferred(_) => {
            let nanos = u64::try_from(ran.min(report.active).as_nanos()).unwrap_or(u64::MAX);
            report.fuel_used.max(nanos.saturating_mul(DENSEST_FUEL_PER_NANOSECOND))
        }
    }
}
