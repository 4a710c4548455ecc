//! Waiting for what nobody can be told of: other processes, and what they say of themselves.

use std::thread;
use std::time::{Duration, Instant};

/// For how long something that has to come is waited for. An election takes 4 to 9 s of it, and one that fails is held again; the rest is
/// for a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks.
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

/// Looks again and again until there is something. None: there was nothing within that time.
#[expect(clippy::disallowed_methods, reason = "it sleeps between two looks at what nobody can be told of")]
pub fn look<T>(within: Duration, mut find: impl FnMut() -> Option<T>) -> Option<T> {
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

/// The same, of what has to come within [`PATIENCE`].
///
/// # Panics
/// It did not come.
#[track_caller]
pub fn look_for<T>(what: &str, find: impl FnMut() -> Option<T>) -> T {
    look(PATIENCE, find).unwrap_or_else(|| panic!("waited in vain for {what}"))
}
