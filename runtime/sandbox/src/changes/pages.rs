//! The pages of keys that a call has listed. The standard's cursors are numbers, and a page continues after its last key.

use crate::limits::MAX_KEY_PAGES;

/// The last key of each page with a cursor.
#[derive(Default)]
pub(super) struct KeyPages {
    last_keys: Vec<String>,
    /// Bytes of these keys.
    bytes: u64,
}

impl KeyPages {
    pub(super) fn len(&self) -> usize {
        self.last_keys.len()
    }

    /// Bytes of the remembered keys.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The last key of the page before the one of `cursor`.
    pub(super) fn last_key(&self, cursor: u64) -> Option<&str> {
        self.last_keys.get(usize::try_from(cursor).ok()?).map(String::as_str)
    }

    /// A cursor for the page after the key `last`. `None` when there are too many pages.
    pub(super) fn cursor(&mut self, last: String) -> Option<u64> {
        let at = match self.last_keys.iter().position(|page| *page == last) {
            Some(at) => at,
            None if self.last_keys.len() >= MAX_KEY_PAGES => return None,
            None => {
                self.bytes = self.bytes.saturating_add(u64::try_from(last.len()).unwrap_or(u64::MAX));
                self.last_keys.push(last);
                self.last_keys.len() - 1
            }
        };
        u64::try_from(at).ok()
    }
}
