use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::Arc;

use lastword_events::key_value_bytes;

use crate::{KeyValueWrite, KeyValueWrites, Space};

/// What guests have stored. Sizes are counted as keys change: a quota is asked for at each call that writes.
#[derive(Debug, Default)]
pub(super) struct KeyValues {
    /// Only spaces with a key in them.
    spaces: HashMap<Space, Keys>,
    /// Of all spaces of a tenant; only where that is more than 0.
    tenant_bytes: HashMap<Arc<str>, u64>,
}

#[derive(Debug, Default)]
struct Keys {
    /// Shared, so that a large value is not copied while everybody waits for the lock.
    values: BTreeMap<String, Arc<[u8]>>,
    bytes: u64,
}

impl KeyValues {
    pub(super) fn get(&self, space: &Space, key: &str) -> Option<Arc<[u8]>> {
        self.spaces.get(space)?.values.get(key).cloned()
    }

    pub(super) fn keys(&self, space: &Space, after: Option<&str>, limit: usize) -> Vec<String> {
        let Some(keys) = self.spaces.get(space) else { return Vec::new() };
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        keys.values.range::<str, _>((from, Bound::Unbounded)).take(limit).map(|(key, _)| key.clone()).collect()
    }

    pub(super) fn bytes(&self, space: &Space) -> u64 {
        self.spaces.get(space).map_or(0, |keys| keys.bytes)
    }

    pub(super) fn tenant_bytes(&self, tenant: &str) -> u64 {
        self.tenant_bytes.get(tenant).copied().unwrap_or(0)
    }

    pub(super) fn write(&mut self, KeyValueWrites { space, writes }: KeyValueWrites) {
        let tenant = space.tenant.clone();
        let keys = self.spaces.entry(space.clone()).or_default();
        let before = keys.bytes;
        writes.into_iter().for_each(|write| keys.write(write));
        let after = keys.bytes;
        if keys.values.is_empty() {
            self.spaces.remove(&space);
        }
        let bytes = (self.tenant_bytes(&tenant) + after).saturating_sub(before);
        if bytes == 0 {
            self.tenant_bytes.remove(&tenant);
        } else {
            self.tenant_bytes.insert(tenant, bytes);
        }
    }
}

impl Keys {
    fn write(&mut self, KeyValueWrite { key, value }: KeyValueWrite) {
        let added = value.as_ref().map_or(0, |value| key_value_bytes(&key, value));
        let old = match value {
            Some(value) => self.values.insert(key.clone(), value.into()),
            None => self.values.remove(&key),
        };
        let gone = old.map_or(0, |old| key_value_bytes(&key, &old));
        self.bytes = (self.bytes + added).saturating_sub(gone);
    }
}
