//! Sessions whose end is not written down. There may be a million, so all processors read them.

use std::collections::{HashMap, HashSet};
use std::num::NonZeroUsize;
use std::panic::resume_unwind;
use std::path::Path;
use std::sync::Arc;
use std::thread::{self, available_parallelism};

use lastword_events::{DrainReason, PluginName, Session, Timestamp};
use lastword_journal::state::{CleanRuns, serving};
use lastword_journal::{DrainedEnd, RecoveredSession, TriedEnd};
use rusqlite::{Connection, Row, params};

use crate::connection::read_only;
use crate::row::{count, drain_reason, from_json, has, parsed};
use crate::tables::drained::OWED;

/// Sessions that are worth a thread: some 20 ms of its time.
const EACH: u64 = 10_000;
/// One disk serves all threads, so more than this number would wait for it.
const MAX_THREADS: u64 = 8;

/// Reads the sessions in their order, for run `run`.
pub(super) fn read(file: &Connection, run: u32, clean: &CleanRuns) -> rusqlite::Result<Vec<RecoveredSession>> {
    let sql = "SELECT coalesce(min(sequence), 0), coalesce(max(sequence), 0), count(*) FROM session
               WHERE ended_run IS NULL";
    let (first, last, count): (u64, u64, u64) =
        file.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let reader = &Reader {
        run,
        attaching_since: attaching_since(file, run)?,
        drains: drains(file)?,
        drained: drained(file, run, clean)?,
        clean,
    };
    let processors = available_parallelism().map_or(1, NonZeroUsize::get);
    let threads = (count / EACH).min(MAX_THREADS).min(processors.try_into().unwrap_or(1)).max(1);
    let Some(path) = file.path().filter(|_| threads > 1).map(Path::new) else {
        return reader.read(file, (first, last), count);
    };
    // Only sessions that have ended leave gaps between the numbers.
    let each = (last - first) / threads + 1;
    let part = |number: u64| {
        let first = first.saturating_add(each.saturating_mul(number));
        (first, first.saturating_add(each - 1).min(last))
    };
    thread::scope(|scope| {
        let read = |number| {
            let read = move || reader.read(&read_only(path)?, part(number), count / threads);
            thread::Builder::new().spawn_scoped(scope, read).map_err(|_no_thread| number)
        };
        let others: Vec<_> = (1..threads).map(read).collect();
        let mut sessions = reader.read(file, part(0), count)?;
        for other in others {
            let mut read = match other {
                Ok(thread) => thread.join().unwrap_or_else(|panic| resume_unwind(panic))?,
                Err(number) => reader.read(file, part(number), count / threads)?,
            };
            sessions.append(&mut read);
        }
        Ok(sessions)
    })
}

/// The facts that all threads need.
struct Reader<'a> {
    run: u32,
    clean: &'a CleanRuns,
    /// From this number on, all runs before this one were attaching and did not drain.
    attaching_since: u32,
    /// By run. A session belongs to the run in which its owner last spoke of it.
    drains: HashMap<u32, DrainOfRun>,
    /// By session.
    drained: HashMap<u64, DrainedEnds>,
}

