//! `[drain]`: whether to drain, and for how long.

use std::time::Duration;

use super::reader::{Reader, Table, Value};
use crate::limits::DEFAULT_DRAIN_BUDGET;
use crate::units;

/// `[drain]`.
#[derive(Clone, Copy, Debug)]
pub struct Drain {
    /// Whether sessions end at shutdown. If not, they stay owed.
    pub enabled: bool,
    /// The time of the whole drain.
    pub budget: Duration,
}

impl Default for Drain {
    fn default() -> Self {
        Self { enabled: true, budget: DEFAULT_DRAIN_BUDGET }
    }
}

pub(super) fn read(reader: &Reader<'_>, value: &Value<'_>) -> Option<Drain> {
    let table = Table::new(reader, "[drain]", reader.table("drain", value)?, &["enabled", "budget"]);
    let mut drain = Drain::default();
    if let Some(enabled) = table.get("enabled").and_then(|v| reader.boolean("enabled", v)) {
        drain.enabled = enabled;
    }
    let budget = |v| reader.parsed("budget", "a string such as \"2s\"", v, units::duration);
    if let Some(budget) = table.get("budget").and_then(budget) {
        drain.budget = budget;
    }
    Some(drain)
}
