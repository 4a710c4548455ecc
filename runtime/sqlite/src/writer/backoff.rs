//! What is tried, and when, after something could not be written.

use std::time::Instant;

use super::write_queue::GroupContents;
use crate::limits::{MAX_FAILED_TRIES, RETRY};

/// How the writer goes on after a failure.
#[derive(Debug)]
pub(super) struct Backoff {
    /// A try has failed, which has been logged, and something of it still waits.
    failing: bool,
    /// Meanwhile a group has outcomes of so many tenants: of one after a failure, and of twice as many after each group that is
    /// written.
    tenants_at_once: usize,
    /// Groups of outcomes that have failed since the last pause.
    failed_tries: u32,
    /// Meanwhile outcomes are not tried before this.
    outcomes_wait_until: Option<Instant>,
}

impl Backoff {
    pub(super) fn new() -> Self {
        Self { failing: false, tenants_at_once: 1, failed_tries: 0, outcomes_wait_until: None }
    }

    /// What the next group may have.
    pub(super) fn contents(&self) -> GroupContents {
        if !self.failing {
            return GroupContents::Mixed;
        }
        let waits = self.outcomes_wait_until.is_some_and(|until| until > Instant::now());
        GroupContents::Separate { tenants: if waits { 0 } else { self.tenants_at_once } }
    }

    /// Until when outcomes are not tried; none when they are.
    pub(super) fn outcomes_wait_until(&self) -> Option<Instant> {
        self.outcomes_wait_until.filter(|_| self.contents() == GroupContents::Separate { tenants: 0 })
    }

    /// Something fails. True when it is the first time since everything could be written.
    pub(super) fn begin(&mut self) -> bool {
        !std::mem::replace(&mut self.failing, true)
    }

    /// Everything that could not be written is. True when something could not be.
    pub(super) fn end(&mut self) -> bool {
        std::mem::take(&mut self.failing)
    }

    /// A group with outcomes is written.
    pub(super) fn outcomes_written(&mut self) {
        self.failed_tries = 0;
        self.outcomes_wait_until = None;
        self.tenants_at_once = self.tenants_at_once.saturating_mul(2);
    }

    /// A group with outcomes could not be written. They wait for a while after some tries, or when no other tenant
    /// has any.
    pub(super) fn outcomes_failed(&mut self, have_others: impl FnOnce() -> bool) {
        self.tenants_at_once = 1;
        self.failed_tries += 1;
        if self.failed_tries >= MAX_FAILED_TRIES || !have_others() {
            self.failed_tries = 0;
            self.outcomes_wait_until = Some(Instant::now() + RETRY);
        }
    }

    /// Somebody asks for something to be written: outcomes are tried at once.
    pub(super) fn try_now(&mut self) {
        self.outcomes_wait_until = None;
    }
}
