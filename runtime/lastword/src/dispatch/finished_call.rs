//! A call that has ended, and all that becomes known of it on its way from the worker to the journal, to the observer and back to its
//! queue.

use std::time::{Duration, Instant};

use lastword_events::{Deferral, FailureCause, Outcome, PluginName, Timestamp};
use lastword_journal::{Completion, KeyValueChanges, Settlement};

use super::job::{Job, Taken};
use super::slots::Permit;
use crate::installed::Version;
use crate::limits::{DENSEST_FUEL_PER_NANOSECOND, MAX_PUT_BACKS};
use crate::queued_delivery::QueuedDelivery;
use crate::retry::RetryPolicy;
use crate::sandbox::{CallReport, Change};
use crate::time::Time;

/// An attempt that is over.
#[derive(Debug)]
pub(crate) struct FinishedCall {
    pub(crate) delivery: QueuedDelivery,
    pub(crate) outcome: Outcome,
    /// None when the call was cut by the budget: it never came to report.
    pub(crate) report: Option<CallReport>,
    /// What it costs the tenant, in units of fuel.
    pub(crate) fuel: u64,
    /// When it is due again, if it is.
    pub(crate) retry: Option<(Instant, Timestamp)>,
    /// It has failed for the last time.
    pub(crate) dead: bool,
    /// The journal has been told of it, together with what it stored.
    pub(crate) handed_over: bool,
    /// It counts in the account of a drain.
    pub(crate) in_drain: bool,
    /// An end that has failed, and not for the last time, while nobody drained: its failure is being recorded.
    pub(crate) being_recorded: bool,
    /// Its slot, until that is given back.
    pub(crate) permit: Option<Permit>,
    /// It has given its slot back before its failure was written down.
    pub(crate) released: bool,
    /// With its outcome a drain gives the plugin up.
    pub(crate) opened_breaker: bool,
    /// The version of the plugin that was called.
    pub(crate) version: Version,
}

impl FinishedCall {
    /// `ran` is how long it has kept a worker at least.
    pub(crate) fn reported(delivery: QueuedDelivery, permit: Permit, report: CallReport, ran: Duration) -> Self {
        let fuel = fuel_of(&report, ran);
        Self { fuel, ..Self::new(delivery, permit, report.outcome.clone(), Some(report)) }
    }

    /// The call was dropped at the end of a drain's budget.
    pub(crate) fn cut(delivery: QueuedDelivery, permit: Permit) -> Self {
        Self::new(delivery, permit, Outcome::Deferred(Deferral::Budget), None)
    }

    pub(crate) fn new(delivery: QueuedDelivery, permit: Permit, outcome: Outcome, report: Option<CallReport>) -> Self {
        Self {
            delivery,
            outcome,
            report,
            fuel: 0,
            retry: None,
            dead: false,
            handed_over: false,
            in_drain: false,
            being_recorded: false,
            permit: Some(permit),
            released: false,
            opened_breaker: false,
            version: Version::default(),
        }
    }

    /// Says which version of the plugin was called.
    pub(crate) fn of_version(self, version: Version) -> Self {
        Self { version, ..self }
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
        self.handed_over = false;
        if let Some(report) = &mut self.report {
            report.outcome = self.outcome.clone();
        }
    }

    /// Decides what becomes of the delivery: it is made, dead, or due again.
    pub(crate) fn decide(&mut self, policy: &RetryPolicy, time: &Time) {
        self.delivery.end_attempt();
        if let Outcome::Failed { cause, .. } = &self.outcome {
            self.delivery.failures += 1;
            self.dead = *cause == FailureCause::Fatal || self.delivery.failures >= policy.max_failures;
            if !self.dead {
                let pause = policy.pause(self.delivery.failures, fastrand::f64());
                self.retry = Some((time.now() + pause, time.timestamp().plus(pause)));
            }
        }
    }

    /// Whether the delivery is owed as it is on record. One whose failure is not waits for the next start: nobody else may call with the
    /// number that it has used.
    pub(crate) fn is_owed(&self) -> bool {
        match &self.outcome {
            Outcome::Delivered => false,
            Outcome::Failed { .. } => self.retry.is_some(),
            Outcome::Deferred(_) => true,
        }
    }

    /// Only a failure has to be durable before its delivery goes on: its retry must not carry the same number. In a drain there is no
    /// retry.
    pub(crate) fn waits_for_record(&self) -> bool {
        self.retry.is_some() && !self.in_drain
    }

    /// What a journal has yet to know of it. A deferral changes nothing: the delivery is owed as it was.
    pub(crate) fn completion(&self, plugin: &PluginName) -> Option<Completion> {
        if self.handed_over {
            return None;
        }
        let (failures, late) = (self.delivery.failures, self.delivery.late);
        let settlement = match &self.outcome {
            Outcome::Delivered => Settlement::Delivered,
            Outcome::Deferred(_) => return None,
            Outcome::Failed { cause, message } if self.dead => {
                Settlement::Dead { failures, cause: cause.clone(), message: message.clone() }
            }
            Outcome::Failed { cause, message } => Settlement::Owed {
                failures,
                late,
                retry_at: self.retry.map(|(_, at)| at),
                cause: cause.clone(),
                message: message.clone(),
            },
        };
        Some(self.completed(plugin, settlement, None))
    }

    /// The completion of a call that delivered and has changed something. The journal is told no other.
    pub(crate) fn completion_with(&mut self, plugin: &PluginName, changes: KeyValueChanges) -> Completion {
        self.handed_over = true;
        self.completed(plugin, Settlement::Delivered, Some(Box::new(changes)))
    }

    fn completed(
        &self,
        plugin: &PluginName,
        settlement: Settlement,
        changes: Option<Box<KeyValueChanges>>,
    ) -> Completion {
        let delivery = self.delivery.delivery_key(plugin);
        Completion { delivery, attempt: self.delivery.attempt, settlement, changes }
    }
}

/// A call that gave up what it held, for want of something that others hold: there was no attempt.
#[derive(Debug)]
pub(crate) struct PutBack {
    pub(crate) delivery: QueuedDelivery,
    permit: Permit,
    pub(crate) why: Deferral,
    /// What it costs the tenant, in units of fuel.
    pub(crate) fuel: u64,
}

impl PutBack {
    /// `ran` as for [`FinishedCall::reported`].
    ///
    /// # Errors
    /// Its calls have run and were put back too often: it has failed.
    pub(crate) fn new(
        mut delivery: QueuedDelivery,
        permit: Permit,
        why: Deferral,
        mut report: CallReport,
        ran: Duration,
    ) -> Result<Self, Box<FinishedCall>> {
        let fuel = fuel_of(&report, ran);
        if report.fuel_used > 0 && !delivery.may_be_put_back() {
            let message = format!("was put back {MAX_PUT_BACKS} times, for want of what others held");
            report.outcome = Outcome::Failed { cause: FailureCause::Memory, message };
            return Err(Box::new(FinishedCall::reported(delivery, permit, report, ran)));
        }
        delivery.put_back(report.counted_memory);
        delivery.wanted_host_memory = report.wanted_host_memory;
        Ok(Self { delivery, permit, why, fuel })
    }

    /// What is to be begun again. Its call has given back what it had reserved.
    pub(crate) fn again(self) -> Taken {
        Taken { job: Job::Queued(self.delivery), permit: self.permit, memory: None }
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
