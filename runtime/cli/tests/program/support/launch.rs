//! How a program is started: arguments, files, streams, faults.

use std::ffi::OsString;
use std::fs::File;
use std::io::{BufReader, Write};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{ChildStdout, Command, Stdio};
use std::sync::{Arc, mpsc};
use std::thread;

#[cfg(target_os = "linux")]
use lastword_faults::Fault;
use rustix::process::Pid;

use super::seen::Seen;
use super::terminal::Terminal;
use super::{Ended, Home, Program};

/// A program that is about to be started. Unless it is given the home of an earlier one, it has a home directory of its
/// own: so it has no compiled code in its cache.
pub(crate) struct Launch {
    home: Home,
    /// What is started in its place, and starts it.
    launcher: Vec<OsString>,
    args: Vec<OsString>,
    stdin: Input,
    stdout: Output,
    stalled_stderr: bool,
    env: Vec<(&'static str, Option<&'static str>)>,
    group: Option<i32>,
    terminal: bool,
    #[cfg(target_os = "linux")]
    fault: Option<Fault>,
}

enum Input {
    Pipe,
    From(Stdio),
    Terminal,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Output {
    Read,
    Stalled,
    Closed,
    /// Read, and not of the protocol.
    Free,
}

impl Launch {
    /// `lastword stdio`.
    pub(crate) fn stdio() -> Self {
        Self::stdio_at(&Home::new())
    }

    /// `lastword stdio` where another one has run, or will.
    pub(super) fn stdio_at(home: &Home) -> Self {
        Self::new("stdio", Output::Read, home.clone())
    }

    /// `lastword serve` where other commands run. Its only line on stdout is one of the protocol.
    pub(super) fn serve_at(home: &Home) -> Self {
        Self::new("serve", Output::Read, home.clone())
    }

    /// Another command, whose stdout is for people.
    pub(crate) fn command(name: &str) -> Self {
        Self::command_at(name, &Home::new())
    }

    /// Another command where another one has run.
    pub(super) fn command_at(name: &str, home: &Home) -> Self {
        Self::new(name, Output::Free, home.clone())
    }

    fn new(command: &str, stdout: Output, home: Home) -> Self {
        Self {
            home,
            launcher: Vec::new(),
            args: vec![command.into()],
            stdin: Input::Pipe,
            stdout,
            stalled_stderr: false,
            env: Vec::new(),
            group: None,
            terminal: false,
            #[cfg(target_os = "linux")]
            fault: None,
        }
    }

    /// Its files are broken like that.
    #[cfg(target_os = "linux")]
    pub(crate) fn fault(mut self, fault: &Fault) -> Self {
        self.fault = Some(fault.clone());
        self
    }

    /// The program's home.
    pub(crate) fn dir(&self) -> &Path {
        self.home.path()
    }

    pub(crate) fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.args.push(arg.into());
        self
    }

    pub(crate) fn env(mut self, name: &'static str, value: &'static str) -> Self {
        self.env.push((name, Some(value)));
        self
    }

    /// Without that variable.
    pub(crate) fn without_env(mut self, name: &'static str) -> Self {
        self.env.push((name, None));
        self
    }

    /// Started by this command, which is given the program and its arguments, and becomes it.
    pub(crate) fn through(mut self, launcher: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        self.launcher = launcher.into_iter().map(Into::into).collect();
        self
    }

    /// Started by a shell, after this script.
    pub(crate) fn after(self, script: &str) -> Self {
        self.shell(&format!("{script} && exec \"$@\""))
    }

    /// Writes a file into the program's home and passes its path.
    pub(crate) fn file(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        let path = self.write(name, content);
        self.arg(path)
    }

    /// Writes a file into the program's home.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.dir().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// `--plugin` with the test guest of that name.
    pub(crate) fn guest(self, name: &str) -> Self {
        let path = lastword_test_guests::write(name, self.dir());
        self.arg("--plugin").arg(path)
    }

    /// `--plugin` with a component of its own.
    pub(crate) fn component(self, name: &str, bytes: &[u8]) -> Self {
        self.arg("--plugin").file(&format!("{name}.wasm"), bytes)
    }

    /// Puts a test guest beside the configuration, for it to name.
    pub(crate) fn with_guest(self, name: &str) -> Self {
        self.write(&format!("{name}.wasm"), lastword_test_guests::component(name));
        self
    }

    /// Puts a file beside the configuration, for it to name.
    #[cfg(target_os = "linux")]
    pub(crate) fn file_beside(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        self.write(name, content);
        self
    }

    /// `--config` with a file of that text.
    pub(crate) fn config(self, text: &str) -> Self {
        self.arg("--config").file("lastword.toml", text)
    }

    /// `< path`, rather than a pipe.
    pub(crate) fn input_file(mut self, path: &Path) -> Self {
        self.stdin = Input::From(File::open(path).unwrap().into());
        self
    }

    /// `< file` with these bytes.
    pub(crate) fn input(self, bytes: impl AsRef<[u8]>) -> Self {
        let path = self.write("input", bytes);
        self.input_file(&path)
    }

