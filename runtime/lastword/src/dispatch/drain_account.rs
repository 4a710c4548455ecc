//! What becomes of each end that is owed in a drain.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use lastword_events::{Deferral, Outcome};

use super::backlog::DrainContext;
use super::unstarted::Unstarted;
use crate::installed::PluginNumber;

/// The account of the drain of a run, which goes on or is over. What became of the ends of a queue is in the queue, see [`Tally`].
pub(super) struct DrainAccount {
    pub(super) context: Arc<DrainContext>,
    pub(super) deferred: Vec<DeferredQueue>,
    /// How many sessions the snapshot found, or were written down after it.
    pub(super) sessions: u64,
    /// What the drain had come to when the account was closed.
    pub(super) closed_with: Option<Progress>,
    /// How many ends without an attempt the observer was notified of after that.
    pub(super) notified: Arc<AtomicU64>,
}

/// Whether attempts count in the account of a drain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AccountState {
    /// No drain has begun.
    None,
    Open,
    /// The account is closed: an attempt counts as cut by the budget, whatever comes of it.
    Closed,
}

/// Deliveries of one queue that had no attempt in this drain.
#[derive(Debug)]
pub(crate) struct DeferredQueue {
    pub(crate) plugin: PluginNumber,
    pub(crate) why: Deferral,
    pub(crate) unstarted: Unstarted,
}

/// What a drain has come to by some moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    pub(crate) sessions: u64,
    pub(crate) delivered: u64,
    pub(crate) failed: u64,
    pub(crate) deferred: u64,
    /// How many of `deferred` the observer was not notified of one by one.
    pub(crate) unnotified: u64,
}

/// What a drain has come to, when its account is closed.
#[derive(Default)]
pub(crate) struct ClosedAccount {
    /// Every queue that was owed an end, in no order.
    pub(crate) queues: Vec<ClosedQueue>,
    pub(crate) deferred: Vec<DeferredQueue>,
    /// How many ends were still with workers. The observer is not notified of them one by one.
    pub(crate) held: u64,
    pub(crate) sessions: u64,
    /// Counts the ends of `deferred` that the observer is notified of.
    pub(crate) notified: Arc<AtomicU64>,
}

/// What became of the ends of one queue.
pub(crate) struct ClosedQueue {
    pub(crate) tenant: Arc<str>,
    pub(crate) plugin: PluginNumber,
    pub(crate) tally: Tally,
}

impl DrainAccount {
    pub(super) fn new(context: DrainContext, sessions: u64) -> Self {
        let context = Arc::new(context);
        Self { context, deferred: Vec::new(), sessions, closed_with: None, notified: Arc::default() }
    }

    /// What the drain has come to, besides what is in the queues.
    pub(super) fn progress(&self) -> Progress {
        let unnotified = self.deferred.iter().map(|deferred| deferred.unstarted.ends()).sum();
        Progress { sessions: self.sessions, unnotified, ..Progress::default() }
    }

    /// Closes the account with what the drain has come to. What became of the queues' ends is not in it yet.
    pub(super) fn close(&mut self, progress: Progress) -> ClosedAccount {
        self.closed_with = Some(progress);
        let (deferred, notified) = (std::mem::take(&mut self.deferred), self.notified.clone());
        ClosedAccount { deferred, sessions: self.sessions, notified, ..ClosedAccount::default() }
    }
}

/// A drain's counts of `session-end` deliveries, for one queue.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) delivered: u64,
    pub(crate) failed: u64,
    pub(crate) deferred: u64,
    pub(crate) broken: bool,
    /// Whether the budget deferred any of them.
    pub(crate) timed_out: bool,
    /// How often each other outcome than `delivered` happened.
    pub(crate) causes: BTreeMap<String, u64>,
}

impl Tally {
    pub(crate) fn add(&mut self, outcome: &Outcome) {
        match outcome {
            Outcome::Delivered => self.delivered += 1,
            Outcome::Failed { .. } => {
                self.failed += 1;
                *self.causes.entry(outcome.to_string()).or_default() += 1;
            }
            Outcome::Deferred(why) => self.defer(*why, 1),
        }
    }

    pub(crate) fn defer(&mut self, why: Deferral, count: u64) {
        if count > 0 {
            self.deferred += count;
            self.timed_out |= matches!(why, Deferral::Budget | Deferral::Journal);
            *self.causes.entry(Outcome::Deferred(why).to_string()).or_default() += count;
        }
    }

    pub(crate) fn owed(&self) -> u64 {
        self.delivered + self.failed + self.deferred
    }
}

#[cfg(test)]
mod tests {
    use lastword_events::FailureCause;

    use super::*;

    #[test]
    fn each_end_counts_once_with_its_cause_and_of_the_deferrals_only_those_of_the_budget_time_a_drain_out() {
        let mut tally = Tally::default();
        for _ in 0..2 {
            tally.add(&Outcome::Delivered);
            tally.add(&Outcome::Failed { cause: FailureCause::Retry, message: String::new() });
        }
        tally.add(&Outcome::Deferred(Deferral::Breaker));
        tally.defer(Deferral::Budget, 0);
        assert_eq!((tally.delivered, tally.failed, tally.deferred, tally.timed_out), (2, 2, 1, false));
        tally.defer(Deferral::Journal, 3);
        tally.defer(Deferral::Breaker, 4);
        assert_eq!((tally.deferred, tally.owed(), tally.timed_out), (8, 12, true));
        let causes: Vec<_> = tally.causes.iter().map(|(cause, count)| (cause.as_str(), *count)).collect();
        assert_eq!(causes, [("deferred(breaker)", 5), ("deferred(journal)", 3), ("failed(retry)", 2)]);
    }
}
