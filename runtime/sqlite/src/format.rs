//! The format of a journal's database: its version, its mark and its tables.

/// The version of the file's schema that this program writes.
pub const SCHEMA_VERSION: u32 = 6;

/// "LstW": the number by which `file` and SQLite's own tools recognise the file.
pub(crate) const APPLICATION_ID: u32 = 0x4c73_7457;

/// The statements that make the tables of this version.
pub(crate) const SCHEMA: &str = include_str!("schema/schema.sql");
