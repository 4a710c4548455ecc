//! A place for a journal, and scripts in processes of their own, which can be killed.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use lastword_faults::{Fault, folder_in_memory};
use tempfile::TempDir;

/// A part of the path of the files of the journal, and of nothing else.
pub(crate) const FILES: &str = "journal.db";
/// The variable that tells a script its journal.
pub(crate) const PATH: &str = "LASTWORD_TEST_JOURNAL";

/// What a script that was broken off has said.
pub(crate) struct Said {
    /// The journal's name, if it could be opened.
    pub(crate) name: Option<String>,
    /// Steps that were answered.
    pub(crate) steps: usize,
}

/// A place for a journal, the count, and the disk that only has what was synced.
pub(crate) struct Machine(TempDir);

impl Machine {
    pub(crate) fn new() -> Self {
        let machine = Self(folder_in_memory());
        fs::create_dir(machine.files()).unwrap();
        machine
    }

    pub(crate) fn files(&self) -> PathBuf {
        self.0.path().join("files")
    }

    pub(crate) fn journal(&self) -> PathBuf {
        self.files().join(FILES)
    }

    pub(crate) fn disk(&self) -> PathBuf {
        self.0.path().join("disk")
    }

    pub(crate) fn count(&self) -> PathBuf {
        self.0.path().join("count")
    }

    /// Runs the script in a process of its own.
    pub(crate) fn run(&self, fault: Fault) -> Said {
        self.run_test("the_script", fault)
    }

    pub(crate) fn run_only_open(&self, fault: Fault) {
        self.run_test("the_opening", fault);
    }

    pub(crate) fn run_until_full(&self, fault: Fault) -> Said {
        self.run_test("the_probes", fault)
    }

    fn run_test(&self, test: &str, fault: Fault) -> Said {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args([test, "--exact", "--ignored", "--nocapture"]).env(PATH, self.journal());
        fault.count(self.count()).apply(&mut command);
        let output = command.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let words =
            |word: &str| text.lines().filter_map(|l| l.strip_prefix(word)).map(str::to_owned).collect::<Vec<_>>();
        if output.status.code().is_some_and(|code| code != 0) {
            panic!("{text}{}", String::from_utf8_lossy(&output.stderr));
        }
        Said { name: words("opened ").pop(), steps: words("done ").len() }
    }
}
