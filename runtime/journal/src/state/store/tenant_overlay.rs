//! The overlay of one tenant: the values that are not committed yet, and the sizes of the tenant's spaces.

use std::collections::HashMap;
use std::sync::Arc;

use lastword_events::{Change, PluginName, key_value_bytes, key_value_number};

use super::committed::Committed;
use super::key_overlay::{KeyOverlay, Size};
use super::staged::{Staged, StagedWrite};
use crate::{JournalError, KeyValueChanges, KeyValueConflict, Space};

#[derive(Debug, Default)]
pub(super) struct TenantOverlay {
    /// The spaces that are not empty.
    spaces: HashMap<PluginName, SpaceOverlay>,
    /// The size of all spaces, staged values included.
    bytes: u64,
    /// How often something was staged.
    staged: u64,
}

#[derive(Debug, Default)]
struct SpaceOverlay {
    /// The size of the space, staged values included.
    bytes: u64,
    keys: KeyOverlay,
}

impl TenantOverlay {
    pub(super) fn add_space(&mut self, plugin: PluginName, bytes: u64) {
        self.bytes = self.bytes.saturating_add(bytes);
        self.spaces.insert(plugin, SpaceOverlay { bytes, keys: KeyOverlay::default() });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.spaces.is_empty()
    }

    #[cfg(test)]
    pub(super) fn has_nothing_staged(&self) -> bool {
        self.spaces.values().all(|space| space.keys.is_empty())
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn space_bytes(&self, plugin: &PluginName) -> u64 {
        self.spaces.get(plugin).map_or(0, |space| space.bytes)
    }

    /// The value of a key, if it is staged.
    pub(super) fn value(&self, plugin: &PluginName, key: &str) -> Option<Option<Arc<[u8]>>> {
        self.spaces.get(plugin)?.keys.value(key)
    }

    /// The length of the value of a key, if it is staged.
    pub(super) fn value_len(&self, plugin: &PluginName, key: &str) -> Option<Option<u64>> {
        self.spaces.get(plugin)?.keys.value_len(key)
    }

    /// The first keys of a space, staged and committed. None if nothing of the space is staged.
    pub(super) fn keys<C: Committed>(
        &self,
        committed: &C,
        space: &Space,
        after: Option<&str>,
        limit: usize,
    ) -> Option<Result<Vec<String>, JournalError>> {
        let keys = &self.spaces.get(&space.plugin).filter(|of_plugin| !of_plugin.keys.is_empty())?.keys;
        Some(keys.first_after(|after, limit| committed.keys(space, after, limit), after, limit))
    }

    /// Makes values of a call's changes: all of them, or none.
    pub(super) fn stage<C: Committed>(
        &mut self,
        committed: &C,
        changes: KeyValueChanges,
    ) -> Result<Staged, KeyValueConflict> {
        let KeyValueChanges { space, plugin_quota, tenant_quota, changes } = changes;
        let mut writes = Vec::with_capacity(changes.len());
        let mut beneath = Vec::with_capacity(changes.len());
        let (mut added, mut freed) = (0u64, 0u64);
        for (key, change) in changes {
            let old = self.current(committed, &space, &key, &change)?;
            let value = match change {
                Change::Set(value) => Some(value),
                Change::Delete => None,
                Change::Add(delta) => Some(sum(&key, old.number(), delta)?.to_string().into_bytes()),
            };
            freed = freed.saturating_add(old.size.bytes(&key));
            added = added.saturating_add(value.as_ref().map_or(0, |value| key_value_bytes(&key, value)));
            beneath.push(old.beneath);
            writes.push(StagedWrite { key: key.into(), value: value.map(Arc::from) });
        }
        // Over a quota that was lowered, changes that free something are still possible.
        if added > freed {
            let wanted = |stored: u64| stored.saturating_add(added).saturating_sub(freed);
            let of_plugin = wanted(self.space_bytes(&space.plugin));
            if let Some(quota) = plugin_quota.filter(|quota| of_plugin > *quota) {
                return Err(KeyValueConflict::PluginQuota { quota, wanted: of_plugin });
            }
            let of_tenant = wanted(self.bytes);
            if let Some(quota) = tenant_quota.filter(|quota| of_tenant > *quota) {
                return Err(KeyValueConflict::TenantQuota { quota, wanted: of_tenant });
            }
        }
        self.staged += 1;
        let staged = Staged { space, writes, number: self.staged };
        self.change(&staged.space.plugin, |keys| {
            for (write, beneath) in staged.writes.iter().zip(beneath) {
                keys.stage::<C>(write, staged.number, beneath);
            }
            (added, freed)
        });
        Ok(staged)
    }

    /// The current value of a key, as far as a change depends on it.
    fn current<C: Committed>(
        &self,
        committed: &C,
        space: &Space,
        key: &str,
        change: &Change,
    ) -> Result<CurrentValue, JournalError> {
        if let Some(value) = self.value(&space.plugin, key) {
            return Ok(CurrentValue { size: Size::of(value.as_deref()), value, beneath: None });
        }
        // A value that is replaced may be large, and does not have to be read.
        let (size, value) = match change {
            Change::Add(_) => {
                let value = committed.value(space, key)?;
                (Size::of(value.as_deref()), value)
            }
            Change::Set(_) | Change::Delete => (Size(committed.value_len(space, key)?), None),
        };
        Ok(CurrentValue { size, value, beneath: Some(size) })
    }

    pub(super) fn commit(&mut self, staged: &Staged) {
        self.change(&staged.space.plugin, |keys| {
            staged.writes.iter().for_each(|write| keys.commit(write, staged.number));
            (0, 0)
        });
    }

    pub(super) fn set_aside(&mut self, staged: &Staged) {
        self.change(&staged.space.plugin, |keys| {
            let (mut added, mut freed) = (0, 0);
            for write in &staged.writes {
                let (now, before) = keys.set_aside(write, staged.number);
                added += now.bytes(&write.key);
                freed += before.bytes(&write.key);
            }
            (added, freed)
        });
    }

    /// Changes the keys of a space, and the space's size accordingly.
    fn change(&mut self, plugin: &PluginName, change: impl FnOnce(&mut KeyOverlay) -> (u64, u64)) {
        if !self.spaces.contains_key(plugin) {
            self.spaces.insert(plugin.clone(), SpaceOverlay::default());
        }
        let Some(space) = self.spaces.get_mut(plugin) else { return };
        let (added, freed) = change(&mut space.keys);
        let grow = |bytes: u64| bytes.saturating_add(added).saturating_sub(freed);
        space.bytes = grow(space.bytes);
        self.bytes = grow(self.bytes);
        if space.bytes == 0 && space.keys.is_empty() {
            self.spaces.remove(plugin);
        }
    }
}

/// The current value of a key.
struct CurrentValue {
    size: Size,
    /// Not read if only its length matters.
    value: Option<Arc<[u8]>>,
    /// The committed value, if nothing is staged.
    beneath: Option<Size>,
}

impl CurrentValue {
    /// The number. None if the value is no number. A missing key holds 0.
    fn number(&self) -> Option<u64> {
        self.value.as_ref().map_or(Some(0), |value| key_value_number(value))
    }
}

fn sum(key: &str, number: Option<u64>, delta: u64) -> Result<u64, KeyValueConflict> {
    let number = number.ok_or_else(|| KeyValueConflict::NoNumber(key.to_owned()))?;
    number.checked_add(delta).ok_or_else(|| KeyValueConflict::Overflow(key.to_owned()))
}
