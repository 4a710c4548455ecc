//! What tests of SQL statements begin with.

use rusqlite::{Connection, Params};

use crate::format::SCHEMA;

/// The tables of a journal without rows, in memory.
pub(crate) fn empty_tables() -> Connection {
    let file = Connection::open_in_memory().unwrap();
    file.execute_batch(SCHEMA).unwrap();
    file
}

/// How SQLite carries out a statement, step by step.
pub(crate) fn query_plan(file: &Connection, sql: &str, params: impl Params) -> Vec<String> {
    let mut plan = file.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    let steps = plan.query_map(params, |row| row.get(3)).unwrap();
    steps.collect::<rusqlite::Result<_>>().unwrap()
}