impl Reader<'_> {
    /// Reads the sessions with numbers from the first to the last of `part`, into a vector that has room for `room`.
    fn read(&self, file: &Connection, part: (u64, u64), room: u64) -> rusqlite::Result<Vec<RecoveredSession>> {
        let sql = "SELECT sequence, run, facts, compactions, started, first_run FROM session
                   WHERE ended_run IS NULL AND sequence BETWEEN ?1 AND ?2 ORDER BY sequence";
        let mut statement = file.prepare(sql)?;
        let mut rows = statement.query(params![part.0, part.1])?;
        let mut sessions = Vec::with_capacity(room.try_into().unwrap_or(0));
        let mut tenants = HashSet::new();
        while let Some(row) = rows.next()? {
            sessions.push(self.session(row, &mut tenants)?);
        }
        Ok(sessions)
    }

    fn session(&self, row: &Row<'_>, tenants: &mut HashSet<Arc<str>>) -> rusqlite::Result<RecoveredSession> {
        let (sequence, last_run): (u64, u32) = (row.get(0)?, count(row, 1, "a session's run")?);
        let mut session = from_json::<Session>(row, 2)?;
        // Each tenant's name is in memory once.
        match tenants.get(&session.identity.tenant) {
            Some(tenant) => session.identity.tenant = tenant.clone(),
            None => drop(tenants.insert(session.identity.tenant.clone())),
        }
        let drain = self.drains.get(&last_run);
        let ends = self.drained.get(&sequence);
        let untraced = self.clean.untraced(count(row, 5, "a session's first run")?, self.run);
        let tried = |end: &TriedEnd| TriedEnd { attempt: end.attempt.max(untraced), ..end.clone() };
        Ok(RecoveredSession {
            sequence,
            compactions: count(row, 3, "a session's count of compactions")?,
            started: if has(row, 4)? { from_json(row, 4)? } else { Vec::new() },
            attachable: drain.is_none() && ends.is_none() && last_run.saturating_add(1) >= self.attaching_since,
            attempt: untraced,
            drained: (drain.is_some() || ends.is_some()).then(|| {
                let installed = drain.and_then(|drain| drain.installed.as_ref());
                Box::new(DrainedEnd {
                    drain: drain.map(|drain| (drain.reason, drain.at)),
                    owed: installed.map(|installed| serving(installed, &session.identity.tenant)),
                    settled: ends.map_or(Vec::new(), |ends| ends.settled.clone()),
                    tried: ends.map_or(Vec::new(), |ends| ends.tried.iter().map(tried).collect()),
                    suspect: Vec::new(),
                })
            }),
            session: Arc::new(session),
        })
    }
}

/// A run without a row may have told plugins of any end.
fn attaching_since(file: &Connection, run: u32) -> rusqlite::Result<u32> {
    let sql = "SELECT id FROM run WHERE id < ?1 AND attaching AND drain_reason IS NULL ORDER BY id DESC";
    let mut statement = file.prepare(sql)?;
    let mut since = run;
    for attaching in statement.query_map(params![run], |row| row.get::<_, u32>(0))? {
        if attaching? != since.saturating_sub(1) {
            break;
        }
        since -= 1;
    }
    Ok(since)
}

/// How a run drained.
struct DrainOfRun {
    reason: DrainReason,
    at: Timestamp,
    /// None when the run died before it wrote its plugins down.
    installed: Option<Vec<(PluginName, Option<Vec<String>>)>>,
}

fn drains(file: &Connection) -> rusqlite::Result<HashMap<u32, DrainOfRun>> {
    let sql = "SELECT id, drain_reason, draining_at, plugins FROM run WHERE drain_reason IS NOT NULL
               AND id IN (SELECT run FROM session WHERE ended_run IS NULL)";
    let mut statement = file.prepare(sql)?;
    let rows = statement.query_map([], |row| {
        let reason = drain_reason(row, 1)?;
        let installed = if has(row, 3)? { Some(from_json(row, 3)?) } else { None };
        Ok((row.get(0)?, DrainOfRun { reason, at: Timestamp::from_millisecond(row.get(2)?), installed }))
    })?;
    rows.collect()
}

/// The results of drains for the end of one session.
#[derive(Default)]
struct DrainedEnds {
    settled: Vec<PluginName>,
    tried: Vec<TriedEnd>,
}

fn drained(file: &Connection, run: u32, clean: &CleanRuns) -> rusqlite::Result<HashMap<u64, DrainedEnds>> {
    let sql = "SELECT d.sequence, p.name, d.run, d.attempt, d.state, d.failures
               FROM drained d JOIN plugin p ON p.id = d.plugin";
    let mut sessions: HashMap<u64, DrainedEnds> = HashMap::new();
    let mut statement = file.prepare(sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let ends = sessions.entry(row.get(0)?).or_default();
        let (in_run, attempt) = (count(row, 2, "a drained end's run")?, count(row, 3, "a drained end's attempt")?);
        let (plugin, state): (PluginName, u8) = (parsed(row, 1)?, row.get(4)?);
        if state == OWED {
            let attempt = clean.attempt_in_run(attempt, in_run, run);
            ends.tried.push(TriedEnd {
                plugin,
                failures: count(row, 5, "a drained end's count of failures")?,
                attempt,
            });
        } else {
            ends.settled.push(plugin);
        }
    }
    Ok(sessions)
}
