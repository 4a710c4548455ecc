//! The program while it runs.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::client::Client;
use super::load::until;
use super::scrape::Scrape;

/// A gateway that listens. It is killed when this is dropped.
pub(crate) struct Program {
    child: Child,
    stdout: BufReader<ChildStdout>,
    log: PathBuf,
    owners: Client,
    operators: Client,
}

impl Program {
    /// Starts it, and waits until it has said where it listens.
    pub(super) fn spawn(mut command: Command, log: PathBuf) -> Self {
        let stderr = File::create(&log).unwrap();
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(stderr).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut says = |what: &str| {
            said(&mut stdout, what).unwrap_or_else(|| {
                panic!("no {what:?} was said, and logged was:\n{}", fs::read_to_string(&log).unwrap_or_default())
            })
        };
        let (owners, operators) = (Client::of(&says("owners: ")), Client::of(&says("operators: ")));
        Self { child, stdout, log, owners, operators }
    }

    /// Asks where sessions are started and ended.
    pub(crate) fn owners(&self) -> &Client {
        &self.owners
    }

    /// Asks where operators do.
    pub(crate) fn operators(&self) -> &Client {
        &self.operators
    }

    /// What it has logged so far; what plugins print is part of it.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    pub(crate) fn scrape(&self) -> Scrape {
        let answer = self.operators.get("/metrics");
        assert_eq!(answer.status, 200, "{}", answer.text);
        Scrape::of(answer.text)
    }

    /// Waits until a scrape says so.
    pub(crate) fn until(&self, what: &str, holds: impl Fn(&Scrape) -> bool) {
        until(what, || {
            let scrape = self.scrape();
            if holds(&scrape) { Ok(()) } else { Err(scrape.to_string()) }
        });
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Tells it to stop, and gives the report of its drain.
    pub(crate) fn stop(mut self) -> Value {
        self.signal(Signal::TERM);
        let report = said(&mut self.stdout, "drained: ");
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}, and logged was:\n{}", self.log());
        serde_json::from_str(&report.unwrap()).unwrap()
    }

    /// Ends it as a machine does that has no memory left, and gives what it had logged.
    pub(crate) fn kill(mut self) -> String {
        self.signal(Signal::KILL);
        self.child.wait().unwrap();
        self.log()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended by itself.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// The rest of the first line that begins so; none when the program has ended without one.
fn said(stdout: &mut impl BufRead, what: &str) -> Option<String> {
    stdout.lines().map_while(Result::ok).find_map(|line| line.strip_prefix(what).map(str::to_owned))
}
