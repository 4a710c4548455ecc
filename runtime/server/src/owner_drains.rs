//! Who is told of the drains of single owners.

use std::time::{Duration, Instant};

use lastword::events::Identity;

use crate::owners::OwnerDrain;

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
    /// Its sessions.
    pub sessions: &'a [Identity],
    /// When it began, by the machine's clock.
    pub began: Instant,
    /// The time that it has.
    pub budget: Duration,
}
