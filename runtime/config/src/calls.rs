//! `[calls]`: what all calls have together.

use super::reader::{Reader, Table, Value};
use crate::limits::ALL_CALLS_MEMORY;

/// `[calls]`: what all calls under way have together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Calls {
    /// Bytes of memory; half of what the machine has when it is not said.
    pub memory: Option<u64>,
}

pub(super) fn read(reader: &Reader<'_>, value: &Value<'_>) -> Option<Calls> {
    let table = Table::new(reader, "[calls]", reader.table("calls", value)?, &["memory"]);
    Some(Calls { memory: table.get("memory").and_then(|value| reader.size("memory", value, &ALL_CALLS_MEMORY)) })
}
