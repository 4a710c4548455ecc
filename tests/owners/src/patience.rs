//! Waiting for what nobody can be told of: other processes, and what a daemon answers.

use std::thread;
use std::time::{Duration, Instant};

use crate::limits::{BETWEEN_LOOKS, PATIENCE};

/// Looks again and again until there is something; none: there was nothing within that time.
#[expect(clippy::disallowed_methods, reason = "it sleeps between two looks at what nobody can be told of")]
pub(crate) fn look<T>(within: Duration, mut find: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + within;
    loop {
        if let Some(found) = find() {
            return Some(found);
        }
        if Instant::now() >= deadline {
            return None;
        }
        thread::sleep(BETWEEN_LOOKS);
    }
}

/// The same, of what has to come.
#[track_caller]
pub(crate) fn look_for<T>(what: &str, find: impl FnMut() -> Option<T>) -> T {
    look(PATIENCE, find).unwrap_or_else(|| panic!("waited in vain for {what}"))
}
