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
use crate::retry::{NextAttempt, RetryPolicy};
use crate::sandbox::{CallReport, Change};
use crate::time::Time;

/// An attempt that is over.
#[derive(Debug)]
pub(crate) struct FinishedCall {
    pub(crate) delivery: QueuedDelivery,
    pub(crate) outcome: Outcome,
    /// None when the call was cut by the budget: it never came to report.
    pub(crate) report: Option<CallReport>,
    /// What the call costs the tenant, in units of fuel.
    pub(super) fuel: u64,
    /// Whether the delivery is tried again, once that is [decided](Self::end_attempt).
    pub(super) next: NextAttempt,
    /// The journal has been told of the call, together with what its guest stored.
    pub(crate) handed_over: bool,
    pub(super) counted: Counted,
    /// The permit for the call's slot, until the slot is free.
    pub(super) permit: Option<Permit>,
    /// The version of the plugin that was called.
    pub(crate) version: Version,
}

/// Where a call counts, once it is taken into account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Counted {
    /// Nowhere but in its queue.
    #[default]
    Nowhere,
    /// A failed end outside a drain that will be retried. The journal is recording the failure.
    FailedEnds,
    /// In the account of a drain. `opens_breaker`: with its outcome the drain gives the plugin up.
    Drain { opens_breaker: bool },
}

impl FinishedCall {
    /// A call that has come to report. `ran`: how long it has kept a worker at least.
    pub(crate) fn reported(delivery: QueuedDelivery, permit: Permit, report: CallReport, ran: Duration) -> Self {
        let fuel = fuel_of(&report, ran);
        Self { fuel, ..Self::new(delivery, permit, report.outcome.clone(), Some(report)) }
    }

    /// A call that was dropped at the end of a drain's budget.
    pub(crate) fn cut(delivery: QueuedDelivery, permit: Permit) -> Self {
        Self::new(delivery, permit, Outcome::Deferred(Deferral::Budget), None)
    }

    pub(super) fn new(delivery: QueuedDelivery, permit: Permit, outcome: Outcome, report: Option<CallReport>) -> Self {
        Self {
            delivery,
            outcome,
            report,
            fuel: 0,
            next: NextAttempt::default(),
            handed_over: false,
            counted: Counted::default(),
            permit: Some(permit),
            version: Version::default(),
        }
    }

    /// Says which version of the plugin was called.
    pub(crate) fn of_version(self, version: Version) -> Self {
        Self { version, ..self }
    }

    /// Takes what its guest wants changed, if the call delivered and its guest wants anything. Nothing is kept of what other guests wanted.
    pub(crate) fn take_changes(&mut self) -> Option<Vec<(String, Change)>> {
        let changes = &mut self.report.as_mut()?.changes;
        if changes.is_empty() || self.outcome != Outcome::Delivered {
            return None;
        }
        Some(std::mem::take(changes))
    }

    /// The guest has answered ok, and what it stored could not be kept: the call has failed.
    pub(crate) fn fail_in_host(&mut self, message: String) {
        self.outcome = Outcome::Failed { cause: FailureCause::Host, message };
        self.handed_over = false;
        if let Some(report) = &mut self.report {
            report.outcome = self.outcome.clone();
        }
    }

    /// Ends the attempt: the delivery is made, deferred, dead, or due again.
    pub(crate) fn end_attempt(&mut self, policy: &RetryPolicy, time: &Time) {
        self.delivery.end_attempt();
        if let Outcome::Failed { cause, .. } = &self.outcome {
            self.delivery.failures += 1;
            self.next = policy.decide(cause, self.delivery.failures, time);
        }
    }

    /// When the delivery is due again, if it is.
    pub(super) fn due(&self) -> Option<Instant> {
        match self.next {
            NextAttempt::Due { at, .. } => Some(at),
            NextAttempt::Unplanned | NextAttempt::Never => None,
        }
    }

    /// When the delivery is due again, by the wall clock.
    pub(crate) fn retry_at(&self) -> Option<Timestamp> {
        match self.next {
            NextAttempt::Due { timestamp, .. } => Some(timestamp),
            NextAttempt::Unplanned | NextAttempt::Never => None,
        }
    }

    /// The delivery has failed for the last time.
    pub(crate) fn is_dead(&self) -> bool {
        matches!(self.next, NextAttempt::Never)
    }

