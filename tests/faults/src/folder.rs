//! A temporary folder on which a sync takes no time.

use std::path::Path;

use tempfile::TempDir;

/// A temporary folder in memory, where the system has one. What these tests write need not outlive the machine: power fails
/// only in play. So a sync takes no time, and a busy disk no part in the test.
///
/// # Panics
/// When it cannot be made.
#[must_use]
#[expect(clippy::panic, reason = "a test that cannot be set up has failed")]
pub fn folder_in_memory() -> TempDir {
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    folder.unwrap_or_else(|error| panic!("there is no temporary folder: {error}"))
}
