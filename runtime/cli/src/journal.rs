//! Finds the journal and opens it.

use std::ffi::OsStr;
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use lastword::{Journal, MemoryJournal};
use lastword_config::{JetStream, Journal as Configured, MEMORY};
use lastword_sqlite::{OpenError, SqliteJournal, Unfinished, unfinished_beside};
use sha2::{Digest, Sha256};

use crate::directories::{self, missing};
use crate::exit::{Exit, Failure};
use crate::inputs;
use crate::limits::HAND_OVER_LOOK;
use crate::pause::pause;

/// Characters of the hash in a default name: 2³² configurations with the same name.
const HASH_CHARS: usize = 8;

/// Most other journals that the start of a new one names.
const MAX_NAMED_JOURNALS: usize = 5;

/// The location of the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum JournalLocation {
    /// In memory: lost with the process.
    Memory,
    File(PathBuf),
    /// A stream on a cluster of NATS servers, which a node of a cluster begins.
    JetStream(Box<JetStream>),
}

/// An open journal.
pub(crate) struct Opened {
    pub(crate) journal: Arc<dyn Journal>,
    /// Whether earlier runs have left deliveries.
    pub(crate) owes: bool,
}

impl JournalLocation {
    /// Chooses the journal: `--journal`, else the configuration's, else a file for the configuration in the user's
    /// state directory.
    ///
    /// # Errors
    /// When the user's state directory is unknown.
    pub(crate) fn choose(
        journal: Option<&Path>,
        configured: Option<&Configured>,
        config: Option<&Path>,
    ) -> Result<Self, Failure> {
        match (journal, configured) {
            (Some(path), _) if path == MEMORY => Ok(Self::Memory),
            (Some(path), _) => Ok(Self::File(path.to_owned())),
            (None, Some(Configured::Memory)) => Ok(Self::Memory),
            (None, Some(Configured::File(path))) => Ok(Self::File(path.clone())),
            (None, Some(Configured::JetStream(cluster))) => Ok(Self::JetStream(cluster.clone())),
            (None, None) => Ok(Self::File(default(&directory()?, config))),
        }
    }

    /// Links the configuration's own name to a journal that was found by the configuration's resolved path, so that the
    /// journal is found after the configuration's links change.
    pub(crate) fn keep_for(&self, config: Option<&Path>) {
        let (Self::File(path), Some(config), Ok(directory)) = (self, config, directory()) else { return };
        if *path != names(&directory, config).0 && default(&directory, Some(config)) == *path {
            link_to(path, &names(&directory, config).0);
        }
    }

    /// Opens the journal, unless it is on a cluster. Makes the default's directory. The directory of a named journal must exist, because a typing
    /// error would otherwise begin a new journal somewhere.
    ///
    /// # Errors
    /// See [`OpenError`](lastword_sqlite::OpenError). For a journal on a cluster.
    pub(crate) fn open(&self) -> Result<Opened, Failure> {
        let path = match self {
            Self::File(path) => path,
            Self::Memory => return Ok(Opened { journal: Arc::new(MemoryJournal::new()), owes: false }),
            Self::JetStream(_) => {
                return Err(Failure::usage(anyhow!(
                    "a journal on jetstream is for `lastword serve`, which is a node of a cluster for as long as it runs: name a file \
                     with --journal, or serve this owner with the daemon"
                )));
            }
        };
        if directory().is_ok_and(|directory| path.parent() == Some(&directory)) {
            let made = path.parent().map_or(Ok(()), make_private);
            made.with_context(|| {
                format!("the journal's directory cannot be made for {}: say --journal PATH", path.display())
            })
            .map_err(unusable)?;
        }
        let is_new = !self.may_owe();
        let journal = SqliteJournal::open(path).map_err(unusable)?;
        tracing::info!("the journal is {}", path.display());
        if is_new {
            warn_of_others(path);
        }
        let owes = journal.has_unfinished();
        Ok(Opened { journal: Arc::new(journal), owes })
    }

