//! A disk that is asked for nothing but a sync.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

/// What a commit writes at least: a page of the database.
const PAGE: [u8; 4096] = [0x5a; 4096];

pub(super) struct Disk(File);

impl Disk {
    /// A file beside the journal.
    ///
    /// # Errors
    /// When it cannot be made.
    pub(super) fn new(folder: &Path) -> std::io::Result<Self> {
        Ok(Self(File::create(folder.join("synced"))?))
    }

    /// How long it takes until one page more is on the disk.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn sync(&mut self) -> std::io::Result<Duration> {
        let began = Instant::now();
        self.0.write_all(&PAGE)?;
        self.0.sync_data()?;
        Ok(began.elapsed())
    }
}
