//! `[journal]`: the record of sessions and deliveries.

use std::path::PathBuf;

use super::reader::{Reader, Table, Value};

/// The word for a journal in memory, in place of a file.
pub const MEMORY: &str = "memory";

/// Reads `[journal]`: a path, relative to the file that names it, or the word `memory`.
pub(super) fn read(reader: &Reader<'_>, value: &Value<'_>) -> Option<PathBuf> {
    let table = Table::new(reader, "[journal]", reader.table("journal", value)?, &["path"]);
    let Some(path) = table.get("path") else {
        reader.mistake(value.span(), "[journal] has no path: add path = \"journal.db\", relative to this file");
        return None;
    };
    match reader.string("path", "a path such as \"/var/lib/lastword/journal.db\"", path)? {
        "" => {
            reader.mistake(path.span(), "path: it is empty: name a file, or leave [journal] out");
            None
        }
        MEMORY => Some(MEMORY.into()),
        file => Some(reader.directory().join(file)),
    }
}
