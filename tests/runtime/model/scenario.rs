//! Case after case: a journal over its runs, and what it has to hold.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::mpsc::RecvTimeoutError;

use lastword::events::{EventKey, Identity};
use lastword_sqlite::{DeliveryState, JournalFile};
use tempfile::TempDir;

use super::case::{Case, End, Plugin, Run, Who};
use super::crashing_journal::CrashingJournal;
use super::delivery::{Delivery, Listed};
use super::numbers::Numbers;
use super::reference::Reference;
use super::side_by_side::{Checked, PATIENCE, SideBySide, listed, same};
use super::subject::Attempt;

/// Plays a case, and then a run in which nothing is in the way of what is still owed.
pub(super) fn play(case: &Case) -> Checked {
    let mut scenario = Scenario::begin();
    for (n, run) in case.0.iter().chain([&Run::that_takes_everything()]).enumerate() {
        scenario.run(run).map_err(|why| format!("in run {}: {why}", n + 1))?;
    }
    let mut owed = scenario.disk.deliveries().into_iter().filter(|(_, listed)| listed.state != DeliveryState::Dead);
    owed.next().map_or(Ok(()), |(delivery, _)| Err(format!("{delivery} is still owed in the end")))
}

/// A journal over its runs, and what it has to hold.
pub(super) struct Scenario {
    home: TempDir,
    pub(super) disk: Reference,
    numbers: Numbers,
}

impl Scenario {
    fn begin() -> Self {
        // These journals need not outlive the machine, and a commit to memory takes no time.
        let memory = Path::new("/dev/shm");
        let home = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
        let (disk, numbers) = (Reference::default(), Numbers::default());
        Self { home: home.unwrap(), disk, numbers }
    }

    fn path(&self) -> PathBuf {
        self.home.path().join("journal.db")
    }

    fn run(&mut self, run: &Run) -> Checked {
        self.disk.begin_run(&run.installed);
        self.numbers.run += 1;
        let (journal, closed) = CrashingJournal::open(&self.path(), run.crash_point);
        let tokio = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let played = tokio.block_on(async {
            let mut both = SideBySide::begin(self, run, &journal).await?;
            both.play(run).await.map(|()| (both.live, both.subject.attempts))
        });
        drop((tokio, journal));
        assert_eq!(closed.recv_timeout(PATIENCE), Err(RecvTimeoutError::Disconnected), "it lets go of its journal");
        let (mut live, attempts) = played?;
        // What workers had in hand as the run was dropped.
        attempts.try_iter().try_for_each(|attempt| self.hear(&mut live, &attempt))?;
        self.compare_with_file(&run.end)
    }

    pub(super) fn hear(&mut self, live: &mut Reference, attempt: &Attempt) -> Checked {
        let wrong = |why: &str| format!("{}, attempt {}: {why}", attempt.delivery, attempt.number);
        self.numbers.check(attempt).map_err(wrong)?;
        live.attempted(attempt).map_err(wrong)?;
        if attempt.on_record { self.disk.attempted(attempt).map_err(wrong) } else { Ok(()) }
    }

    /// What an operator sees of the file.
    fn compare_with_file(&mut self, end: &End) -> Checked {
        let file = JournalFile::look(&self.path()).unwrap();
        let mut sessions: Vec<_> = file.sessions().unwrap().iter().map(|row| listed(&row.session)).collect();
        sessions.sort();
        same("active sessions on record", &sessions, &self.disk.sessions())?;
        let mut deliveries = BTreeMap::new();
        for row in file.deliveries().unwrap() {
            let who = Who::of(&Identity::new(&row.tenant, &row.session));
            let (event, plugin) = (row.delivery.event, Plugin::name(&row.delivery.plugin));
            let delivery = Delivery { who, generation: row.generation, event, plugin };
            self.numbers.check_id(delivery, &row.delivery).map_err(|why| format!("{delivery} on record: {why}"))?;
            let reason = row.reason.filter(|_| event == EventKey::End);
            deliveries.insert(delivery, Listed { state: row.state, failures: row.failures, late: row.late, reason });
        }
        if !matches!(end, End::Drain(..)) {
            let is_owed = |listed: &Listed| listed.state == DeliveryState::Owed;
            self.disk.killed(|delivery| deliveries.get(delivery).is_some_and(is_owed));
        }
        self.disk.settled();
        let expected = self.disk.deliveries();
        let mut all = deliveries.keys().chain(expected.keys());
        all.try_for_each(|one| same(&format!("{one} on record"), &deliveries.get(one), &expected.get(one)))
    }
}