    /// Opens the journal as [`open`](Self::open) does. If another program has it and is about to exit, waits for
    /// `patience` at most.
    ///
    /// # Errors
    /// As of [`open`](Self::open).
    pub(crate) fn open_within(&self, patience: Duration) -> Result<Opened, Failure> {
        let until = Instant::now() + patience;
        let mut is_told = false;
        loop {
            match self.open() {
                Err(failure) if is_in_use(&failure) && Instant::now() < until => {
                    if !std::mem::replace(&mut is_told, true) {
                        tracing::info!("{}; waiting for it for {patience:?}, if it is about to exit", failure.error);
                    }
                    pause(HAND_OVER_LOOK);
                }
                opened => return opened,
            }
        }
    }

    /// Whether a journal exists, without reading it.
    pub(crate) fn may_owe(&self) -> bool {
        matches!(self, Self::File(path) if fs::metadata(path).is_ok_and(|file| file.len() > 0))
    }
}

/// Warns of other journals: a program whose configuration has moved begins a new journal, and does not know the old
/// one's deliveries.
fn warn_of_others(path: &Path) {
    let others = unfinished_beside(path);
    if others.is_empty() {
        return;
    }
    let name = |other: &Unfinished| {
        let (sessions, deliveries) = (other.sessions, other.deliveries);
        let sessions = format!("{sessions} active {}", if sessions == 1 { "session" } else { "sessions" });
        let deliveries = format!("{deliveries} owed {}", if deliveries == 1 { "delivery" } else { "deliveries" });
        format!("{} ({sessions}, {deliveries})", other.path.display())
    };
    let mut names: Vec<String> = others.iter().take(MAX_NAMED_JOURNALS).map(name).collect();
    if others.len() > MAX_NAMED_JOURNALS {
        names.push(format!("and {} more", others.len() - MAX_NAMED_JOURNALS));
    }
    tracing::warn!(
        "the journal {} is new, and journals beside it still owe something: {}; if one of them is this program's, name it with \
         --journal, or `path` in [journal]",
        path.display(),
        names.join(", ")
    );
}

fn is_in_use(failure: &Failure) -> bool {
    matches!(failure.error.downcast_ref(), Some(OpenError::Locked { .. }))
}

pub(crate) fn unusable(error: impl Into<anyhow::Error>) -> Failure {
    Failure { exit: Exit::Journal, error: error.into() }
}

fn directory() -> Result<PathBuf, Failure> {
    let state = directories::state()
        .ok_or_else(|| Failure::usage(anyhow!("no home directory is known ({}): say --journal PATH", missing())))?;
    Ok(state.join("lastword"))
}

/// Returns the default path, one for each configuration: programs with different plugins owe different deliveries.
fn default(directory: &Path, config: Option<&Path>) -> PathBuf {
    // A configuration from a pipe has no stable name.
    let Some(config) = config.filter(|config| !inputs::is_passing(config)) else { return directory.join("default.db") };
    match names(directory, config) {
        (given, Some(followed)) if !given.exists() && followed.exists() => followed,
        (given, _) => given,
    }
}

/// Returns the names for the given path and for the path that its links lead to. The first is the journal's name,
/// because links may change at each update (a ConfigMap, a Nix profile). Version 2 used the second, and a user may give
/// that path.
fn names(directory: &Path, config: &Path) -> (PathBuf, Option<PathBuf>) {
    let followed = fs::canonicalize(config).ok().map(|path| directory.join(name(&path)));
    (directory.join(name(&as_given(config))), followed)
}

/// Makes the link. Without it the journal is found until the configuration's links change.
fn link_to(journal: &Path, from: &Path) {
    if let Some(name) = journal.file_name()
        && let Err(error) = std::os::unix::fs::symlink(name, from)
    {
        tracing::debug!(%error, "the journal has no name of its configuration's own");
    }
}