    /// stdin is this.
    pub(crate) fn input_stdio(mut self, stdin: impl Into<Stdio>) -> Self {
        self.stdin = Input::From(stdin.into());
        self
    }

    /// Another process's stdout, and that process's group.
    pub(crate) fn input_from(mut self, other: ChildStdout, group: i32) -> Self {
        self.stdin = Input::From(other.into());
        self.group = Some(group);
        self
    }

    /// A shell starts it with these words, in which `"$@"` is the program with its arguments. Without `exec` before it
    /// the process that is waited for, and that gets [`Program::signal`], is the shell.
    pub(crate) fn shell(self, script: &str) -> Self {
        self.through(["sh", "-c", script, "sh"])
    }

    /// In a terminal of its own, in whose foreground group it is. Its streams stay what they are without.
    pub(crate) fn in_a_terminal(mut self) -> Self {
        self.terminal = true;
        self
    }

    /// The terminal is its stdin.
    pub(crate) fn input_from_the_terminal(mut self) -> Self {
        self.stdin = Input::Terminal;
        self.in_a_terminal()
    }

    /// Nobody reads stdout until [`Program::read_stdout`].
    pub(crate) fn stalled_stdout(mut self) -> Self {
        self.stdout = Output::Stalled;
        self
    }

    /// Nobody ever reads stdout.
    pub(crate) fn closed_stdout(mut self) -> Self {
        self.stdout = Output::Closed;
        self
    }

    /// Nobody ever reads stderr, and it stays open.
    pub(crate) fn stalled_stderr(mut self) -> Self {
        self.stalled_stderr = true;
        self
    }

    pub(crate) fn start(self) -> Program {
        let program = OsString::from(env!("CARGO_BIN_EXE_lastword"));
        let mut words = self.launcher.iter().chain([&program]).chain(&self.args);
        let mut command = Command::new(words.next().unwrap());
        command.args(words).current_dir(self.dir()).env_remove("RUST_LOG").env_remove("LASTWORD_LOG");
        let homes = ["HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR"];
        for home in homes {
            command.env(home, self.dir());
        }
        // Whoever runs the tests may be traced.
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("OTEL_")) {
            command.env_remove(name);
        }
        for (name, value) in &self.env {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        #[cfg(target_os = "linux")]
        if let Some(fault) = &self.fault {
            fault.apply(&mut command);
        }
        let stdin = match self.stdin {
            Input::Pipe => Some(Stdio::piped()),
            Input::From(other) => Some(other),
            Input::Terminal => None,
        };
        let (mut child, terminal) = if self.terminal {
            let (child, terminal) = Terminal::spawn(command, stdin);
            (child, Some(terminal))
        } else {
            command.process_group(self.group.unwrap_or(0));
            command.stdin(stdin.unwrap()).stdout(Stdio::piped()).stderr(Stdio::piped());
            (command.spawn().unwrap(), None)
        };
        let input = child.stdin.take().map(feed);
        let seen = Arc::new(Seen::default());
        let stdout = child.stdout.take().unwrap();
        let stdout = match self.stdout {
            Output::Closed => {
                drop(stdout);
                seen.lock().stdout_ended = true;
                None
            }
            Output::Stalled => Some(stdout),
            Output::Read | Output::Free => {
                seen.read_stdout(stdout, self.stdout == Output::Read);
                None
            }
        };
        let mut stderr = child.stderr.take();
        if self.stalled_stderr {
            seen.lock().stderr_ended = true;
        } else {
            seen.read_stderr(BufReader::new(stderr.take().unwrap()));
        }
        let pid = Pid::from_child(&child);
        seen.watch(child);
        Program { pid, input, stdout, _stderr: stderr, terminal, seen, _home: self.home }
    }

    /// Starts it and waits for its end; stdin is closed, unless it is a file.
    pub(crate) fn run(self) -> Ended {
        let mut program = self.start();
        program.close_stdin();
        program.ended()
    }

    /// Starts it, feeds it this, and ends its input when it has answered so many lines. The end of the input begins a drain, which waits
    /// for what a slow disk has yet to write for no more than 100 ms: whatever has to follow it is refused.
    pub(crate) fn answering(self, answers: usize, input: impl AsRef<str>) -> Ended {
        let mut program = self.start();
        program.send([input]);
        program.until("its answers", |counts| {
            ["accepted", "error"].iter().filter_map(|event| counts.get(*event)).sum::<usize>() >= answers
        });
        program.close_stdin();
        program.ended()
    }
}

/// Writes to the program's stdin on a thread, so that a program that does not read cannot hold up its test.
fn feed(mut stdin: impl Write + Send + 'static) -> mpsc::Sender<Vec<u8>> {
    let (sender, receiver) = mpsc::channel::<Vec<u8>>();
    thread::spawn(move || {
        for bytes in receiver {
            if stdin.write_all(&bytes).is_err() {
                return;
            }
        }
    });
    sender
}
