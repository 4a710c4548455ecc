//! Decides which writes to try after a failure, and when.

use std::time::Instant;

use super::write_queue::GroupContents;
use crate::limits::{MAX_FAILED_TRIES, RETRY};

/// How the writer goes on after a failure.
#[derive(Debug)]
pub(super) struct Backoff {
    /// A try has failed and is logged, and some of its writes still wait.
    failing: bool,
    /// The number of tenants with outcomes in a group while `failing`. It is one after a failure, and doubles after each group that is
    /// written.
    tenants_at_once: usize,
    /// Groups of outcomes that have failed since the last pause.
    failed_tries: u32,
    /// Outcomes are not tried before this time while `failing`.
    outcomes_wait_until: Option<Instant>,
}

impl Backoff {
    pub(super) fn new() -> Self {
        Self { failing: false, tenants_at_once: 1, failed_tries: 0, outcomes_wait_until: None }
    }

    /// The contents that the next group may have.
    pub(super) fn contents(&self) -> GroupContents {
        if !self.failing {
            return GroupContents::Mixed;
        }
        let waits = self.outcomes_wait_until.is_some_and(|until| until > Instant::now());
        GroupContents::Separate { tenants: if waits { 0 } else { self.tenants_at_once } }
    }

    /// The time until which outcomes are not tried. None when they may be tried.
    pub(super) fn outcomes_wait_until(&self) -> Option<Instant> {
        self.outcomes_wait_until.filter(|_| self.contents() == GroupContents::Separate { tenants: 0 })
    }

    /// Notes a failure. True for the first one since everything could be written.
    pub(super) fn begin(&mut self) -> bool {
        !std::mem::replace(&mut self.failing, true)
    }

    /// Notes that all failed writes are written. True when there was a failure.
    pub(super) fn end(&mut self) -> bool {
        std::mem::take(&mut self.failing)
    }

    /// Notes that a group with outcomes is written.
    pub(super) fn outcomes_written(&mut self) {
        self.failed_tries = 0;
        self.outcomes_wait_until = None;
        self.tenants_at_once = self.tenants_at_once.saturating_mul(2);
    }

    /// Notes that a group with outcomes could not be written. Outcomes wait for a while after some tries, or when no other tenant has
    /// any.
    pub(super) fn outcomes_failed(&mut self, have_others: impl FnOnce() -> bool) {
        self.tenants_at_once = 1;
        self.failed_tries += 1;
        if self.failed_tries >= MAX_FAILED_TRIES || !have_others() {
            self.failed_tries = 0;
            self.outcomes_wait_until = Some(Instant::now() + RETRY);
        }
    }

    /// Lets outcomes be tried at once, because a caller asks for a write.
    pub(super) fn try_now(&mut self) {
        self.outcomes_wait_until = None;
    }
}
