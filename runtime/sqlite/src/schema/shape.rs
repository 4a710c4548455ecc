//! Checks that a journal has exactly our tables. A hostile file could have a view, a virtual table or a computed column in the place of a
//! table or column of ours.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use rusqlite::Connection;

use crate::format::SCHEMA;

/// The fault in the tables, if any. The file has this version.
pub(crate) fn misfit(file: &Connection) -> rusqlite::Result<Option<String>> {
    static OURS: OnceLock<Statements> = OnceLock::new();
    let found = statements(file)?;
    if OURS.get() == Some(&found) {
        return Ok(None);
    }
    let ours = Connection::open_in_memory()?;
    ours.execute_batch(SCHEMA)?;
    if *OURS.get_or_init(|| statements(&ours).unwrap_or_default()) == found {
        return Ok(None);
    }
    misfit_with(file, &ours)
}

/// All statements of a file: kind, name, table, and text. A file that this version made has those of `schema.sql` to the letter, and
/// needs no closer check.
type Statements = BTreeSet<(String, String, String, Option<String>)>;

fn statements(file: &Connection) -> rusqlite::Result<Statements> {
    let mut statement = file.prepare("SELECT type, name, tbl_name, sql FROM sqlite_schema")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?;
    rows.collect()
}

/// Checks a file that was migrated, or that somebody has added to.
fn misfit_with(file: &Connection, ours: &Connection) -> rusqlite::Result<Option<String>> {
    let (found, wanted) = (tables(file)?, tables(ours)?);
    for table in &wanted {
        let Some(is) = found.iter().find(|is| is.name == table.name) else {
            return Ok(Some(format!("it has no table `{}`", table.name)));
        };
        if is != table {
            return Ok(Some(format!("`{}` is {}, and should be {}", is.name, is.kind(), table.kind())));
        }
        let (is, should) = (columns(file, &table.name)?, columns(ours, &table.name)?);
        if let Some(column) = is.symmetric_difference(&should).next() {
            return Ok(Some(format!("column `{}` of `{}` is not as it should be", column.0, table.name)));
        }
        if conflicts(file, &table.name)? {
            return Ok(Some(format!("`{}` says what to do with rows that do not fit", table.name)));
        }
        let (is, should) = (indexes(file, &table.name)?, indexes(ours, &table.name)?);
        let missing = should.difference(&is).next();
        // An index for searches does no harm, whoever made it. A unique or computed index can refuse rows.
        let refuses = is.difference(&should).find(|index| index.unique || index.computes);
        if let Some(index) = missing.or(refuses) {
            return Ok(Some(format!(
                "the index of `{}` on {} is not as it should be",
                table.name,
                index.columns.join(", ")
            )));
        }
    }
    Ok(None)
}

#[derive(PartialEq, Eq)]
struct Table {
    name: String,
    /// `table`, `view`, `virtual`, …
    kind: String,
    without_rowid: bool,
    strict: bool,
}

impl Table {
    fn kind(&self) -> String {
        let more = [(self.without_rowid, " without rowid"), (self.strict, ", strict")];
        let more: String = more.into_iter().filter_map(|(is, word)| is.then_some(word)).collect();
        format!("a {}{more}", self.kind)
    }
}

/// The tables of `schema.sql` and any others; views among them.
fn tables(file: &Connection) -> rusqlite::Result<Vec<Table>> {
    let sql = "SELECT name, type, wr, strict FROM pragma_table_list
               WHERE schema = 'main' AND name NOT LIKE 'sqlite_%' AND name NOT IN ('active_session', 'owed')";
    let mut statement = file.prepare(sql)?;
    let rows = statement.query_map([], |row| {
        Ok(Table { name: row.get(0)?, kind: row.get(1)?, without_rowid: row.get(2)?, strict: row.get(3)? })
    })?;
    rows.collect()
}

/// Name, type, default, whether it must have a value, its place in the key, and whether it is computed.
type Column = (String, String, Option<String>, bool, u32, u32);

fn columns(file: &Connection, table: &str) -> rusqlite::Result<BTreeSet<Column>> {
    let sql = "SELECT name, upper(type), dflt_value, \"notnull\", pk, hidden FROM pragma_table_xinfo(?1)";
    let mut statement = file.prepare(sql)?;
    let rows = statement
        .query_map([table], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?)))?;
    rows.collect()
}

