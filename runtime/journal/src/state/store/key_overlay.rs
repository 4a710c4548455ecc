//! The overlay of one space: its keys with a value that is not committed yet.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

use lastword_events::key_value_bytes;

use super::committed::Committed;
use super::staged::StagedWrite;
use crate::JournalError;

#[derive(Debug, Default)]
pub(super) struct KeyOverlay(BTreeMap<Arc<str>, Versions>);

/// The values of one key that were staged and are not committed yet.
#[derive(Debug)]
struct Versions {
    newest: Version,
    /// The oldest value first. A key that every call increments may have thousands.
    older: VecDeque<Version>,
    /// The committed size.
    beneath: Size,
}

#[derive(Debug)]
struct Version {
    /// The new value. None removes the key.
    value: Option<Arc<[u8]>>,
    /// The number of the staged call.
    number: u64,
}

/// The length of a value in bytes. None if the key does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size(pub(super) Option<u64>);

impl Size {
    pub(super) fn of(value: Option<&[u8]>) -> Self {
        Self(value.map(|value| u64::try_from(value.len()).unwrap_or(u64::MAX)))
    }

    /// The key's size in a quota.
    pub(super) fn bytes(self, key: &str) -> u64 {
        self.0.map_or(0, |bytes| key_value_bytes(key, &[]).saturating_add(bytes))
    }
}

impl Version {
    fn size(&self) -> Size {
        Size::of(self.value.as_deref())
    }
}

impl KeyOverlay {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn value(&self, key: &str) -> Option<Option<Arc<[u8]>>> {
        self.0.get(key).map(|versions| versions.newest.value.clone())
    }

    pub(super) fn value_len(&self, key: &str) -> Option<Option<u64>> {
        self.0.get(key).map(|versions| versions.newest.size().0)
    }

    /// `beneath` is what is committed. It is not used if the key has been staged before.
    pub(super) fn stage<C: Committed>(&mut self, write: &StagedWrite, number: u64, beneath: Option<Size>) {
        let version = Version { value: write.value.clone(), number };
        if C::IS_NOTHING && version.value.is_none() {
            self.0.remove(&write.key);
            return;
        }
        let Some(versions) = self.0.get_mut(&write.key) else {
            let beneath = beneath.unwrap_or(Size(None));
            self.0.insert(write.key.clone(), Versions { newest: version, older: VecDeque::new(), beneath });
            return;
        };
        let older = std::mem::replace(&mut versions.newest, version);
        if !C::IS_NOTHING {
            versions.older.push_back(older);
        }
    }

    /// The write number `number` of this key is in the file.
    pub(super) fn commit(&mut self, write: &StagedWrite, number: u64) {
        let Some(versions) = self.0.get_mut(&write.key) else { return };
        if versions.newest.number == number {
            self.0.remove(&write.key);
            return;
        }
        versions.beneath = Size::of(write.value.as_deref());
        while versions.older.front().is_some_and(|older| older.number <= number) {
            versions.older.pop_front();
        }
    }

    /// The write number `number` of this key will not be made. Gives the size of the key's value now, and before.
    pub(super) fn set_aside(&mut self, write: &StagedWrite, number: u64) -> (Size, Size) {
        let Some(versions) = self.0.get_mut(&write.key) else { return (Size(None), Size(None)) };
        let before = versions.newest.size();
        if versions.newest.number != number {
            versions.older.retain(|older| older.number != number);
            return (before, before);
        }
        match versions.older.pop_back() {
            Some(older) => {
                versions.newest = older;
                (versions.newest.size(), before)
            }
            None => (self.0.remove(&write.key).map_or(Size(None), |versions| versions.beneath), before),
        }
    }

    /// The first `limit` keys after `after`, in their order. `committed` gives the committed keys in the same way, and is asked again if
    /// keys are staged as removed.
    pub(super) fn first_after(
        &self,
        committed: impl Fn(Option<&str>, usize) -> Result<Vec<String>, JournalError>,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<String>, JournalError> {
        let mut keys: Vec<String> = Vec::new();
        let mut after = after.map(str::to_owned);
        while keys.len() < limit {
            let wanted = limit - keys.len();
            // The pages have a fixed size: pages that shrink with the missing number would be as many as the keys that are staged as
            // removed.
            let page = committed(after.as_deref(), limit)?;
            let until = if page.len() < limit { None } else { page.last().cloned() };
            let from = after.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
            let to = until.as_deref().map_or(Bound::Unbounded, Bound::Included);
            let staged = self.0.range::<str, _>((from, to)).filter(|(_, versions)| versions.newest.value.is_some());
            let mut merged: Vec<String> = page.into_iter().filter(|key| !self.0.contains_key(key.as_str())).collect();
            merged.extend(staged.take(wanted).map(|(key, _)| key.to_string()));
            merged.sort_unstable();
            keys.extend(merged.into_iter().take(wanted));
            match until {
                Some(until) => after = Some(until),
                None => break,
            }
        }
        Ok(keys)
    }
}
