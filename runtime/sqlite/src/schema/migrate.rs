//! Migrates files of earlier versions, before any other row of them is read.

use lastword_journal::state::MAX_COUNT;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior};

use super::shape::misfit;
use crate::error::OpenFailure;
use crate::format::SCHEMA_VERSION;
use crate::header::Header;

/// The statements that migrate version n to n + 1, from version 1 on.
const STEPS: [&str; SCHEMA_VERSION as usize - 1] = [
    // An owner may have gone on with a session in a later run. So older runs may have tried its end. A file of version 1 does not record
    // those runs.
    "ALTER TABLE session ADD COLUMN first_run INTEGER NOT NULL DEFAULT 0;
     UPDATE session SET first_run = run;",
    // An `op_id` belongs to the session and the kind of its line. A run may hold sessions for their owners. The journal counts the deaths
    // of runs for each delivery that was under way.
    "ALTER TABLE run ADD COLUMN attaching INTEGER NOT NULL DEFAULT 0;
     CREATE TABLE suspect (
       sequence INTEGER NOT NULL,
       event TEXT NOT NULL,
       plugin INTEGER NOT NULL,
       deaths INTEGER NOT NULL,
       alone INTEGER NOT NULL,
       PRIMARY KEY (sequence, event, plugin)
     ) WITHOUT ROWID;
     ALTER TABLE op RENAME TO op_of_version_2;
     CREATE TABLE op (
       number INTEGER PRIMARY KEY,
       tenant TEXT NOT NULL,
       op_id TEXT NOT NULL,
       session TEXT NOT NULL DEFAULT '',
       kind TEXT NOT NULL DEFAULT '',
       generation INTEGER NOT NULL,
       UNIQUE (tenant, op_id, session, kind)
     );
     INSERT INTO op (number, tenant, op_id, generation) SELECT number, tenant, op_id, generation FROM op_of_version_2;
     DROP TABLE op_of_version_2;",
    // In OpenClaw's format a session's key is its scope. The journal remembers ends that owners may repeat. It does not write an owner's
    // unknown word as one of ours. The known owners of old rows tell which word it was.
    "ALTER TABLE session ADD COLUMN scope TEXT NOT NULL DEFAULT '';
     UPDATE session SET scope = json_extract(facts, '$.key'), facts = json_set(facts, '$.scope', json_extract(facts, '$.key'))
       WHERE json_valid(facts) AND json_extract(facts, '$.owner_kind') = 'openclaw'
       AND json_type(facts, '$.key') = 'text';
     CREATE INDEX session_ended ON session (tenant, id, scope, generation) WHERE ended_run IS NOT NULL;
     CREATE TABLE recent_end (
       sequence INTEGER PRIMARY KEY,
       received_at INTEGER NOT NULL,
       said INTEGER NOT NULL
     );
     ALTER TABLE op RENAME TO op_of_version_3;
     CREATE TABLE op (
       number INTEGER PRIMARY KEY,
       tenant TEXT NOT NULL,
       op_id TEXT NOT NULL,
       session TEXT NOT NULL DEFAULT '',
       kind TEXT NOT NULL DEFAULT '',
       scope TEXT NOT NULL DEFAULT '',
       generation INTEGER NOT NULL,
       UNIQUE (tenant, op_id, session, kind, scope)
     );
     INSERT INTO op (number, tenant, op_id, session, kind, scope, generation)
       SELECT o.number, o.tenant, o.op_id, o.session, o.kind, coalesce(s.scope, ''), o.generation FROM op_of_version_3 o
       LEFT JOIN session s ON s.tenant = o.tenant AND s.id = o.session AND s.generation = o.generation;
     DROP TABLE op_of_version_3;
     UPDATE delivery SET body = json_set(body, '$.End.reason', json_object('other', json_extract(body, '$.End.reason')))
       WHERE event = 'session-end' AND json_valid(body) AND json_type(body, '$.End.reason') = 'text'
       AND json_extract(body, '$.End.raw_reason') = json_extract(body, '$.End.reason')
       AND EXISTS (SELECT 1 FROM session s WHERE s.sequence = delivery.sequence AND json_valid(s.facts) AND (
         json_extract(s.facts, '$.owner_kind') = 'openclaw' AND json_extract(body, '$.End.reason') NOT IN
           ('new', 'reset', 'idle', 'daily', 'compaction', 'deleted', 'shutdown', 'restart', 'unknown')
         OR json_extract(s.facts, '$.owner_kind') = 'claude-code' AND json_extract(body, '$.End.reason') NOT IN
           ('clear', 'resume', 'logout')));",
    // The age of an end counts from when it was written down. Old rows do not say that time, so they get the present time. The journal
    // sets aside writes that the file refuses even alone.
    "ALTER TABLE session ADD COLUMN recorded_at INTEGER;
     UPDATE session SET recorded_at = CAST(strftime('%s', 'now') AS INTEGER) * 1000 WHERE ended_run IS NOT NULL;
     ALTER TABLE journal ADD COLUMN forgotten_generation INTEGER NOT NULL DEFAULT 0;
     CREATE TABLE forgotten (
       tenant TEXT NOT NULL UNIQUE,
       generation INTEGER NOT NULL
     );
     CREATE TABLE set_aside (
       number INTEGER PRIMARY KEY,
       run INTEGER NOT NULL,
       at INTEGER NOT NULL,
       tenant TEXT NOT NULL,
       session TEXT NOT NULL,
       what TEXT NOT NULL,
       why TEXT NOT NULL
     );",
    // A run may end cleanly. Old rows do not say whether one did.
    "ALTER TABLE run ADD COLUMN ended_at INTEGER;",
];

/// Migrates the file in one transaction, all steps or none. `found` is the file's version, one of ours.
pub(crate) fn migrate(file: &mut Connection, found: u32) -> Result<(), OpenFailure> {
    let transaction = file.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for (from, step) in (1..).zip(STEPS) {
        if from >= found {
            transaction.execute_batch(step)?;
        }
    }
    transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    let misfit = match misfit(&transaction)? {
        None => impossible_count(&transaction)?,
        misfit => misfit,
    };
    if let Some(misfit) = misfit {
        return Err(OpenFailure::Altered(misfit));
    }
    transaction.commit()?;
    tracing::info!("the journal was of version {found}, and is of version {SCHEMA_VERSION} now");
    Ok(())
}

/// A count that no program writes. One look through a file of an earlier version checks all counts.
fn impossible_count(file: &Connection) -> rusqlite::Result<Option<String>> {
    const COUNTS: [(&str, &str); 13] = [
        ("run", "id"),
        ("session", "generation"),
        ("session", "run"),
        ("session", "compactions"),
        ("session", "first_run"),
        ("delivery", "run"),
        ("delivery", "attempt"),
        ("delivery", "failures"),
        ("drained", "run"),
        ("drained", "attempt"),
        ("drained", "failures"),
        ("journal", "forgotten_generation"),
        ("forgotten", "generation"),
    ];
    for (table, column) in COUNTS {
        let sql = format!(
            "SELECT {column} FROM {table} WHERE typeof({column}) <> 'integer' OR {column} NOT BETWEEN 0 AND {MAX_COUNT} LIMIT 1"
        );
        let found: Option<Value> = file.query_row(&sql, [], |row| row.get(0)).optional()?;
        if let Some(value) = found {
            return Ok(Some(format!(
                "`{column}` of `{table}` is {value:?}, and no program writes more than {MAX_COUNT}"
            )));
        }
    }
    Header::read(file)?.misfit(file)
}