/// Makes the path absolute, without `.` and `..`. Does not resolve links.
fn as_given(config: &Path) -> PathBuf {
    let absolute = std::path::absolute(config).unwrap_or_else(|_| config.to_owned());
    absolute.components().fold(PathBuf::new(), |mut path, component| {
        match component {
            Component::CurDir => (),
            Component::ParentDir => drop(path.pop()),
            component => path.push(component),
        }
        path
    })
}

fn name(config: &Path) -> String {
    let mut hash = format!("{:x}", Sha256::digest(config.as_os_str().as_encoded_bytes()));
    hash.truncate(HASH_CHARS);
    let stem = config.file_stem().map_or_else(Default::default, OsStr::to_string_lossy);
    format!("{stem}-{hash}.db")
}

#[cfg(unix)]
fn make_private(directory: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    // Other users must not read the sessions' transcripts and working directories.
    fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)
}

#[cfg(not(unix))]
fn make_private(directory: &Path) -> std::io::Result<()> {
    fs::create_dir_all(directory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_configuration_has_a_journal_of_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let (one, two) = (dir.path().join("one"), dir.path().join("two"));
        for place in [&one, &two] {
            fs::create_dir(place).unwrap();
            fs::write(place.join("lastword.toml"), "").unwrap();
        }
        let of = |path: &Path| default(dir.path(), Some(path));
        assert_ne!(of(&one.join("lastword.toml")), of(&two.join("lastword.toml")));
        assert_eq!(of(&one.join("lastword.toml")), of(&two.join("../one/./lastword.toml")), "the same file");
        let name = of(&one.join("lastword.toml"));
        assert!(name.file_name().unwrap().to_str().unwrap().starts_with("lastword-"), "{name:?}");
        for none in [None, Some("-"), Some("/dev/fd/63"), Some("/proc/self/fd/11")] {
            assert_eq!(default(dir.path(), none.map(Path::new)), dir.path().join("default.db"));
        }
    }

    #[test]
    fn a_configuration_keeps_its_journal_when_links_are_switched() {
        let dir = tempfile::tempdir().unwrap();
        let (link, state) = (dir.path().join("lastword.toml"), dir.path().join("state"));
        fs::create_dir(&state).unwrap();
        let switch = |to: &str| {
            let file = dir.path().join(to);
            fs::write(&file, "").unwrap();
            fs::remove_file(&link).ok();
            std::os::unix::fs::symlink(&file, &link).unwrap();
            file
        };
        let first = switch("2026_11_20.toml");
        let journal = default(&state, Some(&link));
        // A program with a journal of the old name continues with it.
        let old = default(&state, Some(&first));
        assert_ne!(journal, old);
        fs::write(&old, "").unwrap();
        assert_eq!(default(&state, Some(&link)), old);
        link_to(&old, &journal);
        switch("2026_11_21.toml");
        assert_eq!(default(&state, Some(&link)), journal);
        assert_eq!(fs::canonicalize(&journal).unwrap(), fs::canonicalize(&old).unwrap(), "after a switch too");
        // A program without a journal of the old name.
        fs::remove_file(&old).unwrap();
        fs::remove_file(&journal).unwrap();
        fs::write(&journal, "").unwrap();
        switch("2026_11_22.toml");
        assert_eq!(default(&state, Some(&link)), journal);
    }

    #[test]
    fn the_command_line_comes_first_and_the_word_memory_is_no_path() {
        let choose = |text: Option<&str>, configured: Option<Configured>| {
            JournalLocation::choose(text.map(Path::new), configured.as_ref(), None).unwrap()
        };
        assert_eq!(choose(Some("memory"), None), JournalLocation::Memory);
        assert_eq!(choose(Some("./memory"), Some(Configured::Memory)), JournalLocation::File("./memory".into()));
        assert_eq!(choose(None, Some(Configured::File("/j.db".into()))), JournalLocation::File("/j.db".into()));
        assert_eq!(choose(None, Some(Configured::Memory)), JournalLocation::Memory);
    }
}
