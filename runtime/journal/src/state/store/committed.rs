//! The committed values, beneath the overlay.

use std::sync::Arc;

use crate::{JournalError, Space};

/// The committed values. The overlay has all others.
pub trait Committed {
    /// Whether nothing is ever committed: then staged values stay in the overlay.
    const IS_NOTHING: bool = false;

    /// The value of a key.
    ///
    /// # Errors
    /// When the value cannot be read.
    fn value(&self, space: &Space, key: &str) -> Result<Option<Arc<[u8]>>, JournalError>;

    /// How long the value of a key is, in bytes.
    ///
    /// # Errors
    /// When the length cannot be read.
    fn value_len(&self, space: &Space, key: &str) -> Result<Option<u64>, JournalError>;

    /// The first `limit` keys that sort after `after`, in their order.
    ///
    /// # Errors
    /// When the keys cannot be read.
    fn keys(&self, space: &Space, after: Option<&str>, limit: usize) -> Result<Vec<String>, JournalError>;
}

/// Nothing is committed. In a journal that lives as long as the process, the overlay has everything.
#[derive(Debug)]
pub struct NothingCommitted;

impl Committed for NothingCommitted {
    const IS_NOTHING: bool = true;

    fn value(&self, _: &Space, _: &str) -> Result<Option<Arc<[u8]>>, JournalError> {
        Ok(None)
    }

    fn value_len(&self, _: &Space, _: &str) -> Result<Option<u64>, JournalError> {
        Ok(None)
    }

    fn keys(&self, _: &Space, _: Option<&str>, _: usize) -> Result<Vec<String>, JournalError> {
        Ok(Vec::new())
    }
}
