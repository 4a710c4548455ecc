//! The key-values that guests have stored, in memory.

use std::sync::Arc;

use lastword_journal::state::Committed;
use lastword_journal::{JournalError, Space};

use crate::record::StoredValues;

/// The value of a key. In JSON a text if it is UTF-8.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value(pub Arc<[u8]>);

/// What guests have stored. A clone is the same values, not a copy.
#[derive(Clone, Debug, Default)]
pub struct Values {
    _todo: (),
}

impl Values {
    /// The sizes of the spaces that are not empty, in bytes.
    #[must_use]
    pub fn sizes(&self) -> Vec<(Space, u64)> {
        todo!()
    }

    /// Stores what a call has stored.
    pub(crate) fn store(&self, stored: &StoredValues) {
        let _ = stored;
        todo!()
    }
}

impl Committed for Values {
    fn value(&self, space: &Space, key: &str) -> Result<Option<Arc<[u8]>>, JournalError> {
        let _ = (space, key);
        todo!()
    }

    fn value_len(&self, space: &Space, key: &str) -> Result<Option<u64>, JournalError> {
        let _ = (space, key);
        todo!()
    }

    fn keys(&self, space: &Space, after: Option<&str>, limit: usize) -> Result<Vec<String>, JournalError> {
        let _ = (space, after, limit);
        todo!()
    }
}
