//! A writer that is a process of its own, so that it can be suspended at any moment, and what it says.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use lastword_cluster_tests::{APPLICATION, NatsCluster, look_for};
use lastword_events::JournalName;
use parking_lot::Mutex;
use rustix::process::{Pid, Signal, kill_process};

use crate::support::WITH_ITS_PARENT;

const JOURNAL_WRITER: &str = env!("CARGO_BIN_EXE_journal-writer");

/// What a writer has said by now.
#[derive(Clone, Debug, Default)]
pub(crate) struct Said {
    pub(crate) found: BTreeSet<String>,
    pub(crate) is_ready: bool,
    pub(crate) recorded: BTreeSet<String>,
    pub(crate) ended: Option<String>,
}

pub(crate) struct Writer {
    process: Child,
    said: Arc<Mutex<Said>>,
    reader: Option<JoinHandle<()>>,
}

impl Writer {
    /// Has a new journal with this name.
    pub(crate) fn begin(servers: &NatsCluster, journal: JournalName) -> Self {
        Self::start(servers, journal, "begin")
    }

    /// Takes the journal over.
    pub(crate) fn take_over(servers: &NatsCluster, journal: JournalName) -> Self {
        Self::start(servers, journal, "take-over")
    }

    fn start(servers: &NatsCluster, journal: JournalName, how: &str) -> Self {
        let mut command = Command::new(WITH_ITS_PARENT);
        command.arg(std::process::id().to_string()).arg(JOURNAL_WRITER);
        command.args([servers.urls().join(","), servers.monitoring().join(",")]);
        command.arg(servers.password(APPLICATION)).args([&journal.to_string(), how]);
        let mut process = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let said = Arc::<Mutex<Said>>::default();
        let (lines, heard) = (BufReader::new(process.stdout.take().unwrap()).lines(), said.clone());
        let reader = thread::spawn(move || lines.map_while(Result::ok).for_each(|line| heard.lock().hear(&line)));
        Self { process, said, reader: Some(reader) }
    }

    pub(crate) fn said(&self) -> Said {
        self.said.lock().clone()
    }

    /// Waits until it writes.
    #[track_caller]
    pub(crate) fn wait_until_ready(&mut self) {
        look_for("a writer that is ready", || {
            let left = self.process.try_wait().unwrap();
            assert_eq!(left, None, "the writer has left: {:?}", self.said.lock().ended);
            self.said.lock().is_ready.then_some(())
        });
    }

    /// Waits until so many of its starts are on record.
    #[track_caller]
    pub(crate) fn wait_for(&self, recorded: usize) {
        let enough = || (self.said.lock().recorded.len() >= recorded).then_some(());
        look_for(&format!("{recorded} starts on record"), enough);
    }

    /// SIGSTOP.
    pub(crate) fn suspend(&self) {
        self.signal(Signal::STOP);
    }

    /// SIGCONT.
    pub(crate) fn resume(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.process.id()).ok().and_then(Pid::from_raw).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Waits until it has said its last.
    #[track_caller]
    pub(crate) fn last_words(mut self) -> Said {
        look_for("a writer that leaves", || self.process.try_wait().unwrap());
        self.reader.take().unwrap().join().unwrap();
        self.said()
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

impl Said {
    fn hear(&mut self, line: &str) {
        match line.split_once(' ') {
            Some(("found", id)) => drop(self.found.insert(id.to_owned())),
            Some(("recorded", id)) => drop(self.recorded.insert(id.to_owned())),
            Some(("ended", why)) => self.ended = Some(why.to_owned()),
            _ => self.is_ready |= line == "ready",
        }
    }
}
