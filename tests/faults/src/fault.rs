//! Which operation on which files is broken, and how; given to the library by environment variables.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use std::{fs, io};

use crate::library;

/// What a sync takes longer on a disk that is slow: several times what a drain waits for one, and so much less than its
/// budget that a slow machine does not make it longer.
pub const SLOW_SYNC: Duration = Duration::from_millis(400);

/// What happens to operation number N. Writes, truncations and syncs of the files have numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It fails with `EIO`, and is not done.
    Fail,
    /// It fails with `EIO`, and so does every later one, until [`Fault::until`].
    FailFrom,
    /// From it on, writes fail with `ENOSPC`, until [`Fault::until`]. Truncations and syncs succeed.
    FullFrom,
    /// From it on, each sync takes [`SLOW_SYNC`] longer, until [`Fault::until`].
    SlowFrom,
    /// The process is killed before it.
    Kill,
    /// If it is a write, its first half is done; then the process is killed.
    Tear,
    /// As [`Kind::Kill`], for use with [`Fault::shadow`] and [`Fault::cut_power`].
    Power,
    /// From the start, whatever the number: `flock` fails with `ENOLCK`.
    NoLocks,
    /// From the start, whatever the number: a file that would be shared cannot be mapped, `mmap` fails with `ENODEV`.
    NoSharedMemory,
    /// Thread number N, and every later one, cannot be started: `pthread_create` fails with `EAGAIN`. Operations on files go
    /// on, and the threads have numbers of their own.
    NoThreadsFrom,
}

impl Kind {
    /// Every kind that happens at an operation, for tests that want all.
    pub const ALL: [Self; 7] =
        [Self::Fail, Self::FailFrom, Self::FullFrom, Self::SlowFrom, Self::Kill, Self::Tear, Self::Power];

    fn name(self) -> &'static str {
        match self {
            Self::Fail => "fail",
            Self::FailFrom => "fail-from",
            Self::FullFrom => "full-from",
            Self::SlowFrom => "slow-from",
            Self::Kill => "kill",
            Self::Tear => "tear",
            Self::Power => "power",
            Self::NoLocks => "no-locks",
            Self::NoSharedMemory => "no-shared-memory",
            Self::NoThreadsFrom => "no-threads-from",
        }
    }
}

/// Which files of a program are watched, and what happens to them.
#[derive(Clone, Debug)]
pub struct Fault {
    files: OsString,
    fault: Option<(Kind, u64)>,
    until: Option<PathBuf>,
    count: Option<PathBuf>,
    shadow: Option<PathBuf>,
}

impl Fault {
    /// Only counts, and copies what is synced. `files` is a part of the path of each file that is watched.
    ///
    /// # Panics
    /// When `files` is empty.
    #[must_use]
    pub fn none(files: impl AsRef<OsStr>) -> Self {
        let files = files.as_ref().to_owned();
        assert!(!files.is_empty(), "a fault in all files of a program would break its loading as well");
        Self { files, fault: None, until: None, count: None, shadow: None }
    }

    /// `kind` happens to operation number `at`; the first is 1.
    ///
    /// # Panics
    /// When `files` is empty.
    #[must_use]
    pub fn at(at: u64, kind: Kind, files: impl AsRef<OsStr>) -> Self {
        Self { fault: Some((kind, at)), ..Self::none(files) }
    }

    /// While there is this file, [`Kind::FailFrom`], [`Kind::FullFrom`] and [`Kind::SlowFrom`] are suspended.
    #[must_use]
    pub fn until(self, file: impl Into<PathBuf>) -> Self {
        Self { until: Some(file.into()), ..self }
    }

    /// Keeps the number of operations in this file, see [`operations`].
    #[must_use]
    pub fn count(self, file: impl Into<PathBuf>) -> Self {
        Self { count: Some(file.into()), ..self }
    }

    /// After each sync of a watched file, it is copied into this folder under its name, without its path; when it is
    /// unlinked, the copy is as well. So the folder holds what a disk would have after a power cut that drops all that
    /// was not synced. Files that were there before the program belong into it from the start.
    #[must_use]
    pub fn shadow(self, folder: impl Into<PathBuf>) -> Self {
        Self { shadow: Some(folder.into()), ..self }
    }

