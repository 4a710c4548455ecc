//! Key-value storage as a call sees it: the sandbox asks, and whoever keeps a journal answers.
//!
//! A guest's writes are kept with the call. They come out of it in [`Report::changes`](crate::Report::changes) when the
//! guest has answered ok, and are dropped otherwise: a call that fails has written nothing, so a retry never counts twice.

use lastword_events::PluginName;
use thiserror::Error;

/// What a plugin's guests have stored: one space for each (tenant, plugin), as of the last call that delivered.
///
/// The functions are called on the thread that runs the guest: they must answer at once, from memory or a local file.
pub trait KeyValues: Send + Sync + 'static {
    /// The value of `key`.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn get(&self, tenant: &str, plugin: &PluginName, key: &str) -> Result<Option<Vec<u8>>, KeyValueError>;

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

/// What a call has done to one key.
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
