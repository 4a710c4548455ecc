//! Key-value storage: what a guest asks of it, what a call changes in it, and what a key counts for in a quota.
//!
//! A guest's writes are kept with its call until the guest has answered ok, and are dropped otherwise: a call that fails has
//! written nothing, so a retry never counts twice.

use thiserror::Error;

use crate::PluginName;

/// What a plugin's guests have stored: one space for each (tenant, plugin), as of the last call that delivered.
///
/// The functions are called on the thread that runs the guest: they must answer at once, from memory or a local file. How
/// long they take is the guest's time.
pub trait KeyValues: Send + Sync + 'static {
    /// The value of `key`.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn get(&self, tenant: &str, plugin: &PluginName, key: &str) -> Result<Option<Vec<u8>>, KeyValueError>;

    /// How long the value of `key` is, in bytes.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn value_len(&self, tenant: &str, plugin: &PluginName, key: &str) -> Result<Option<u64>, KeyValueError> {
        let value = self.get(tenant, plugin, key)?;
        Ok(value.map(|value| u64::try_from(value.len()).unwrap_or(u64::MAX)))
    }

    /// The first `limit` keys of the space that sort after `after`, sorted by their bytes.
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

    /// How much is stored.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn usage(&self, tenant: &str, plugin: &PluginName) -> Result<KeyValueUsage, KeyValueError>;
}

/// How much is stored, in bytes of keys and values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyValueUsage {
    /// In the plugin's space.
    pub bytes: u64,
    /// What the tenant may still store, in all of its plugins' spaces together; none: as much as the plugins' own quotas
    /// allow.
    pub tenant_left: Option<u64>,
}

/// The store cannot be read; the guest is told why.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct KeyValueError(pub String);

/// What a key costs the store besides its own bytes. It counts, so that a quota bounds the number of keys as well.
pub const KEY_OVERHEAD_BYTES: u64 = 64;

/// What a key counts for in a quota of key-value storage: the bytes of the key and of its value, and
/// [`KEY_OVERHEAD_BYTES`].
#[must_use]
pub fn key_value_bytes(key: &str, value: &[u8]) -> u64 {
    u64::try_from(key.len() + value.len()).unwrap_or(u64::MAX).saturating_add(KEY_OVERHEAD_BYTES)
}

/// What a call has done to one key of key-value storage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// It has this value now.
    Set(Vec<u8>),
    /// It is gone.
    Delete,
    /// This much was added to the number that it holds, as decimal digits; a missing key holds 0. It is a difference and
    /// not a value so that calls that count at the same time lose nothing.
    Add(u64),
}

/// The number that a value of key-value storage holds: digits only, as `increment` writes it. None for anything else.
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
