//! `[calls]`: what all calls have together.

use super::Calls;
use super::reader::{Reader, Table, Value};
use crate::limits::ALL_CALLS_MEMORY;

pub(super) fn read(reader: &Reader<'_>, value: &Value<'_>) -> Option<Calls> {
    let table = Table::new(reader, "[calls]", reader.table("calls", value)?, &["memory"]);
    Some(Calls { memory: table.get("memory").and_then(|value| reader.size("memory", value, &ALL_CALLS_MEMORY)) })
}
