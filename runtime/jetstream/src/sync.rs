//! What decides in which order things happen in a journal: locks, the thread that writes, its tasks and its clock.
//!
//! `tests/schedules` compiles the modules that use these a second time, with replacements that a test's scheduler controls. This module only
//! gives names to what they use in any case.

use std::io;

pub(crate) use std::sync::mpsc::channel;
pub(crate) use std::thread;

pub(crate) use parking_lot::{Mutex, RwLock};
pub(crate) use tokio::runtime::Runtime;
pub(crate) use tokio::task::JoinSet;
pub(crate) use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, sleep_until, timeout};

/// What the thread that writes runs its tasks with.
pub(crate) fn runtime() -> io::Result<Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}
