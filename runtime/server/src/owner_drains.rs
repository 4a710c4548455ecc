//! Who is told of the drains of single owners.

use std::fmt;
use std::time::{Duration, Instant};

use lastword::events::Identity;

use crate::owners::{Mark, OwnerDrain};

/// Is told of the drain of each owner that says goodbye, for whoever shows them. Given with
/// [`ServerBuilder::owner_drains`](crate::ServerBuilder::owner_drains).
pub trait OwnerDrains: Send + Sync + 'static {
    /// The sessions of an owner are about to end. What it gives is called with what became of them; it is dropped without that when
    /// nobody waits for it any more. None where nobody wants to know.
    ///
    /// On a task of the tokio runtime, as is the call: both must return at once.
    fn begins(&self, drain: &OwnerDrainStart<'_>) -> Option<OwnerDrained>;
}

/// Is called with what became of an owner's sessions.
pub type OwnerDrained = Box<dyn FnOnce(&OwnerDrain) + Send>;

/// An owner's drain that begins.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct OwnerDrainStart<'a> {
    /// What the owner calls itself; a raw connection has no name.
    pub name: Option<&'a str>,
    /// The tenant that the name is of; none for a raw connection.
    pub tenant: Option<&'a str>,
    /// Its sessions.
    pub sessions: GoingSessions<'a>,
    /// When it began, by the machine's clock.
    pub began: Instant,
    /// The time that it has.
    pub budget: Duration,
}

/// The sessions of an owner's drain. They may be very many, and the drain's time runs: compare their number with what is wanted before
/// they are looked at.
#[derive(Clone, Copy)]
pub struct GoingSessions<'a>(pub(crate) &'a [(Identity, Mark)]);

impl<'a> GoingSessions<'a> {
    /// How many they are.
    #[must_use]
    pub fn len(self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// Each of them.
    pub fn iter(self) -> impl ExactSizeIterator<Item = &'a Identity> {
        self.0.iter().map(|(identity, _)| identity)
    }
}

impl fmt::Debug for GoingSessions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}
