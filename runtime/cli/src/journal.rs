//! Which journal.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, anyhow};
use etcetera::BaseStrategy;
use lastword::{Journal, MemoryJournal};
use lastword_journal::SqliteJournal;
use sha2::{Digest, Sha256};

use crate::exit::{Exit, Failure};

/// The word in place of a path.
const MEMORY: &str = "memory";
/// Characters of the hash in a default name: 2³² configurations of one name.
const HASH_CHARS: usize = 8;

/// Where sessions and deliveries are written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Nowhere: gone with the process.
    Memory,
    File(PathBuf),
}

impl Place {
    /// What `--journal` says; without it a file of the configuration's own, in the user's state directory.
    ///
    /// # Errors
    /// When nobody knows where that is.
    pub(crate) fn choose(journal: Option<&Path>, config: Option<&Path>) -> Result<Self, Failure> {
        match journal {
            Some(path) if path == MEMORY => Ok(Self::Memory),
            Some(path) => Ok(Self::File(path.to_owned())),
            None => Ok(Self::File(directory()?.join(name(config)))),
        }
    }

    /// Opens it. The default's directory is made; one that was named has to be there, because a typing error would
    /// otherwise begin a new journal somewhere.
    ///
    /// # Errors
    /// See [`OpenError`](lastword_journal::OpenError).
    pub(crate) fn open(&self) -> Result<Arc<dyn Journal>, Failure> {
        let Self::File(path) = self else { return Ok(Arc::new(MemoryJournal::new())) };
        if directory().is_ok_and(|directory| path.parent() == Some(&directory)) {
            let made = path.parent().map_or(Ok(()), make_private);
            made.with_context(|| format!("the journal's directory cannot be made for {}", path.display()))
                .map_err(unusable)?;
        }
        let journal = SqliteJournal::open(path).map_err(unusable)?;
        tracing::info!("the journal is {}", path.display());
        Ok(Arc::new(journal))
    }
}

pub(crate) fn unusable(error: impl Into<anyhow::Error>) -> Failure {
    Failure { exit: Exit::Journal, error: error.into() }
}

fn directory() -> Result<PathBuf, Failure> {
    let strategy = etcetera::choose_base_strategy()
        .map_err(|error| Failure::usage(anyhow!("no home directory is known ({error}): say --journal PATH")))?;
    // Where the platform has no place for state, its place for data.
    let state = strategy.state_dir().unwrap_or_else(|| strategy.data_dir());
    Ok(state.join("lastword"))
}

/// One for each configuration: programs with different plugins are owed different things.
fn name(config: Option<&Path>) -> String {
    let Some(config) = config else { return "default.db".to_owned() };
    // The same file by any path to it.
    let path = fs::canonicalize(config).unwrap_or_else(|_| config.to_owned());
    let hash = Sha256::digest(path.as_os_str().as_encoded_bytes());
    let mut hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    hash.truncate(HASH_CHARS);
    let stem = config.file_stem().map_or_else(Default::default, OsStr::to_string_lossy);
    format!("{stem}-{hash}.db")
}

#[cfg(unix)]
fn make_private(directory: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    // Sessions' transcripts and working directories are nobody else's business.
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
        let of = |path: &Path| name(Some(path));
        assert_ne!(of(&one.join("lastword.toml")), of(&two.join("lastword.toml")));
        assert_eq!(of(&one.join("lastword.toml")), of(&two.join("../one/lastword.toml")), "the same file");
        assert!(of(&one.join("lastword.toml")).starts_with("lastword-"));
        assert_eq!(name(None), "default.db");
    }

    #[test]
    fn the_word_memory_is_no_path() {
        let choose = |text: &str| Place::choose(Some(Path::new(text)), None).unwrap();
        assert_eq!(choose("memory"), Place::Memory);
        assert_eq!(choose("./memory"), Place::File("./memory".into()));
    }
}
