//! What an embedder can put in the place of the machine's clock.

use std::future::Future;
use std::pin::Pin;
use std::time::Instant;

use lastword_events::Timestamp;

/// Where a runtime takes its time from: retries, a drain's budget, quotas of fuel, graces, and for how long an end counts as a duplicate.
/// Set with [`Builder::clock`](crate::Builder::clock); without one it is the machine's clock, with timers on a thread of the
/// runtime's own.
///
/// What a call costs is measured by the machine's clock in any case: a guest's deadline, the turns that plugins have, and the times
/// of a `CallReport`. A guest really runs. And a journal forgets by the machine's clock.
///
/// The functions are called on any thread, often, and must not block.
pub trait Clock: Send + Sync + 'static {
    /// The present moment. It never goes back.
    fn now(&self) -> Instant;

    /// The present moment by the wall clock. It may go back, as a machine's does.
    fn timestamp(&self) -> Timestamp;

    /// Resolves when [`now`](Self::now) has come to `at`, or a little later. It is dropped when nobody waits for it any more, and is
    /// polled by threads that are in the context of the tokio runtime in which the runtime was built.
    fn sleep_until(&self, at: Instant) -> Sleep;
}

/// Resolves at a moment, see [`Clock::sleep_until`].
pub type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;