    /// Leaves a delivery that is due again to the next start. False when it is not due again.
    pub(crate) fn give_up_retry(&mut self) -> bool {
        let is_due = self.due().is_some();
        if is_due {
            self.next = NextAttempt::Unplanned;
        }
        is_due
    }

    /// The call counts in the account of a drain.
    pub(crate) fn is_in_drain(&self) -> bool {
        matches!(self.counted, Counted::Drain { .. })
    }

    /// With the outcome of the call a drain gives its plugin up.
    pub(crate) fn opens_breaker(&self) -> bool {
        self.counted == Counted::Drain { opens_breaker: true }
    }

    /// Whether the delivery is owed as it is on record. A delivery whose failure is not on record waits for the next start: no other call
    /// may have the number that its attempt has used.
    pub(super) fn is_owed(&self) -> bool {
        match &self.outcome {
            Outcome::Delivered => false,
            Outcome::Failed { .. } => self.due().is_some(),
            Outcome::Deferred(_) => true,
        }
    }

    /// Whether the call has to be on record before its delivery goes on: only a failure, because its retry must not have the same number.
    /// In a drain there is no retry.
    pub(crate) fn waits_for_record(&self) -> bool {
        self.due().is_some() && !self.is_in_drain()
    }

    /// What the journal has yet to know of the call. A deferral changes nothing: the delivery is owed as it was.
    pub(crate) fn completion(&self, plugin: &PluginName) -> Option<Completion> {
        if self.handed_over {
            return None;
        }
        let (settlement, delivery) = (self.settlement()?, self.delivery.delivery_key(plugin));
        Some(Completion { delivery, attempt: self.delivery.attempt, settlement, changes: None })
    }

    /// What the journal is told of a call that delivered and has changed something. It is told nothing else of the call.
    pub(crate) fn completion_with(&mut self, plugin: &PluginName, changes: KeyValueChanges) -> Completion {
        self.handed_over = true;
        let (delivery, changes) = (self.delivery.delivery_key(plugin), Some(Box::new(changes)));
        Completion { delivery, attempt: self.delivery.attempt, settlement: Settlement::Delivered, changes }
    }

    fn settlement(&self) -> Option<Settlement> {
        let QueuedDelivery { failures, late, .. } = self.delivery;
        match &self.outcome {
            Outcome::Delivered => Some(Settlement::Delivered),
            Outcome::Deferred(_) => None,
            Outcome::Failed { cause, message } => {
                let (cause, message) = (cause.clone(), message.clone());
                Some(if self.is_dead() {
                    Settlement::Dead { failures, cause, message }
                } else {
                    Settlement::Owed { failures, late, retry_at: self.retry_at(), cause, message }
                })
            }
        }
    }
}

/// A call that gave up what it held, for want of something that others hold: there was no attempt.
#[derive(Debug)]
pub(crate) struct PutBack {
    pub(crate) delivery: QueuedDelivery,
    permit: Permit,
    pub(crate) why: Deferral,
    /// What the call costs the tenant, in units of fuel.
    pub(super) fuel: u64,
}

impl PutBack {
    /// `ran` as for [`FinishedCall::reported`].
    ///
    /// # Errors
    /// When calls of the delivery have run and were put back too often: then this one has failed.
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

    /// What is to be begun again. The call has given back what it had reserved.
    pub(crate) fn again(self) -> Taken {
        Taken { job: Job::Queued(self.delivery), permit: self.permit, memory: None }
    }
}

