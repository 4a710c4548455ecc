//! The row of the journal itself: its name, and the number of the next session.

use lastword_events::JournalName;
use rusqlite::Connection;

use crate::row::{MAX_SEQUENCE, parsed};

/// The row of the journal.
pub(crate) struct Header {
    pub(crate) name: JournalName,
    pub(crate) next_sequence: u64,
}

impl Header {
    pub(crate) fn read(file: &Connection) -> rusqlite::Result<Self> {
        file.query_row("SELECT name, next_sequence FROM journal", [], |row| {
            Ok(Self { name: parsed(row, 0)?, next_sequence: row.get(1)? })
        })
    }

    /// Checks the number of the next session. It has to exceed all numbers in use, or no session could begin. Gives the fault, if any.
    pub(crate) fn misfit(&self, file: &Connection) -> rusqlite::Result<Option<String>> {
        let newest: u64 = file.query_row("SELECT coalesce(max(sequence), 0) FROM session", [], |row| row.get(0))?;
        let next = self.next_sequence;
        let fits = next > newest && next <= MAX_SEQUENCE;
        Ok((!fits).then(|| format!("the next session's number is {next}, and the newest session's {newest}")))
    }
}
