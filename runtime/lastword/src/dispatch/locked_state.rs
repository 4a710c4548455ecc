//! The dispatcher's state, for as long as it is locked.

use std::ops::{Deref, DerefMut};

use super::idle_workers::WokenWorkers;
use super::state::State;
use crate::sync::MutexGuard;

/// The locked state. Workers that are to be woken meanwhile wake up once the lock is free: the first thing they do is to take it.
pub(super) struct LockedState<'a> {
    // Fields are dropped in their order.
    state: MutexGuard<'a, State>,
    woken: WokenWorkers,
}

impl<'a> LockedState<'a> {
    pub(super) fn new(state: MutexGuard<'a, State>) -> Self {
        Self { state, woken: WokenWorkers::default() }
    }
}

impl Deref for LockedState<'_> {
    type Target = State;

    fn deref(&self) -> &State {
        &self.state
    }
}

impl DerefMut for LockedState<'_> {
    fn deref_mut(&mut self) -> &mut State {
        &mut self.state
    }
}

impl Drop for LockedState<'_> {
    fn drop(&mut self) {
        self.woken = self.state.take_woken();
    }
}
