//! Erases the data of a session or a tenant, so that no byte of it stays in the journal's files.

use std::path::PathBuf;

use lastword_events::PluginName;
use rusqlite::{Connection, TransactionBehavior, params};

use crate::row::{count, from_json, json};
use crate::tables::generations;

/// The data to erase: all data of a tenant, or of one of its sessions.
#[derive(Clone, Copy, Debug)]
pub struct ErasureTarget<'a> {
    /// The tenant.
    pub tenant: &'a str,
    /// One of its sessions, in all scopes and generations. None for all of the tenant.
    pub session: Option<&'a str>,
}

/// Counts of erased rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Erased {
    /// Sessions. Each generation of an id counts.
    pub sessions: u64,
    /// Deliveries that were owed or dead.
    pub deliveries: u64,
    /// Values that plugins have stored for the tenant.
    pub key_values: u64,
    /// `op_id`s.
    pub op_ids: u64,
    /// Deliveries of other sessions whose event named the session, as the one before theirs or after it.
    pub named: u64,
}

/// The result of [`JournalFile::erase`](crate::JournalFile::erase).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Erasure {
    /// The data is erased. The journal's files have none of it any more.
    Done {
        /// The counts.
        erased: Erased,
        /// Damaged journals of this name that were kept aside. They may have more of the data.
        aside: Vec<PathBuf>,
    },
    /// Nothing was erased, because the session or tenant is still owed deliveries.
    StillOwed {
        /// Active sessions: their ends will be owed.
        active: u64,
        /// Deliveries that are owed, without dead ones.
        owed: u64,
    },
}

/// Whether a file of this version, which may be an earlier one, has any of the data.
pub(crate) fn has_any(
    file: &Connection,
    ErasureTarget { tenant, session }: ErasureTarget<'_>,
    version: u32,
) -> rusqlite::Result<bool> {
    let any = |from: &str| {
        let sql = format!("SELECT EXISTS (SELECT 1 FROM {from})");
        let mut statement = file.prepare(&sql)?;
        let whose = params![tenant, session];
        // Some of these statements take only the tenant.
        let whose = whose.get(..statement.parameter_count()).unwrap_or(whose);
        statement.query_row(whose, |row| row.get::<_, bool>(0))
    };
    // Before version 3 a line's row did not name its session.
    let line = if version < 3 { "op WHERE tenant = ?1" } else { OP };
    if any("session WHERE tenant = ?1 AND (id = ?2 OR ?2 IS NULL)")?
        || any(line)?
        || any(&format!("delivery WHERE {NAMING}"))?
    {
        return Ok(true);
    }
    if session.is_none() && version >= 5 && any("forgotten WHERE tenant = ?1")? {
        return Ok(true);
    }
    if version >= 5 && any(&format!("set_aside WHERE {SET_ASIDE}"))? {
        return Ok(true);
    }
    Ok(session.is_none() && (any("space WHERE tenant = ?1")? || any("run WHERE instr(plugins, json_quote(?1)) > 0")?))
}

/// `op_id`s. A line of version 2 does not say its session, so it counts as one of this session.
const OP: &str = "op WHERE tenant = ?1 AND (session = ?2 OR session = '' OR ?2 IS NULL)";

/// Deliveries of the tenant's other sessions whose event names the session.
const NAMING: &str = "sequence IN (SELECT sequence FROM session WHERE tenant = ?1)
    AND CASE WHEN json_valid(body) THEN ?2 IN (json_extract(body, '$.Start.resumed_from'),
        json_extract(body, '$.End.next_session_id'), json_extract(body, '$.Compaction.previous_session_id')) END";

/// Writes that were set aside and are of the session, name it, or may be of it: an outcome of a forgotten session does not say the id. A
/// write without a tenant may name all tenants that are served.
const SET_ASIDE: &str = "tenant = ?1 AND (?2 IS NULL OR session IN (?2, '') OR instr(what, json_quote(?2)) > 0)
    OR ?2 IS NULL AND tenant = '' AND instr(what, json_quote(?1)) > 0";

/// An event without the session that it named, and without the scope of that session.
const WITHOUT_NAMES: &str = "json_remove(body, '$.Start.resumed_from', '$.End.next_session_id',
    '$.End.next_session_key', '$.Compaction.previous_session_id')";