    /// The command will run under this fault, and no other one. The count of an earlier run is removed, and the folder
    /// of the shadow made.
    ///
    /// # Panics
    /// When there is no [`library()`], or a path cannot be used.
    pub fn apply(&self, command: &mut Command) {
        if let Some(file) = &self.count
            && let Err(error) = fs::remove_file(file)
            && error.kind() != io::ErrorKind::NotFound
        {
            unusable(file, &error);
        }
        if let Some(folder) = &self.shadow {
            fs::create_dir_all(folder).unwrap_or_else(|error| unusable(folder, &error));
        }
        // The program may have another working directory, or change it.
        let path = |path: &Option<PathBuf>| path.as_deref().map(|path| absolute(path).into_os_string());
        set(command, "LASTWORD_FAULT_FILES", Some(self.files.clone()));
        set(command, "LASTWORD_FAULT", self.fault.map(|(kind, _)| kind.name().into()));
        set(command, "LASTWORD_FAULT_AT", self.fault.map(|(_, at)| at.to_string().into()));
        set(command, "LASTWORD_FAULT_SLOW_MS", Some(SLOW_SYNC.as_millis().to_string().into()));
        set(command, "LASTWORD_FAULT_UNTIL", path(&self.until));
        set(command, "LASTWORD_FAULT_COUNT", path(&self.count));
        set(command, "LASTWORD_FAULT_SHADOW", path(&self.shadow));
        command.env("LD_PRELOAD", library());
    }

    /// After the program has ended: the files in `folder` (not in folders below) become what they are in the shadow.
    /// Those that are watched, and SQLite's `-shm`, are removed; the copies take their place.
    ///
    /// # Errors
    /// When a file cannot be read, removed or copied.
    ///
    /// # Panics
    /// When this fault has no shadow.
    #[expect(clippy::expect_used, reason = "a test that has no shadow has nothing to test")]
    pub fn cut_power(&self, folder: impl AsRef<Path>) -> io::Result<()> {
        let shadow = self.shadow.as_deref().expect("a fault with a shadow");
        let folder = absolute(folder.as_ref());
        for file in fs::read_dir(&folder)? {
            let file = file?;
            let path = file.path();
            if file.file_type()?.is_file() && contains(path.as_os_str(), &self.files) {
                fs::remove_file(path)?;
            }
        }
        for copy in fs::read_dir(shadow)? {
            let copy = copy?.path();
            // A part is of a copy that was never finished: somebody else killed the program.
            if let Some(name) = copy.file_name().filter(|_| copy.extension() != Some(OsStr::new("part"))) {
                fs::copy(&copy, folder.join(name))?;
            }
        }
        Ok(())
    }
}

/// The number of operations so far of a program that runs or ran with this [`Fault::count`]. One that was broken is
/// counted: it had begun.
///
/// # Panics
/// When the program has not begun, or ran without the library: it is linked statically, or for another system.
#[must_use]
#[expect(clippy::panic, reason = "a test that counts nothing would pass without its faults")]
pub fn operations(count: impl AsRef<Path>) -> u64 {
    let count = count.as_ref();
    let text = fs::read_to_string(count).unwrap_or_else(|error| unusable(count, &error));
    match text.trim_end() {
        "" => 0,
        number => number.parse().unwrap_or_else(|_| panic!("{} holds {number:?}, not a count", count.display())),
    }
}

fn set(command: &mut Command, name: &str, value: Option<OsString>) {
    match value {
        Some(value) => command.env(name, value),
        None => command.env_remove(name),
    };
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|error| unusable(path, &error))
}

fn contains(whole: &OsStr, part: &OsStr) -> bool {
    let (whole, part) = (whole.as_encoded_bytes(), part.as_encoded_bytes());
    whole.windows(part.len()).any(|window| window == part)
}

#[expect(clippy::panic, reason = "a test that cannot be set up has failed")]
fn unusable(path: &Path, error: &io::Error) -> ! {
    panic!("{}: {error}", path.display())
}
