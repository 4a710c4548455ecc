//! Generations that ids have had: from the rows of `session`, and from the table `forgotten` for ids without such a row.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use lastword_events::Identity;
use lastword_journal::state::{ForgottenGenerations, KeptFor};
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use crate::row::{count, has};

const WHAT: &str = "a forgotten generation";

/// The newest generation of an id that has a row, in any scope, and the run in which it ended, if it has ended.
pub(crate) fn latest(file: &Connection, identity: &Identity) -> rusqlite::Result<Option<(u32, Option<u32>)>> {
    let sql = "SELECT generation, ended_run FROM session WHERE tenant = ?1 AND id = ?2
               ORDER BY generation DESC LIMIT 1";
    let mut statement = file.prepare_cached(sql)?;
    let row = statement.query_row(params![identity.tenant, identity.id], |row| {
        let ended_run = if has(row, 1)? { Some(count(row, 1, "a session's last run")?) } else { None };
        Ok((count(row, 0, "a session's generation")?, ended_run))
    });
    row.optional()
}

/// The generations of ids without rows.
pub(crate) fn read(file: &Connection) -> rusqlite::Result<ForgottenGenerations> {
    let mut statement = file.prepare("SELECT tenant, generation FROM forgotten")?;
    let rows = statement.query_map([], |row| Ok((Arc::from(row.get::<_, String>(0)?), count(row, 1, WHAT)?)))?;
    Ok(ForgottenGenerations::new(rows.collect::<rusqlite::Result<_>>()?, of_others(file)?))
}

/// The count for tenants without a row of their own.
pub(crate) fn of_others(file: &Connection) -> rusqlite::Result<u32> {
    file.query_row("SELECT forgotten_generation FROM journal", [], |row| count(row, 0, WHAT))
}

/// A row of `session` that was deleted.
pub(crate) struct DeletedSession {
    pub(crate) tenant: Arc<str>,
    pub(crate) id: String,
    pub(crate) generation: u32,
}

impl DeletedSession {
    /// Reads the columns `tenant`, `id` and `generation`.
    pub(crate) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let tenant = Arc::from(row.get::<_, String>(0)?);
        Ok(Self { tenant, id: row.get(1)?, generation: count(row, 2, "a session's generation")? })
    }
}

/// Keeps the generations of ids whose newest row was deleted. `known` may be ahead of the file after a transaction that failed. The
/// written rows do not depend on it.
pub(crate) fn keep(
    file: &Connection,
    known: &mut ForgottenGenerations,
    deleted: impl IntoIterator<Item = DeletedSession>,
) -> rusqlite::Result<()> {
    let mut tenants: HashMap<Arc<str>, Highest> = HashMap::new();
    for DeletedSession { tenant, id, generation } in deleted {
        let highest = match tenants.entry(tenant.clone()) {
            Entry::Occupied(highest) => highest.into_mut(),
            Entry::Vacant(new) => new.insert(Highest { generation: of(file, &tenant)?, is_new: false }),
        };
        // Nearly all generations are not higher, and need no look.
        if generation > highest.generation && !has_newer(file, &tenant, &id, generation)? {
            *highest = Highest { generation, is_new: true };
        }
    }
    for (tenant, Highest { generation, .. }) in tenants.into_iter().filter(|(_, highest)| highest.is_new) {
        match known.forget(&tenant, generation) {
            KeptFor::Tenant => raise(file, &tenant, generation)?,
            KeptFor::Others => raise_others(file, generation)?,
        }
    }
    Ok(())
}

struct Highest {
    generation: u32,
    /// Whether the file lacks the row still.
    is_new: bool,
}

fn of(file: &Connection, tenant: &str) -> rusqlite::Result<u32> {
    let sql = "SELECT max(forgotten_generation, coalesce((SELECT generation FROM forgotten WHERE tenant = ?1), 0))
               FROM journal";
    file.prepare_cached(sql)?.query_row(params![tenant], |row| count(row, 0, WHAT))
}

/// Whether the id has a newer session, which counts on by itself.
fn has_newer(file: &Connection, tenant: &str, id: &str, generation: u32) -> rusqlite::Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM session WHERE tenant = ?1 AND id = ?2 AND generation > ?3)";
    file.prepare_cached(sql)?.query_row(params![tenant, id, generation], |row| row.get(0))
}

fn raise(file: &Connection, tenant: &str, generation: u32) -> rusqlite::Result<()> {
    let sql = "INSERT INTO forgotten (tenant, generation) VALUES (?1, ?2)
               ON CONFLICT (tenant) DO UPDATE SET generation = max(generation, excluded.generation)";
    file.prepare_cached(sql)?.execute(params![tenant, generation])?;
    Ok(())
}

/// Raises the count for tenants without a row of their own.
pub(crate) fn raise_others(file: &Connection, generation: u32) -> rusqlite::Result<()> {
    let sql = "UPDATE journal SET forgotten_generation = max(forgotten_generation, ?1)";
    file.prepare_cached(sql)?.execute(params![generation])?;
    Ok(())
}