/// Whether the table has `ON CONFLICT`: `IGNORE` would drop rows silently.
fn conflicts(file: &Connection, table: &str) -> rusqlite::Result<bool> {
    let sql = "SELECT coalesce(max(upper(sql) LIKE '%CONFLICT%'), 0) FROM sqlite_schema WHERE name = ?1";
    file.query_row(sql, [table], |row| row.get(0))
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Index {
    /// Each column with its collation, and whether it is descending.
    columns: Vec<String>,
    unique: bool,
    /// The index has a condition, or an expression in the place of a column. Either can fail.
    computes: bool,
    /// The statement. None for an index that SQLite makes by itself.
    sql: Option<String>,
}

fn indexes(file: &Connection, table: &str) -> rusqlite::Result<BTreeSet<Index>> {
    let sql = "SELECT l.name, l.\"unique\", l.partial, s.sql FROM pragma_index_list(?1) l
               LEFT JOIN sqlite_schema s ON s.type = 'index' AND s.name = l.name";
    let mut statement = file.prepare(sql)?;
    let mut rows = statement.query([table])?;
    let mut indexes = BTreeSet::new();
    while let Some(row) = rows.next()? {
        let (name, partial): (String, bool) = (row.get(0)?, row.get(2)?);
        let mut columns = file.prepare(
            "SELECT coalesce(name, '(computed)') || CASE coll WHEN 'BINARY' THEN '' ELSE ' ' || coll END ||
                    CASE \"desc\" WHEN 0 THEN '' ELSE ' DESC' END, cid = -2
             FROM pragma_index_xinfo(?1) WHERE key",
        )?;
        let columns = columns.query_map([&name], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let columns: Vec<(String, bool)> = columns.collect::<rusqlite::Result<_>>()?;
        let sql: Option<String> = row.get(3)?;
        let words = |sql: String| sql.split_whitespace().collect::<Vec<_>>().join(" ");
        indexes.insert(Index {
            unique: row.get(1)?,
            computes: partial || columns.iter().any(|(_, computed)| *computed),
            columns: columns.into_iter().map(|(column, _)| column).collect(),
            sql: sql.map(words),
        });
    }
    Ok(indexes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn altered(sql: &str) -> Option<String> {
        let file = Connection::open_in_memory().unwrap();
        file.execute_batch(SCHEMA).unwrap();
        file.execute_batch(sql).unwrap();
        misfit(&file).unwrap()
    }

    #[test]
    fn what_others_add_beside_our_tables_is_no_misfit() {
        assert_eq!(altered(""), None);
        assert_eq!(altered("CREATE TABLE notes (text); CREATE VIEW mine AS SELECT 1;"), None);
        assert_eq!(altered("CREATE INDEX by_reason ON session (reason)"), None);
    }

    #[test]
    fn a_table_that_is_none_or_computes_or_refuses_is_one() {
        for (sql, said) in [
            ("DROP TABLE op", "no table `op`"),
            ("DROP TABLE op; CREATE VIEW op AS SELECT 1 AS number, 2 AS tenant", "`op` is a view"),
            ("ALTER TABLE run ADD COLUMN more", "column `more` of `run`"),
            (
                "ALTER TABLE run ADD COLUMN more GENERATED ALWAYS AS (abs(-9223372036854775808))",
                "column `more` of `run`",
            ),
            ("ALTER TABLE run DROP COLUMN program", "column `program` of `run`"),
            ("DROP INDEX session_active", "index of `session`"),
            ("CREATE UNIQUE INDEX one ON delivery (plugin)", "index of `delivery` on plugin"),
            (
                "CREATE INDEX fails ON delivery (abs(attempt - 9223372036854775807 - 1))",
                "index of `delivery` on (computed)",
            ),
            ("CREATE INDEX some ON delivery (plugin) WHERE attempt > 0", "index of `delivery` on plugin"),
            (
                "DROP INDEX session_active; CREATE INDEX session_active ON session (sequence) WHERE 0",
                "index of `session`",
            ),
            (
                "DROP TABLE plugin; CREATE TABLE plugin (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE ON CONFLICT IGNORE)",
                "`plugin` says what to do",
            ),
            (
                "DROP TABLE plugin; CREATE TABLE plugin (id INTEGER PRIMARY KEY, name TEXT NOT NULL DEFAULT 'x' UNIQUE)",
                "column `name` of `plugin`",
            ),
            (
                "DROP TABLE plugin; CREATE TABLE plugin (id INTEGER PRIMARY KEY, name TEXT NOT NULL COLLATE NOCASE UNIQUE)",
                "index of `plugin` on name is",
            ),
            ("DROP TABLE drained; CREATE TABLE drained (sequence INTEGER)", "`drained` is a table, and should be"),
        ] {
            let misfit = altered(sql).unwrap();
            assert!(misfit.contains(said), "{sql}: {misfit}");
        }
    }
}
