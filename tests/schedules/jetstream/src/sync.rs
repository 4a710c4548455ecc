//! The `sync` of `runtime/jetstream` on shuttle.

mod clock;
mod join_set;

use std::future::Future;
use std::io;

pub(crate) use shuttle::sync::mpsc::channel;

pub(crate) use lastword_fakes::sync::{Mutex, RwLock, thread};
pub(crate) use tokio::time::MissedTickBehavior;

pub use self::clock::begin;
pub(crate) use self::clock::{Instant, Interval, interval_at, sleep_until, timeout};
pub(crate) use self::join_set::JoinSet;

/// What a thread of a schedule runs its tasks with.
pub(crate) struct Runtime;

/// # Errors
/// None: there is nothing to be started.
pub(crate) fn runtime() -> io::Result<Runtime> {
    Ok(Runtime)
}

impl Runtime {
    #[expect(clippy::unused_self, reason = "tokio's has the tasks")]
    pub(crate) fn block_on<F: Future>(&self, work: F) -> F::Output {
        shuttle::future::block_on(work)
    }
}
