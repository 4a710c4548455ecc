//! Processes that a test starts, and the test itself once more as another process.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;
use std::{env, fs};

use lastword_process::Process;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, waitid};
use tempfile::TempDir;

/// How long a test waits for what has to come at once, before it fails.
const PATIENCE: Duration = Duration::from_secs(20);

/// Set for a test that runs once more, as another process.
const OTHER: &str = "LASTWORD_TEST_IS_THE_OTHER_PROCESS";

/// Waits for what has to come at once.
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("nothing came")
}

/// A process of a test, which is killed with it.
pub(crate) struct Running {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
}

impl Running {
    /// A program that waits for its input to end.
    pub(crate) fn cat() -> Self {
        Self::start(&mut Command::new("cat"))
    }

    pub(crate) fn sh(script: &str) -> Self {
        Self::start(Command::new("sh").args(["-c", script]))
    }

    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take().unwrap());
        Self { child, stdin, stdout: BufReader::new(stdout) }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn process(&self) -> Process {
        Process::of(self.pid()).unwrap()
    }

    pub(crate) fn say(&mut self, line: &str) {
        writeln!(self.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    /// The next line that begins with this, without it. The test harness writes lines of its own.
    pub(crate) fn heard(&mut self, prefix: &str) -> String {
        loop {
            let mut line = String::new();
            assert!(self.stdout.read_line(&mut line).unwrap() > 0, "the process has ended without a line {prefix:?}");
            // A test's first line may stand behind its name.
            if let Some((_, rest)) = line.split_once(prefix) {
                return rest.trim_end().to_owned();
            }
        }
    }

    /// Kills it, and leaves a zombie.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
    }

    /// Kills it, and waits until it is a zombie.
    pub(crate) fn into_zombie(mut self) -> Self {
        self.kill();
        waitid(WaitId::Pid(pid(self.pid())), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT).unwrap();
        self
    }

    /// Kills it, and asks for its exit code. The number is free then.
    pub(crate) fn reap(mut self) -> u32 {
        self.kill();
        let status = self.child.wait().unwrap();
        assert_eq!(status.signal(), Some(Signal::KILL.as_raw()));
        self.child.id()
    }

    /// What it says until it ends by itself, as a test that has passed.
    pub(crate) fn passed(mut self) {
        drop(self.stdin.take());
        let said: Vec<_> = self.stdout.by_ref().lines().map(Result::unwrap).collect();
        assert!(self.child.wait().unwrap().success(), "{said:#?}");
        assert!(said.iter().any(|line| line.contains("1 passed")), "no such test: {said:#?}");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// This program again, with this test alone, as another process; after the words of a command that starts it in some other way.
pub(crate) fn again(test: &str, through: &[&str]) -> Command {
    again_from(env::current_exe().unwrap(), test, through)
}

/// This program where any user can run it: where it was compiled may be below a home that is closed to others.
pub(crate) struct ForAnyUser {
    directory: TempDir,
}

impl ForAnyUser {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let this = Self { directory };
        fs::copy(env::current_exe().unwrap(), this.program()).unwrap();
        for path in [this.directory.path(), &this.program()] {
            fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
        }
        this
    }

    fn program(&self) -> PathBuf {
        self.directory.path().join("test")
    }

    /// As [`again`].
    pub(crate) fn again(&self, test: &str, through: &[&str]) -> Command {
        let mut command = again_from(self.program(), test, through);
        // Not below that home either.
        command.current_dir(self.directory.path());
        command
    }
}

fn again_from(program: PathBuf, test: &str, through: &[&str]) -> Command {
    let mut words = through.iter().map(Into::into).chain([program]);
    let mut command = Command::new(words.next().unwrap());
    command.args(words).args(["--exact", test, "--nocapture", "--test-threads=1"]).env(OTHER, "1");
    command
}

/// Whether this is the test's other process.
pub(crate) fn is_the_other() -> bool {
    env::var_os(OTHER).is_some()
}

/// The next line that the test says to its other process. Not a byte behind it is taken: that is the next program's.
pub(crate) fn told() -> String {
    let mut line = Vec::new();
    let mut byte = [0];
    while rustix::io::read(std::io::stdin(), &mut byte).unwrap() > 0 && byte != *b"\n" {
        line.extend(byte);
    }
    String::from_utf8(line).unwrap()
}

pub(crate) fn pid(number: u32) -> Pid {
    Pid::from_raw(number.try_into().unwrap()).unwrap()
}

pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Whether a command works here. If not, it says that the test is skipped, and why.
pub(crate) fn works(command: &[&str]) -> bool {
    let (program, words) = command.split_first().unwrap();
    match Command::new(program).args(words).arg("true").output() {
        Ok(output) if output.status.success() => true,
        Ok(output) => {
            println!("skipped: {} does not work here: {}", command.join(" "), String::from_utf8_lossy(&output.stderr));
            false
        }
        Err(error) => {
            println!("skipped: {program} cannot be run here: {error}");
            false
        }
    }
}
