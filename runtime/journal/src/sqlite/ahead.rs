//! What was handed over and is not committed yet: what guests stored is read back as of the last completion handed over.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::Arc;

use lastword_events::key_value_bytes;
use rusqlite::Connection;

use super::read;
use crate::{JournalError, KeyValueWrites, Space};

/// Values in front of those in the file, and the sizes with them.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    spaces: HashMap<Space, BTreeMap<String, Value>>,
    /// Of every space with something in it, what is handed over included.
    bytes: HashMap<Space, u64>,
    tenant_bytes: HashMap<Arc<str>, u64>,
    handed_over: u64,
}

#[derive(Debug)]
struct Value {
    value: Option<Arc<[u8]>>,
    /// Which completion wrote it: a newer one may be waiting when this one is committed.
    by: u64,
}

impl Ahead {
    pub(super) fn with_sizes(sizes: impl IntoIterator<Item = (Space, u64)>) -> Self {
        let mut ahead = Self::default();
        for (space, bytes) in sizes {
            let of_tenant = ahead.tenant_bytes.entry(space.tenant.clone()).or_default();
            *of_tenant = of_tenant.saturating_add(bytes);
            ahead.bytes.insert(space, bytes);
        }
        ahead
    }

    /// Takes what a delivered call wrote, and gives it a number.
    pub(super) fn hand_over(&mut self, file: &Connection, writes: &KeyValueWrites) -> Result<u64, JournalError> {
        let KeyValueWrites { space, writes } = writes;
        let (mut added, mut gone) = (0, 0);
        for write in writes {
            gone += self.get(file, space, &write.key)?.map_or(0, |old| key_value_bytes(&write.key, &old));
            added += write.value.as_ref().map_or(0, |value| key_value_bytes(&write.key, value));
        }
        self.handed_over += 1;
        let by = self.handed_over;
        let keys = self.spaces.entry(space.clone()).or_default();
        for write in writes {
            let value = write.value.as_deref().map(Arc::from);
            keys.insert(write.key.clone(), Value { value, by });
        }
        let grow = |bytes: u64| bytes.saturating_add(added).saturating_sub(gone);
        set(&mut self.bytes, space.clone(), grow);
        set(&mut self.tenant_bytes, space.tenant.clone(), grow);
        Ok(by)
    }

    /// What number `by` wrote is in the file.
    pub(super) fn committed(&mut self, writes: &KeyValueWrites, by: u64) {
        let Some(keys) = self.spaces.get_mut(&writes.space) else { return };
        for write in &writes.writes {
            if keys.get(&write.key).is_some_and(|value| value.by == by) {
                keys.remove(&write.key);
            }
        }
        if keys.is_empty() {
            self.spaces.remove(&writes.space);
        }
    }

    pub(super) fn get(&self, file: &Connection, space: &Space, key: &str) -> Result<Option<Arc<[u8]>>, JournalError> {
        match self.spaces.get(space).and_then(|keys| keys.get(key)) {
            Some(ahead) => Ok(ahead.value.clone()),
            None => Ok(read::value(file, space, key)?.map(Arc::from)),
        }
    }

    pub(super) fn keys(
        &self,
        file: &Connection,
        space: &Space,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<String>, JournalError> {
        let Some(ahead) = self.spaces.get(space) else { return Ok(read::keys(file, space, after, limit)?) };
        // As many of them may be gone.
        let mut keys = read::keys(file, space, after, limit.saturating_add(ahead.len()))?;
        keys.retain(|key| !ahead.contains_key(key));
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let newer = ahead.range::<str, _>((from, Bound::Unbounded)).filter(|(_, value)| value.value.is_some());
        keys.extend(newer.map(|(key, _)| key.clone()));
        keys.sort_unstable();
        keys.truncate(limit);
        Ok(keys)
    }

    pub(super) fn bytes(&self, space: &Space) -> u64 {
        self.bytes.get(space).copied().unwrap_or(0)
    }

    pub(super) fn tenant_bytes(&self, tenant: &str) -> u64 {
        self.tenant_bytes.get(tenant).copied().unwrap_or(0)
    }
}

/// Changes a size; none is kept of what is empty.
fn set<K: std::hash::Hash + Eq>(sizes: &mut HashMap<K, u64>, key: K, change: impl Fn(u64) -> u64) {
    match change(sizes.get(&key).copied().unwrap_or(0)) {
        0 => {
            sizes.remove(&key);
        }
        bytes => {
            sizes.insert(key, bytes);
        }
    }
}
