//! How long a start takes that finds a million sessions of a dead run, against what SQLite needs to read them.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use lastword::events::{Event, SessionStart};
use lastword::{Journal, Plugin, Runtime, Sandbox, SandboxConfig, SqliteJournal};
use lastword_journal::JournalOp;
use rusqlite::{Connection, OpenFlags};

use crate::end::session;
use crate::journal::start_runtime;
use crate::rounds::{micros, say};
use crate::setup::{load_good, tokio_with};

pub(crate) const SESSIONS: u32 = 1_000_000;
/// Starts that wait to be written at the same time.
const AT_ONCE: usize = 10_000;

/// What both sides take, in ms: SQLite that only reads, and a runtime until it is ready.
pub(crate) struct Sides {
    pub(crate) bare: f64,
    pub(crate) ready: f64,
}

/// Prints both sides, and how long all of it takes to be delivered.
///
/// # Errors
/// When something fails that must not.
pub(crate) fn measure() -> anyhow::Result<()> {
    let tokio = tokio_with(2)?;
    let _context = tokio.enter();
    let sandbox = Sandbox::new(SandboxConfig::default())?;
    let plugin = load_good(&sandbox)?;
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("journal.db");

    say(format!("a start that finds {SESSIONS} active sessions of a dead run in the journal:"));
    tokio.block_on(note_all(&path, SESSIONS))?;
    let (Sides { bare, ready }, runtime) = start(&path, &sandbox, &plugin)?;
    say(format!("  SQLite alone reads them in     {:6.2} s", bare / 1e3));
    say(format!("  the runtime is ready after     {:6.2} s   {:.1} × as long", ready / 1e3, ready / bare));
    let began = Instant::now();
    tokio.block_on(runtime.settled());
    let made = began.elapsed().as_secs_f64();
    anyhow::ensure!(runtime.undelivered_ends() == 0, "not everything was delivered");
    say(format!("  and all of it delivered        {made:6.2} s later"));
    Ok(())
}

/// Measures both sides on a journal that a run has left with so many sessions.
///
/// # Errors
/// When something fails that must not.
pub(crate) fn start(path: &Path, sandbox: &Sandbox, plugin: &Plugin) -> anyhow::Result<(Sides, Runtime)> {
    let began = Instant::now();
    read_all(path)?;
    let bare = micros(began.elapsed()) / 1e3;
    let began = Instant::now();
    let runtime = start_runtime(sandbox, plugin, Arc::new(SqliteJournal::open(path)?))?;
    let ready = micros(began.elapsed()) / 1e3;
    let found = runtime.recovered().sessions;
    anyhow::ensure!(found == u64::from(SESSIONS), "{found} sessions were found");
    Ok((Sides { bare, ready }, runtime))
}

/// As a run leaves it that was killed: every start is written down, and nothing else.
pub(crate) async fn note_all(path: &Path, sessions: u32) -> anyhow::Result<()> {
    let journal = SqliteJournal::open(path)?;
    journal.recover()?;
    let event = Arc::new(Event::Start(SessionStart::default()));
    for first in (0..sessions).step_by(AT_ONCE) {
        let numbers = first..first.saturating_add(u32::try_from(AT_ONCE)?).min(sessions);
        let starts: Vec<_> = numbers
            .map(|n| {
                let session = Arc::new(session(n));
                journal.append(JournalOp::Start { session, event: event.clone(), owed: vec![], op_id: None })
            })
            .collect();
        for written in starts {
            written.await?;
        }
    }
    Ok(())
}

/// Reads every row that a recovery needs. Gives the bytes of the sessions' facts, so that nothing is left out because nobody looks.
fn read_all(path: &Path) -> anyhow::Result<usize> {
    let file = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let sql = "SELECT sequence, run, facts, compactions, started, first_run FROM session WHERE ended_run IS NULL
               ORDER BY sequence";
    let mut statement = file.prepare(sql)?;
    let mut rows = statement.query([])?;
    let mut bytes = 0;
    while let Some(row) = rows.next()? {
        bytes += row.get_ref(2)?.as_str()?.len();
    }
    Ok(bytes)
}
