//! Key-value storage: the guest's reads, a call's changes, and the size of a key in a quota.
//!
//! A guest's writes are kept with its call until the guest has answered ok, and are dropped otherwise. So a failed call
//! has written nothing, and a retry never counts twice.

use thiserror::Error;

use crate::PluginName;

/// The stored values of plugins' guests: one space for each (tenant, plugin), as of the last call that delivered.
///
/// The functions are called on the thread that runs the guest. They must answer at once, from memory or a local file,
/// because their time counts as the guest's.
pub trait KeyValues: Send + Sync + 'static {
    /// Returns the value of `key`.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn get(&self, tenant: &str, plugin: &PluginName, key: &str) -> Result<Option<Vec<u8>>, KeyValueError>;

    /// Returns the length of the value of `key`, in bytes.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn value_len(&self, tenant: &str, plugin: &PluginName, key: &str) -> Result<Option<u64>, KeyValueError> {
        let value = self.get(tenant, plugin, key)?;
        Ok(value.map(|value| u64::try_from(value.len()).unwrap_or(u64::MAX)))
    }

    /// Returns the first `limit` keys of the space that sort after `after`, sorted by their bytes.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn keys(
        &self,
        tenant: &str,
        plugin: &PluginName,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<String>, KeyValueError>;

    /// Returns the number of stored bytes.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn usage(&self, tenant: &str, plugin: &PluginName) -> Result<KeyValueUsage, KeyValueError>;
}

/// The size of stored keys and values, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyValueUsage {
    /// The bytes in the plugin's space.
    pub bytes: u64,
    /// The bytes that the tenant may still store, in the spaces of all its plugins together. `None`: only the plugins'
    /// own quotas apply.
    pub tenant_left: Option<u64>,
}

/// The store cannot be read. The guest gets the text.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct KeyValueError(pub String);

/// The cost of a key to the store besides its own bytes. It counts, so that a quota bounds the number of keys as well.
pub const KEY_OVERHEAD_BYTES: u64 = 64;

/// Returns the size of a key in a quota of key-value storage: the bytes of the key and of its value, and
/// [`KEY_OVERHEAD_BYTES`].
#[must_use]
pub fn key_value_bytes(key: &str, value: &[u8]) -> u64 {
    u64::try_from(key.len() + value.len()).unwrap_or(u64::MAX).saturating_add(KEY_OVERHEAD_BYTES)
}

/// A call's change of one key of key-value storage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The key has this value now.
    Set(Vec<u8>),
    /// The key was deleted.
    Delete,
    /// This much was added to the key's number, which is stored as decimal digits; a missing key holds 0. A difference
    /// rather than a value, so that concurrent calls lose no count.
    Add(u64),
}

/// Returns the number in a stored value: digits only, as `increment` writes it. `None` for any other value.
#[must_use]
pub fn key_value_number(value: &[u8]) -> Option<u64> {
    if value.iter().all(u8::is_ascii_digit) { std::str::from_utf8(value).ok()?.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_digits_and_nothing_else() {
        assert_eq!(key_value_number(b"18446744073709551615"), Some(u64::MAX));
        assert_eq!(key_value_number(b"007"), Some(7));
        for no in [&b""[..], b"+1", b"-1", b" 1", b"1\n", b"0x1", b"18446744073709551616", b"\xff"] {
            assert_eq!(key_value_number(no), None, "{no:?}");
        }
    }
}
