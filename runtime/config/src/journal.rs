//! `[journal]`: the record of sessions and deliveries.

use std::path::PathBuf;

use super::jetstream::{self, JetStream};
use super::reader::{Reader, Table, Value};

/// The word for a journal in memory, in place of a file.
pub const MEMORY: &str = "memory";

/// `[journal]`: where the record of sessions and deliveries is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Journal {
    /// In memory: lost with the process.
    Memory,
    /// A file.
    File(PathBuf),
    /// A stream on a cluster of NATS servers.
    JetStream(Box<JetStream>),
}

/// Reads `[journal]`: a path, relative to the file that names it, or the word `memory`; or a cluster of NATS servers.
pub(super) fn read(reader: &Reader<'_>, value: &Value<'_>) -> Option<Journal> {
    let table = Table::new(reader, "[journal]", reader.table("journal", value)?, &["jetstream", "path"]);
    match (table.get("path"), table.get("jetstream")) {
        (Some(path), None) => file(reader, path),
        (None, Some(cluster)) => jetstream::read(reader, cluster).map(Box::new).map(Journal::JetStream),
        (Some(path), Some(_)) => {
            reader.mistake(path.span(), "path: the journal is on jetstream: keep one of them");
            None
        }
        (None, None) => {
            reader.mistake(value.span(), "[journal] has no path: add path = \"journal.db\", relative to this file");
            None
        }
    }
}

fn file(reader: &Reader<'_>, path: &Value<'_>) -> Option<Journal> {
    match reader.string("path", "a path such as \"/var/lib/lastword/journal.db\"", path)? {
        "" => {
            reader.mistake(path.span(), "path: it is empty: name a file, or leave [journal] out");
            None
        }
        MEMORY => Some(Journal::Memory),
        file => Some(Journal::File(reader.directory().join(file))),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::{Config, Mistakes, Source};

    fn parse(text: &str) -> Result<Option<Journal>, Mistakes> {
        let (path, directory) = (Path::new("/etc/lastword.toml"), Path::new("/etc"));
        let source = Source { path, directory, text, read_component: &|_| Ok(Vec::new()) };
        Config::parse_journal(&source)
    }

    #[test]
    fn a_journal_is_a_file_or_in_memory_or_on_a_cluster() {
        assert_eq!(parse("").unwrap(), None);
        assert_eq!(parse("[journal]\npath = \"j.db\"\n").unwrap(), Some(Journal::File("/etc/j.db".into())));
        assert_eq!(parse("[journal]\npath = \"memory\"\n").unwrap(), Some(Journal::Memory));
        let cluster = "jetstream = { servers = [\"n1\"], assume-sync-always = true }";
        assert!(matches!(parse(&format!("[journal]\n{cluster}\n")).unwrap(), Some(Journal::JetStream(_))));
        let both = parse(&format!("[journal]\npath = \"j.db\"\n{cluster}\n")).unwrap_err().to_string();
        assert!(both.contains("lastword.toml:2:8: path: the journal is on jetstream: keep one of them"), "{both}");
        let neither = parse("[journal]\n").unwrap_err().to_string();
        assert!(neither.contains("[journal] has no path: add path = \"journal.db\""), "{neither}");
    }
}
