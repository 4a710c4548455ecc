//! Observers of single owners' drains.

use std::fmt;
use std::time::{Duration, Instant};

use lastword::events::Identity;

use crate::owners::{Mark, OwnerDrain};

/// Observes the drain of each owner that says goodbye. Pass it to
/// [`ServerBuilder::owner_drains`](crate::ServerBuilder::owner_drains).
pub trait OwnerDrains: Send + Sync + 'static {
    /// Called before an owner's sessions end. The server calls the returned closure with the outcome, or drops it when
    /// nobody waits for the drain any more. Return `None` if the outcome is of no interest.
    ///
    /// The server makes both calls on a task of the tokio runtime, so they must return at once.
    fn begins(&self, drain: &OwnerDrainStart<'_>) -> Option<OwnerDrained>;
}

/// Called with the outcome of an owner's drain.
pub type OwnerDrained = Box<dyn FnOnce(&OwnerDrain) + Send>;

/// The beginning of an owner's drain.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct OwnerDrainStart<'a> {
    /// The owner's name. A raw connection has none.
    pub name: Option<&'a str>,
    /// The tenant of the name. `None` for a raw connection.
    pub tenant: Option<&'a str>,
    /// The owner's sessions.
    pub sessions: GoingSessions<'a>,
    /// When the drain began, by the machine's clock.
    pub began: Instant,
    /// The drain's budget.
    pub budget: Duration,
}

/// The sessions of an owner's drain. There may be very many, and looking at them takes the drain's time: check their
/// number first.
#[derive(Clone, Copy)]
pub struct GoingSessions<'a>(pub(crate) &'a [(Identity, Mark)]);

impl<'a> GoingSessions<'a> {
    /// Returns the number of sessions.
    #[must_use]
    pub fn len(self) -> usize {
        self.0.len()
    }

    /// Whether there is no session.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// Returns an iterator over the sessions.
    pub fn iter(self) -> impl ExactSizeIterator<Item = &'a Identity> {
        self.0.iter().map(|(identity, _)| identity)
    }
}

impl fmt::Debug for GoingSessions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}
