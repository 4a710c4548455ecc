use std::sync::Arc;

use lastword_events::PluginName;

/// Whose keys: one space for each (tenant, plugin).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Space {
    /// The tenant.
    pub tenant: Arc<str>,
    /// The plugin.
    pub plugin: PluginName,
}

/// What a guest wrote during a call. It becomes visible with the call's `delivered`, and not otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyValueWrites {
    /// Where.
    pub space: Space,
    /// One for each key.
    pub writes: Vec<KeyValueWrite>,
}

/// One key's new value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyValueWrite {
    /// The key.
    pub key: String,
    /// Its new value; none removes it.
    pub value: Option<Vec<u8>>,
}

/// What a key counts for in the size of its space: the bytes of the key and of its value.
#[must_use]
pub fn key_value_bytes(key: &str, value: &[u8]) -> u64 {
    u64::try_from(key.len() + value.len()).unwrap_or(u64::MAX)
}
