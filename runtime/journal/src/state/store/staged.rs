//! Changes of calls that have become values.

use std::sync::Arc;

use crate::delivery::key_value_row_bytes;
use crate::{Completion, Space};

/// The values of one call, in the overlay over what is committed.
#[derive(Debug)]
pub struct Staged {
    /// The space of the values.
    pub space: Space,
    /// One write for each key.
    pub writes: Vec<StagedWrite>,
    /// The number of this staging of the tenant. A newer value of a key may wait when an older one is committed.
    pub(super) number: u64,
}

/// The new value of a key. None removes it.
#[derive(Debug)]
pub struct StagedWrite {
    /// The key.
    pub key: Arc<str>,
    /// Its value.
    pub value: Option<Arc<[u8]>>,
}

/// A completion whose changes have become values.
#[derive(Debug)]
pub struct Resolved {
    /// The completion, without its changes.
    pub completion: Completion,
    /// The values that the call stores.
    pub staged: Option<Box<Staged>>,
}

impl Resolved {
    /// The cost of the completion until it is written, as in [`Completion::unwritten_bytes`], with the values that came of its changes.
    #[must_use]
    pub fn unwritten_bytes(&self) -> u64 {
        let writes = self.staged.iter().flat_map(|staged| &staged.writes);
        let stored = writes.map(|write| key_value_row_bytes(&write.key, write.value.as_deref().unwrap_or_default()));
        stored.fold(self.completion.unwritten_bytes(), u64::saturating_add)
    }
}
