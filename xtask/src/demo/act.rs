//! One run of the program: start it, tell it of sessions, stop it, and write down what happened.

use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use anyhow::bail;

use super::owner;
use super::program::{Heard, Program};
use super::protocol::{Drain, Line, Outcome};

/// A plugin may have to be compiled before the program is ready, on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// Lines of its log that are shown when the program fails.
const LOG_SHOWN: usize = 20;

/// What happened.
pub(super) struct Played {
    /// The plugins' files, in the order given.
    pub(super) plugins: Vec<PathBuf>,
    /// Sessions that were open when the program was stopped.
    pub(super) open: usize,
    /// Calls before the signal.
    pub(super) before: Vec<Outcome>,
    /// Calls of the drain.
    pub(super) calls: Vec<Call>,
    /// The drain's own report.
    pub(super) drain: Drain,
    /// From the signal until the drain's report was heard.
    pub(super) reported_after: Duration,
    /// From the signal until the process had ended.
    pub(super) ended_after: Duration,
    /// Nothing when a signal ended the process.
    pub(super) exit_code: Option<i32>,
    /// What it printed on stderr: its log, and in it what the plugins printed.
    pub(super) log: Vec<String>,
}

/// One outcome of a drain.
pub(super) struct Call {
    pub(super) outcome: Outcome,
    /// From the signal until its outcome was heard.
    pub(super) heard_after: Duration,
}

/// Starts `lastword` with `plugins` on a journal, tells it `lines`, waits until their calls are done, sends SIGTERM and waits for the
/// end.
pub(super) fn play(lastword: &Path, plugins: &[PathBuf], journal: &Path, lines: &[String]) -> anyhow::Result<Played> {
    let mut run = Run::of(Program::start(lastword, plugins, journal)?);
    while !matches!(run.line()?, (_, Some(Line::Ready { .. }))) {}
    run.program.tell(lines)?;
    let mut before = Vec::new();
    while before.len() < owner::calls(lines) {
        if let (_, Some(Line::Outcome(outcome))) = run.line()? {
            before.push(outcome);
        }
    }
    let signal = run.program.sigterm()?;
    let mut calls = Vec::new();
    let (drained_at, drain) = loop {
        match run.line()? {
            (at, Some(Line::Outcome(outcome))) => calls.push(Call { outcome, heard_after: at - signal }),
            (at, Some(Line::Drain(drain))) => break (at, drain),
            _ => {}
        }
    };
    let (ended_at, status) = run.end()?;
    Ok(Played {
        plugins: plugins.to_vec(),
        open: owner::open_sessions(lines),
        before,
        calls,
        drain,
        reported_after: drained_at - signal,
        ended_after: ended_at - signal,
        exit_code: status.code(),
        log: run.log,
    })
}

/// One run of the program that is going on.
pub(super) struct Run {
    pub(super) program: Program,
    pub(super) log: Vec<String>,
}

impl Run {
    pub(super) fn of(program: Program) -> Self {
        Self { program, log: Vec::new() }
    }

    /// The next thing heard; nothing when it was a line of the log.
    pub(super) fn line(&mut self) -> anyhow::Result<(Instant, Option<Line>)> {
        match self.program.hear(PATIENCE).map_err(|error| self.with_log(error))? {
            (at, Heard::Stdout(line)) => match serde_json::from_str(&line) {
                Ok(Line::Error(refusal)) => bail!("lastword refused a line ({}): {}", refusal.code, refusal.message),
                Ok(line) => Ok((at, Some(line))),
                Err(error) => bail!("lastword printed a line that is not of its protocol ({error}): {line}"),
            },
            (at, Heard::Stderr(line)) => {
                self.log.push(line);
                Ok((at, None))
            }
            (_, Heard::Exit(status)) => Err(self.with_log(anyhow::anyhow!("lastword ended too early ({status})"))),
        }
    }

    pub(super) fn end(&mut self) -> anyhow::Result<(Instant, ExitStatus)> {
        loop {
            match self.program.hear(PATIENCE).map_err(|error| self.with_log(error))? {
                (_, Heard::Stdout(_)) => {}
                (_, Heard::Stderr(line)) => self.log.push(line),
                (at, Heard::Exit(status)) => return Ok((at, status)),
            }
        }
    }

    /// `error` with the end of what the program logged, where the reason often is.
    fn with_log(&self, error: anyhow::Error) -> anyhow::Error {
        let tail = self.log.get(self.log.len().saturating_sub(LOG_SHOWN)..).unwrap_or_default();
        error.context(format!("the demo broke off; the program's log ends with:\n{}", tail.join("\n")))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::super::protocol::Word;
    use super::super::{owner, show, verdict};
    use super::*;

    /// Speaks the protocol: one session, ended when SIGTERM comes.
    const STAND_IN: &str = r#"#!/bin/sh
        outcome() {
            printf '{"event":"outcome","delivery":"d","plugin":"log","hook":"%s","tenant":"t","session":"s1",' "$1"
            printf '"generation":1,"reason":"shutdown","attempt":1,"outcome":"delivered","wall_us":100,"fuel":2000}\n'
        }
        drain() {
            echo 'INFO log: session-end t/s1#1 reason=shutdown delivery=d attempt=1' >&2
            outcome session-end
            printf '{"event":"drain","reason":"shutdown","budget_ms":2000,"elapsed_ms":1,"sessions":1,"delivered":1,'
            printf '"failed":0,"deferred":0,"timed_out":false,"warnings":[],"dropped_lines":0}\n'
            exit 0
        }
        trap drain TERM
        echo '{"event":"ready","journal":"j","plugins":[],"recovered":{"sessions":0,"deliveries":0}}'
        read line
        echo '{"event":"accepted","op":"start","tenant":"t","session":"s1","generation":1,"line":1}'
        outcome session-start
        while :; do read line || exit 2; done
    "#;

    fn stand_in(script: &str) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("lastword");
        std::fs::write(&program, script).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        (folder, program)
    }

    #[test]
    fn a_run_is_followed_from_its_start_to_its_exit() {
        let (_folder, program) = stand_in(STAND_IN);
        let played = play(&program, &["log.wasm".into()], Path::new("memory"), &owner::made_up(1)).unwrap();
        assert_eq!((played.before.len(), played.calls.len(), played.exit_code), (1, 1, Some(0)));
        assert_eq!(played.calls[0].outcome.outcome, Word::Delivered);
        assert!(played.calls[0].heard_after <= played.reported_after);
        show::opened(&played);
        show::calls(&played);
        assert!(verdict::show(&played, verdict::Expected::AllDelivered));
    }

    #[test]
    fn a_program_that_gives_up_is_shown_with_its_log() {
        let (_folder, program) = stand_in("#!/bin/sh\necho 'no plugin of that name' >&2; exit 2");
        let Err(error) = play(&program, &[], Path::new("memory"), &owner::made_up(1)) else { panic!("it was played") };
        let error = format!("{error:#}");
        assert!(error.contains("no plugin of that name") && error.contains("ended too early"), "{error}");
    }
}
