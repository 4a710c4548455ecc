//! How long a start takes that finds a million sessions of a dead run, against what SQLite needs to read them.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use lastword::events::{Event, SessionStart};
use lastword::{Journal, Sandbox, SandboxConfig, SqliteJournal};
use lastword_journal::JournalOp;
use rusqlite::{Connection, OpenFlags};

use crate::end::session;
use crate::journal::start_runtime;
use crate::rounds::say;
use crate::setup::{load_good, tokio_with};

const SESSIONS: u32 = 1_000_000;
/// Starts that wait to be written at the same time.
const AT_ONCE: usize = 10_000;

/// Prints both sides.
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

    let began = Instant::now();
    let bytes = read_all(&path)?;
    let bare = began.elapsed();
    say(format!("  SQLite alone reads them in     {:6.2} s   ({} MB of facts)", bare.as_secs_f64(), bytes / 1_000_000));
    let began = Instant::now();
    let runtime = start_runtime(&sandbox, &plugin, Arc::new(SqliteJournal::open(&path)?))?;
    let ready = began.elapsed();
    let ratio = ready.as_secs_f64() / bare.as_secs_f64();
    say(format!("  the runtime is ready after     {:6.2} s   {ratio:.1} × as long", ready.as_secs_f64()));
    let recovered = runtime.recovered();
    anyhow::ensure!(recovered.sessions == u64::from(SESSIONS), "{} sessions were found", recovered.sessions);
    let began = Instant::now();
    tokio.block_on(runtime.settled());
    let made = began.elapsed().as_secs_f64();
    anyhow::ensure!(runtime.undelivered_ends() == 0, "not everything was delivered");
    say(format!("  and all of it delivered        {made:6.2} s later"));
    Ok(())
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

/// Reads every row that a recovery needs. Gives the bytes of the sessions' facts.
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
