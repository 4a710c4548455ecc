//! Changes of guests in key-value storage, and why a change may be refused.

use std::sync::Arc;

use lastword_events::{Change, PluginName};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::JournalError;

/// So many characters of a key are quoted in an error. A guest chooses its keys.
const MAX_QUOTED_KEY_CHARS: usize = 64;

/// A space of keys. There is one for each (tenant, plugin).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Space {
    /// The tenant.
    pub tenant: Arc<str>,
    /// The plugin.
    pub plugin: PluginName,
}

/// What a guest changed during a call. The changes become visible if the call is `delivered`, and not otherwise.
///
/// Other calls may have delivered since the guest read the values. So the journal makes values of the changes when it stages them: an
/// increment is added to what is stored then, and the quotas count what is stored then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyValueChanges {
    /// The space whose keys are changed.
    pub space: Space,
    /// Bytes that the plugin may store for this tenant, see [`key_value_bytes`](lastword_events::key_value_bytes). None: any number. Over
    /// the quota, changes are possible that free as much as they add.
    pub plugin_quota: Option<u64>,
    /// Bytes that all plugins of the tenant may store together. None: any number.
    pub tenant_quota: Option<u64>,
    /// One change for each key.
    pub changes: Vec<(String, Change)>,
}

/// Why changes that were possible during their call are not possible any more.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum KeyValueConflict {
    /// Another call has stored something that is no number under a key that was incremented.
    #[error("the key {} cannot be counted up: its value is no number in decimal digits any more", quoted(.0))]
    NoNumber(String),
    /// Increments of other calls have made the sum too large.
    #[error("the key {} cannot be counted up: the sum does not fit 64 bits", quoted(.0))]
    Overflow(String),
    /// The plugin would store more than its quota.
    #[error(
        "key-value quota of the plugin: it may store {quota} bytes for this tenant, and with what other calls have \
         stored meanwhile this would make {wanted}"
    )]
    PluginQuota {
        /// The quota, in bytes.
        quota: u64,
        /// Bytes that the plugin would store.
        wanted: u64,
    },
    /// The tenant's plugins would store more than its quota.
    #[error(
        "key-value quota of the tenant: it may store {quota} bytes, and with what other calls have stored meanwhile \
         this would make {wanted}"
    )]
    TenantQuota {
        /// The quota, in bytes.
        quota: u64,
        /// Bytes that the tenant would store.
        wanted: u64,
    },
    /// The stored values cannot be read just now.
    #[error(transparent)]
    Unreadable(#[from] JournalError),
}

/// The key on one line, shortened if it is long.
fn quoted(key: &str) -> String {
    let clipped: String = key.chars().take(MAX_QUOTED_KEY_CHARS).collect();
    let more = if clipped.len() < key.len() { "…" } else { "" };
    format!("{clipped:?}{more}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_quotes_a_key_on_one_line_and_not_all_of_a_long_one() {
        assert_eq!(quoted("a\nb\u{1b}"), r#""a\nb\u{1b}""#);
        let long = quoted(&"k".repeat(1_024));
        assert!(long.chars().count() < 100 && long.ends_with("\"…"), "{long}");
    }
}
