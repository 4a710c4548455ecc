//! One delivery in the reference: what an attempt may say of it, and what becomes of it.

use std::fmt;

use lastword::events::{EndReason, EventKey};
use lastword_sqlite::DeliveryState;

use super::case::{Plugin, Reply, Who};
use super::subject::Attempt;

/// Recorded failures after which a delivery is dead.
pub(super) const MAX_FAILURES: u32 = 3;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Delivery {
    pub(super) who: Who,
    pub(super) generation: u32,
    pub(super) event: EventKey,
    pub(super) plugin: &'static str,
}

/// What is known of a delivery that was not made.
#[derive(Clone, Default)]
pub(super) struct PendingDelivery {
    pub(super) reason: Option<EndReason>,
    /// In the order of its id. Ends that a drain makes have no order among them.
    pub(super) place: u32,
    /// A drain has made it an end, which is written down by the next run only.
    pub(super) by_drain: bool,
    pub(super) failures: u32,
    pub(super) late: bool,
    /// Its plugin was not installed when that was looked at last.
    pub(super) orphaned: bool,
    /// It came back to its plugin, and counts as newer than what was left of sessions that began before its own.
    pub(super) came_back: bool,
    /// It has its turn to be orphaned for want of a hook, and a kill may come before that is on record. Whether it was late until then.
    was_late: Option<bool>,
    /// The run in which it was given up.
    pub(super) dead: Option<u32>,
    /// Attempts in this run before its drain, and in it.
    tries: u32,
    drain_tries: u32,
    /// The journal has refused its failure in this run.
    refused: bool,
}

/// What is around a delivery as an attempt of it is told.
pub(super) struct Circumstances {
    pub(super) run: u32,
    /// What its plugin answers.
    pub(super) reply: Reply,
    /// Something newer is owed in its order, or was made.
    pub(super) has_newer: bool,
    pub(super) newer_is_made: bool,
    /// Something older has not stepped aside.
    pub(super) older_waits: bool,
}

/// A delivery as an operator sees it.
#[derive(Debug, PartialEq)]
pub(super) struct Listed {
    pub(super) state: DeliveryState,
    pub(super) failures: u32,
    pub(super) late: bool,
    pub(super) reason: Option<String>,
}

impl Delivery {
    pub(super) fn is_for(&self, plugin: &Plugin) -> bool {
        plugin.name == self.plugin && plugin.takes(self.who.tenant, self.event)
    }

    /// Its plugin serves the tenant, and has not the hook.
    pub(super) fn lacks_hook(&self, plugin: &Plugin) -> bool {
        let end = Self { event: EventKey::End, ..*self };
        end.is_for(plugin) && !self.is_for(plugin)
    }

    /// It is in the same order, and not the same.
    pub(super) fn is_beside(&self, other: &Self) -> bool {
        (self.who, self.plugin) == (other.who, other.plugin) && self != other
    }

    /// It is a newer event of the same session.
    pub(super) fn follows(&self, other: &Self) -> bool {
        self.is_beside(other) && self.generation == other.generation && self.event > other.event
    }
}

impl PendingDelivery {
    pub(super) fn new(reason: Option<&EndReason>, place: u32, orphaned: bool) -> Self {
        Self { reason: reason.cloned(), place, orphaned, ..Self::default() }
    }

    pub(super) fn begin_run(&mut self) {
        (self.tries, self.drain_tries, self.refused, self.came_back) = (0, 0, false, false);
    }

    /// It was given up, and is owed again.
    pub(super) fn redeliver(&mut self, orphaned: bool) {
        self.begin_run();
        (self.dead, self.failures, self.late, self.orphaned, self.came_back) = (None, 0, true, orphaned, true);
    }

    /// It is owed to its plugin again, which is installed or has the hook.
    pub(super) fn adopt(&mut self) {
        self.begin_run();
        self.orphaned = false;
    }

    /// It has its turn, and its plugin has no hook for it.
    pub(super) fn orphan_without_hook(&mut self) {
        if !self.orphaned {
            self.was_late = Some(self.late);
        }
        (self.orphaned, self.late) = (true, true);
    }

    /// A worker has come to it by now, and that is on record.
    pub(super) fn is_settled(&mut self) {
        self.was_late = None;
    }

    /// The run ended before a worker came to it.
    pub(super) fn is_as_before(&mut self) {
        if let Some(was_late) = self.was_late.take() {
            (self.orphaned, self.late) = (false, was_late);
        }
    }

    /// Newer ones may go ahead: it is late from now on, or has had its last attempt in this run.
    pub(super) fn has_stepped_aside(&self) -> bool {
        self.late || self.refused || self.dead.is_some()
    }

    pub(super) fn was_tried(&self, in_drain: bool) -> bool {
        self.drain_tries > 0 || !in_drain && self.tries > 0
    }

    /// Judges an attempt that has not been the last before, and takes note of a failure.
    pub(super) fn attempted(&mut self, attempt: &Attempt, circumstances: &Circumstances) -> Result<(), &'static str> {
        let Circumstances { run, reply, has_newer, newer_is_made, older_waits } = *circumstances;
        let failures = self.failures + u32::from(reply != Reply::Ok);
        let dead = reply == Reply::Fatal || reply == Reply::Retry && failures >= MAX_FAILURES;
        // A retry is set so far off that only something newer brings one about, and once it is late not even that.
        let may_be_tried = match (attempt.draining, self.tries) {
            _ if self.refused => false,
            (true, _) => self.drain_tries == 0,
            (false, 0) => true,
            (false, tries) => tries == 1 && has_newer && !self.late,
        };
        let wrong = [
            (attempt.reply != Some(reply), "the guest answers something else"),
            (attempt.reason != self.reason, "its reason is another"),
            (attempt.failures != failures, "its failures are miscounted"),
            (attempt.dead != dead, "it is given up, and should not be, or the other way round"),
            (!may_be_tried, "nothing has brought this attempt about"),
            (older_waits, "something older has not stepped aside"),
            (
                newer_is_made && !attempt.late,
                "something newer was delivered before, and it does not say that it is late",
            ),
            (self.late && !attempt.late, "it does not say any more that it is late"),
            (attempt.late && !self.late && !has_newer, "it says that it is late, and nothing is newer"),
        ];
        if let Some((_, what)) = wrong.into_iter().find(|(is_wrong, _)| *is_wrong) {
            return Err(what);
        }
        self.tries += u32::from(!attempt.draining);
        self.drain_tries += u32::from(attempt.draining);
        self.failures = failures;
        self.late = attempt.late;
        self.dead = dead.then_some(run);
        self.refused = attempt.refused;
        Ok(())
    }

    pub(super) fn listed(self) -> Listed {
        let state = match self.dead {
            Some(_) => DeliveryState::Dead,
            None if self.orphaned => DeliveryState::Orphaned,
            None => DeliveryState::Owed,
        };
        let reason = self.reason.map(|reason| reason.to_string());
        Listed { state, failures: self.failures, late: self.late, reason }
    }
}

impl fmt::Display for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}#{} to {}", self.event, self.who, self.generation, self.plugin)
    }
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}
