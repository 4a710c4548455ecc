//! `[calls]`: the limits of all calls together.

use super::reader::{Reader, Table, Value};
use crate::limits::{ALL_CALLS_MEMORY, MAX_CONCURRENT_CALLS};

/// `[calls]`: the limits of all running calls together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Calls {
    /// Bytes of memory. Default: half of the machine's.
    pub memory: Option<u64>,
    /// Calls that can run at once. Default: as many as suit the machine.
    pub slots: Option<u32>,
}

pub(super) fn read(reader: &Reader<'_>, value: &Value<'_>) -> Option<Calls> {
    let table = Table::new(reader, "[calls]", reader.table("calls", value)?, &["memory", "slots"]);
    let memory = table.get("memory").and_then(|value| reader.size("memory", value, &ALL_CALLS_MEMORY));
    let slots = table.get("slots").and_then(|value| reader.count("slots", value, MAX_CONCURRENT_CALLS));
    Some(Calls { memory, slots: slots.and_then(|slots| u32::try_from(slots).ok()) })
}