/// Erases all of the data or none, in one transaction. SQLite overwrites deleted rows.
pub(crate) fn erase(
    file: &mut Connection,
    ErasureTarget { tenant, session }: ErasureTarget<'_>,
) -> rusqlite::Result<Erased> {
    file.pragma_update(None, "secure_delete", true)?;
    let transaction = file.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let whose = params![tenant, session];
    let of_sessions = |table: &str| {
        let sessions = "SELECT sequence FROM session WHERE tenant = ?1 AND (id = ?2 OR ?2 IS NULL)";
        transaction.execute(&format!("DELETE FROM {table} WHERE sequence IN ({sessions})"), whose).map(number)
    };
    let mut erased = Erased { deliveries: of_sessions("delivery")?, ..Erased::default() };
    for table in ["drained", "suspect", "recent_end"] {
        of_sessions(table)?;
    }
    erased.sessions = erase_sessions(&transaction, ErasureTarget { tenant, session })?;
    if session.is_some() {
        let sql = format!("UPDATE delivery SET body = {WITHOUT_NAMES} WHERE {NAMING}");
        erased.named = number(transaction.execute(&sql, whose)?);
    }
    erased.op_ids = number(transaction.execute(&format!("DELETE FROM {OP}"), whose)?);
    transaction.execute(&format!("DELETE FROM set_aside WHERE {SET_ASIDE}"), whose)?;
    if session.is_none() {
        let sql = "DELETE FROM key_value WHERE space IN (SELECT id FROM space WHERE tenant = ?1)";
        erased.key_values = number(transaction.execute(sql, params![tenant])?);
        transaction.execute("DELETE FROM space WHERE tenant = ?1", params![tenant])?;
        transaction.execute("DELETE FROM forgotten WHERE tenant = ?1", params![tenant])?;
        forget_in_runs(&transaction, tenant)?;
    }
    transaction.commit()?;
    Ok(erased)
}

/// Deletes sessions. An id that comes back counts on from the erased generations, because plugins know them. The row that keeps the
/// generation has no name: it is a number that counts for every tenant.
fn erase_sessions(file: &Connection, ErasureTarget { tenant, session }: ErasureTarget<'_>) -> rusqlite::Result<u64> {
    let whose = params![tenant, session];
    let highest = "SELECT coalesce(max(generation), 0) FROM session WHERE tenant = ?1 AND (id = ?2 OR ?2 IS NULL)";
    let mut highest = file.query_row(highest, whose, |row| count(row, 0, "a session's generation"))?;
    if session.is_none() {
        let forgotten = "SELECT coalesce(max(generation), 0) FROM forgotten WHERE tenant = ?1";
        let forgotten = file.query_row(forgotten, params![tenant], |row| count(row, 0, "a forgotten generation"))?;
        highest = forgotten.max(highest);
    }
    generations::raise_others(file, highest)?;
    file.execute("DELETE FROM session WHERE tenant = ?1 AND (id = ?2 OR ?2 IS NULL)", whose).map(number)
}

/// Removes the tenant from the rows of runs. Each run has written down which tenants its plugins serve.
fn forget_in_runs(file: &Connection, tenant: &str) -> rusqlite::Result<()> {
    type Installed = Vec<(PluginName, Option<Vec<String>>)>;
    let mut statement = file.prepare("SELECT id, plugins FROM run WHERE plugins IS NOT NULL")?;
    let rows = statement.query_map([], |row| Ok((count(row, 0, "the number of a run")?, from_json(row, 1)?)))?;
    let runs = rows.collect::<rusqlite::Result<Vec<(u32, Installed)>>>()?;
    for (run, mut installed) in runs {
        let lists = installed.iter_mut().filter_map(|(_, tenants)| tenants.as_mut());
        let named = lists.filter(|tenants| tenants.iter().any(|one| one == tenant));
        let mut is_named = false;
        for tenants in named {
            tenants.retain(|one| one != tenant);
            is_named = true;
        }
        if is_named {
            file.execute("UPDATE run SET plugins = ?2 WHERE id = ?1", params![run, json(&installed)])?;
        }
    }
    Ok(())
}

/// Writes the file anew, because rows that were deleted or changed before leave bytes in unused pages and parts of pages. Then empties
/// the log, which has the old pages. False when a reader of the journal prevents that.
pub(crate) fn scrub(file: &Connection) -> rusqlite::Result<bool> {
    // The copy is as large as the file, so it does not go into memory. The temporary file has no erased data.
    file.execute_batch("PRAGMA temp_store = FILE; VACUUM")?;
    let busy: bool = file.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    Ok(!busy)
}

fn number(rows: usize) -> u64 {
    u64::try_from(rows).unwrap_or(u64::MAX)
}
