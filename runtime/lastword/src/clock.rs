//! The trait of a clock that an embedder can use instead of the machine's.

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

    /// Resolves when [`now`](Self::now) has come to `at`, or a little later. The future is dropped when nobody waits for it any more. The
    /// threads that poll it are in the context of the tokio runtime in which the runtime was built.
    fn sleep_until(&self, at: Instant) -> Sleep;
}

/// Resolves at a moment, see [`Clock::sleep_until`].
pub type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;
