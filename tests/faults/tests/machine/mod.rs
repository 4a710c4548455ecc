//! A folder, and the program `file-steps` in it.

#![allow(dead_code, unreachable_pub, reason = "each test file uses a part of it")]

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use lastword_faults::{Fault, operations};
use tempfile::TempDir;

pub struct Machine {
    home: TempDir,
    folder: PathBuf,
}

pub struct Run {
    /// A line for each step that was not cut off.
    pub said: Vec<String>,
    pub signal: Option<i32>,
}

impl Run {
    pub fn done(&self) -> bool {
        self.signal.is_none() && self.said.iter().all(|line| line == "ok")
    }
}

impl Machine {
    pub fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("files");
        fs::create_dir(&folder).unwrap();
        Self { home, folder }
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub fn run(&self, fault: &Fault, steps: &[&str]) -> Run {
        let mut command = Command::new(env!("CARGO_BIN_EXE_file-steps"));
        fault.clone().count(self.count()).apply(command.arg(&self.folder).args(steps));
        let output = command.output().unwrap();
        assert!(output.stderr.is_empty(), "{output:?}");
        let said = String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect();
        Run { said, signal: output.status.signal() }
    }

    pub fn operations(&self) -> u64 {
        operations(self.count())
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.folder.join(name)).unwrap()
    }

    /// Of the files, sorted.
    pub fn names(&self) -> Vec<String> {
        let files = fs::read_dir(&self.folder).unwrap().map(Result::unwrap);
        let files = files.filter(|file| file.file_type().unwrap().is_file());
        let mut names: Vec<_> = files.map(|file| file.file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// Not in the folder, whose path may be what is watched.
    fn count(&self) -> PathBuf {
        self.home.path().join("count")
    }
}
