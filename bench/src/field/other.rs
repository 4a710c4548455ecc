//! A program that answers each line with a line: what others do is measured in a process of its own, by that process.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::Context as _;

/// What an answer begins with. Anything else that is printed is none.
const ANSWER: &str = "lastword ";

/// The process. It is ended when this is dropped.
pub(super) struct Other {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Other {
    /// Starts it.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(super) fn start(command: &mut Command) -> anyhow::Result<Self> {
        let shown = command.get_program().to_string_lossy().into_owned();
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("cannot run {shown}"))?;
        let stdin = child.stdin.take().context("it has no stdin")?;
        let stdout = child.stdout.take().map(BufReader::new).context("it has no stdout")?;
        Ok(Self { child, stdin, stdout })
    }

    /// What it answers to `line`.
    ///
    /// # Errors
    /// When it has ended.
    pub(super) fn ask(&mut self, line: &str) -> anyhow::Result<String> {
        writeln!(self.stdin, "{line}")?;
        self.stdin.flush()?;
        self.answer()
    }

    /// Its next answer.
    ///
    /// # Errors
    /// When it has ended.
    pub(super) fn answer(&mut self) -> anyhow::Result<String> {
        loop {
            let mut line = String::new();
            let read = self.stdout.read_line(&mut line)?;
            anyhow::ensure!(read > 0, "it has ended without an answer");
            if let Some(answer) = line.strip_prefix(ANSWER) {
                return Ok(answer.trim_end().to_owned());
            }
        }
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_program_prints_besides_is_no_answer() {
        let script = "echo starting; while read -r line; do echo noise; echo \"lastword $line\"; done";
        let mut other = Other::start(Command::new("sh").args(["-c", script])).unwrap();
        assert_eq!((other.ask("1").unwrap(), other.ask("2").unwrap()), ("1".to_owned(), "2".to_owned()));
    }

    #[test]
    fn a_program_that_has_ended_is_an_error() {
        let mut other = Other::start(Command::new("sh").args(["-c", "read -r line; echo no answer"])).unwrap();
        let said = other.ask("1").unwrap_err().to_string();
        assert!(said.contains("without an answer"), "{said}");
    }
}
