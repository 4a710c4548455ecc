//! Journals of both kinds, which several runs have one after the other.

use std::sync::Arc;

use lastword::{Journal, MemoryJournal, OpenError, SqliteJournal};
use tempfile::TempDir;

/// A journal that one run has after the other: in memory, or in a file.
pub enum Store {
    /// Kept in memory between the runs.
    Memory(Arc<MemoryJournal>),
    /// A file in this folder.
    Disk(TempDir),
}

impl Store {
    /// One of each kind.
    #[must_use]
    pub fn each() -> [Self; 2] {
        [Self::Memory(Arc::new(MemoryJournal::new())), Self::Disk(tempfile::tempdir().unwrap())]
    }

    /// The journal for the next run. Workers of the run before may still hold it, and are waited for.
    pub async fn open(&self) -> Arc<dyn Journal> {
        let home = match self {
            Self::Memory(journal) => return journal.clone(),
            Self::Disk(home) => home,
        };
        loop {
            match SqliteJournal::open(&home.path().join("journal.db")) {
                Ok(journal) => return Arc::new(journal),
                Err(OpenError::Locked { .. }) => tokio::task::yield_now().await,
                Err(error) => panic!("{error}"),
            }
        }
    }
}