/// What a call costs its tenant, in units of fuel. The engine keeps the count of fuel in a register, and loses most of it with a guest that
/// does not come back: a spinner would cost its tenant nothing. Such a guest pays for the time that it ran instead, as if it had run the
/// densest code.
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use lastword_events::{EndReason, Event, EventKey, Session, SessionEnd};

    use super::super::slots::{Holder, Slots};
    use super::*;

    fn failed(cause: FailureCause) -> Outcome {
        Outcome::Failed { cause, message: "busy".to_owned() }
    }

    /// The first attempt of an end, which is over.
    fn call(outcome: Outcome) -> FinishedCall {
        let event = Arc::new(Event::End(SessionEnd::new(EndReason::Reset, Timestamp::now())));
        let mut delivery = QueuedDelivery::new(1, EventKey::End, &Arc::new(Session::new("t", "s")), &event);
        delivery.begin();
        let permit = Slots::new(1, 1).take(Holder { queue: 0, tenant: 0, plugin: 0 }, 0);
        let mut call = FinishedCall::new(delivery, permit, outcome, None);
        call.end_attempt(&RetryPolicy::default(), &Time::of_machine().unwrap());
        call
    }

    fn settlement(call: &FinishedCall) -> Option<Settlement> {
        let completion = call.completion(&PluginName::new("p").unwrap())?;
        assert_eq!((completion.attempt, completion.delivery.event), (1, EventKey::End));
        Some(completion.settlement)
    }

    #[test]
    fn a_call_is_of_the_version_that_was_called() {
        let version = Version { since: 3, key_value_quota: Some(7) };
        let FinishedCall { version, .. } = call(Outcome::Delivered).of_version(version);
        assert_eq!((version.since, version.key_value_quota), (3, Some(7)));
    }

    #[test]
    fn what_is_made_is_owed_no_more_and_what_is_deferred_is_owed_as_it_was() {
        let made = call(Outcome::Delivered);
        assert!(!made.is_owed() && !made.is_dead() && !made.waits_for_record() && made.due().is_none());
        assert_eq!((settlement(&made), made.delivery.failures), (Some(Settlement::Delivered), 0));
        let mut deferred = call(Outcome::Deferred(Deferral::Budget));
        assert!(deferred.is_owed() && !deferred.is_dead() && !deferred.waits_for_record());
        assert_eq!((settlement(&deferred), deferred.delivery.failures), (None, 0));
        assert!(!deferred.give_up_retry(), "it has none");
    }

    #[test]
    fn what_failed_is_owed_with_its_retry_until_the_retry_is_left_to_the_next_start() {
        let mut call = call(failed(FailureCause::Retry));
        assert!(call.is_owed() && !call.is_dead() && call.waits_for_record() && call.due().is_some());
        let Some(Settlement::Owed { failures: 1, late: false, retry_at, .. }) = settlement(&call) else { panic!() };
        assert!(retry_at.is_some() && retry_at == call.retry_at());
        assert!(call.give_up_retry() && !call.give_up_retry());
        assert!(!call.is_owed() && !call.is_dead() && !call.waits_for_record() && call.retry_at().is_none());
        assert!(matches!(settlement(&call), Some(Settlement::Owed { retry_at: None, .. })));
    }

    #[test]
    fn what_failed_for_good_is_dead_and_waits_for_nothing() {
        let call = call(failed(FailureCause::Fatal));
        assert!(call.is_dead() && !call.is_owed() && !call.waits_for_record() && call.due().is_none());
        assert!(matches!(settlement(&call), Some(Settlement::Dead { failures: 1, .. })));
    }

    #[test]
    fn in_a_drain_no_failure_waits_for_its_record_and_that_which_opens_the_breaker_is_known() {
        for opens_breaker in [false, true] {
            let mut call = call(failed(FailureCause::Retry));
            assert!(!call.is_in_drain() && !call.opens_breaker());
            call.counted = Counted::Drain { opens_breaker };
            assert!(call.is_in_drain() && !call.waits_for_record() && call.is_owed());
            assert_eq!(call.opens_breaker(), opens_breaker);
        }
    }

    #[test]
    fn a_call_whose_changes_are_handed_over_is_not_told_to_the_journal_twice_unless_they_could_not_be_kept() {
        let mut call = call(Outcome::Delivered);
        let (plugin, tenant) = (PluginName::new("p").unwrap(), Arc::from("t"));
        let space = lastword_journal::Space { tenant, plugin: plugin.clone() };
        let changes = KeyValueChanges { space, plugin_quota: None, tenant_quota: None, changes: Vec::new() };
        let completion = call.completion_with(&plugin, changes);
        assert!(completion.changes.is_some() && completion.settlement == Settlement::Delivered);
        assert_eq!(settlement(&call), None);
        call.fail_in_host("full".to_owned());
        assert!(matches!(&call.outcome, Outcome::Failed { cause: FailureCause::Host, message } if message == "full"));
        assert!(matches!(settlement(&call), Some(Settlement::Owed { cause: FailureCause::Host, .. })));
    }
}
