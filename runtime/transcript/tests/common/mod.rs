//! A machine with two tenants, as the tests see it.

#![allow(dead_code, unreachable_pub, reason = "each test file uses a part of it")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot be set up has failed")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use lastword_transcript::{Root, Scratch, TranscriptCopy, TranscriptError, copy_transcript};
use tempfile::TempDir;

pub const MAX: u64 = 1 << 20;
pub static GO_ON: AtomicBool = AtomicBool::new(false);

/// `agents/acme/s.jsonl`, `agents/evil/s.jsonl`, and a file that nobody is granted.
pub struct Machine {
    pub home: TempDir,
    pub agents: PathBuf,
    pub base: PathBuf,
    pub scratch: Scratch,
    pub root: Root,
}

impl Machine {
    pub fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        // The temporary directory may itself be behind a link (macOS).
        let real = home.path().canonicalize().unwrap();
        let (agents, base) = (real.join("agents"), real.join("run"));
        for tenant in ["acme", "evil"] {
            fs::create_dir_all(agents.join(tenant)).unwrap();
            fs::write(agents.join(tenant).join("s.jsonl"), format!("{tenant}'s own")).unwrap();
        }
        fs::write(real.join("secret"), "nobody's").unwrap();
        fs::create_dir(&base).unwrap();
        let root = format!("{}/{{tenant}}", agents.display()).parse().unwrap();
        Self { scratch: Scratch::open(&base).unwrap(), home, agents, base, root }
    }

    /// The directory of the tenant whose owner is hostile.
    pub fn evil(&self) -> PathBuf {
        self.agents.join("evil")
    }

    pub fn secret(&self) -> PathBuf {
        self.agents.with_file_name("secret")
    }

    /// What the owner of `evil` gets for a uri.
    pub fn copy_transcript(&self, uri: impl AsRef<Path>) -> Result<TranscriptCopy, TranscriptError> {
        self.copy_below(&self.root, uri)
    }

    pub fn copy_below(&self, root: &Root, uri: impl AsRef<Path>) -> Result<TranscriptCopy, TranscriptError> {
        let uri = uri.as_ref().to_str().unwrap();
        copy_transcript(&self.scratch, &root.for_tenant("evil").unwrap(), uri, MAX, &GO_ON)
    }

    /// The name of the refusal, or what was copied. Whatever it is, nothing is left of it.
    pub fn outcome(&self, uri: impl AsRef<Path>) -> String {
        let outcome = match self.copy_transcript(uri) {
            Ok(copy) => text(&copy),
            Err(refused) => refused.name().to_owned(),
        };
        self.assert_nothing_left();
        outcome
    }

    pub fn assert_nothing_left(&self) {
        assert_eq!(names(self.scratch.path()), [".lastword-lock"]);
    }
}

pub fn text(copy: &TranscriptCopy) -> String {
    fs::read_to_string(copy.dir().join("transcript")).unwrap()
}

pub fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

pub fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}
