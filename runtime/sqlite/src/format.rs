//! What makes a database a journal: its version, its mark and its tables.

/// The version of the file's schema that this program writes.
pub const SCHEMA_VERSION: u32 = 6;

/// "LstW": what `file` and SQLite's own tools can tell the file by.
pub(crate) const APPLICATION_ID: u32 = 0x4c73_7457;

/// The statements that make the tables of this version.
pub(crate) const SCHEMA: &str = include_str!("schema/schema.sql");
