//! Key-value storage as a call sees it: the sandbox asks, and whoever keeps a journal answers.
//!
//! A guest's writes are kept with the call. They come out of it in [`CallReport::changes`](crate::Report::changes) when the
//! guest has answered ok, and are dropped otherwise: a call that fails has written nothing, so a retry never counts twice.

pub use lastword_events::Change;
use lastword_events::PluginName;
use thiserror::Error;

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
