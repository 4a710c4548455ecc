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
