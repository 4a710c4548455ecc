//! The writes of one call, over the stored values. The guest reads its own writes, and no other guest does until the call has delivered.

mod pages;

use std::collections::BTreeMap;
use std::sync::Arc;

use lastword_events::{PluginName, key_value_bytes, key_value_number};
use thiserror::Error;

use pages::KeyPages;

use crate::limits::{CHANGED_KEY_BYTES, COUNTER_BYTES, KEYS_PER_PAGE, Limits, MAX_KEY_BYTES};
use lastword_events::{Change, KeyValueError, KeyValues};

/// The reason why a guest's request is refused. The guest reads its text.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum Refused {
    #[error("no key-value store was given to this call")]
    NoStore,
    #[error("the store cannot be read: {0}")]
    Unreadable(#[from] KeyValueError),
    #[error("a key has 1 to {MAX_KEY_BYTES} bytes, this one has {0}")]
    BadKey(usize),
    #[error("quota: the plugin may store {quota} bytes for this tenant, and this would make {wanted}")]
    PluginQuota { quota: u64, wanted: u64 },
    #[error("quota: the tenant may store {left} more bytes, and this call would add {wanted}")]
    TenantQuota { left: u64, wanted: u64 },
    #[error("the value of this key is no number in decimal digits")]
    NoNumber,
    #[error("the sum does not fit 64 bits")]
    Overflow,
    #[error("this cursor was not given out in this call, or too many were")]
    BadCursor,
    #[error("at most {max} {what} at once")]
    TooMany { what: &'static str, max: usize },
    #[error("limit keyvalue-keys: one call may change {limit} keys")]
    Keys { limit: u64 },
    #[error("limit keyvalue-bytes: one call may write {limit} bytes of keys and values, and this would make {wanted}")]
    Bytes { limit: u64, wanted: u64 },
}

/// The writes of one call.
pub(crate) struct Changes {
    store: Option<Arc<dyn KeyValues>>,
    tenant: Arc<str>,
    plugin: PluginName,
    quota: u64,
    /// The most keys that the call may change.
    max_keys: u64,
    /// The most bytes of keys and values that the call may write.
    max_bytes: u64,
    /// The usage when the call first asked. It is looked up once.
    usage: Option<lastword_events::KeyValueUsage>,
    /// Bytes that this call adds to the stored ones; negative when it frees some.
    growth: i64,
    /// Bytes of the keys and values in `changed`.
    written: u64,
    changed: BTreeMap<String, Change>,
    pages: KeyPages,
}

impl Changes {
    pub(crate) fn new(
        store: Option<Arc<dyn KeyValues>>,
        tenant: Arc<str>,
        plugin: PluginName,
        quota: u64,
        limits: &Limits,
    ) -> Self {
        Self {
            store,
            tenant,
            plugin,
            quota,
            max_keys: limits.key_value_keys,
            max_bytes: limits.key_value_bytes,
            usage: None,
            growth: 0,
            written: 0,
            changed: BTreeMap::new(),
            pages: KeyPages::default(),
        }
    }

    /// One for each key that was written, in the order of keys.
    pub(crate) fn into_list(self) -> Vec<(String, Change)> {
        self.changed.into_iter().collect()
    }

    /// Bytes that the host keeps for these changes until the call ends.
    pub(crate) fn kept_bytes(&self) -> u64 {
        let keys = u64::try_from(self.changed.len().saturating_add(self.pages.len())).unwrap_or(u64::MAX);
        keys.saturating_mul(CHANGED_KEY_BYTES).saturating_add(self.written).saturating_add(self.pages.bytes())
    }

    fn store(&self) -> Result<&dyn KeyValues, Refused> {
        self.store.as_deref().ok_or(Refused::NoStore)
    }

    fn stored(&self, key: &str) -> Result<Option<Vec<u8>>, Refused> {
        Ok(self.store()?.get(&self.tenant, &self.plugin, key)?)
    }

    /// The length of a stored value. It does not read the value, which may be large.
    fn stored_len(&self, key: &str) -> Result<Option<u64>, Refused> {
        Ok(self.store()?.value_len(&self.tenant, &self.plugin, key)?)
    }

    pub(crate) fn exists(&self, key: &str) -> Result<bool, Refused> {
        match self.changed.get(key) {
            None => Ok(self.stored_len(key)?.is_some()),
            Some(Change::Set(_) | Change::Add(_)) => Ok(true),
            Some(Change::Delete) => Ok(false),
        }
    }

    /// The size of a key in a quota, as this call sees it.
    fn size_now(&self, key: &str) -> Result<u64, Refused> {
        let of_len = |len: Option<u64>| len.map_or(0, |len| key_value_bytes(key, &[]).saturating_add(len));
        Ok(match self.changed.get(key) {
            None => of_len(self.stored_len(key)?),
            Some(Change::Set(value)) => key_value_bytes(key, value),
            Some(Change::Delete) => 0,
            Some(Change::Add(_)) => self.get(key)?.map_or(0, |value| key_value_bytes(key, &value)),
        })
    }

    pub(crate) fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Refused> {
        match self.changed.get(key) {
            None => self.stored(key),
            Some(Change::Set(value)) => Ok(Some(value.clone())),
            Some(Change::Delete) => Ok(None),
            Some(Change::Add(delta)) => Ok(Some(digits(sum(self.stored(key)?.as_deref(), *delta)?))),
        }
    }

    /// A page of keys, sorted, and the cursor of the next one.
    pub(crate) fn keys(&mut self, cursor: Option<u64>) -> Result<(Vec<String>, Option<u64>), Refused> {
        let after = match cursor {
            None => None,
            Some(cursor) => Some(self.pages.last_key(cursor).ok_or(Refused::BadCursor)?.to_owned()),
        };
        let after = after.as_deref();
        let mut keys = self.store()?.keys(&self.tenant, &self.plugin, after, KEYS_PER_PAGE)?;
        // Keys beyond the last key of this page belong to a later page, both stored ones and those of this call.
        let until = if keys.len() < KEYS_PER_PAGE { None } else { keys.last().cloned() };
        keys.retain(|key| !self.changed.contains_key(key));
        let is_here = |key: &String| {
            after.is_none_or(|after| key.as_str() > after) && until.as_ref().is_none_or(|until| key <= until)
        };
        let present = self.changed.iter().filter(|(_, change)| **change != Change::Delete).map(|(key, _)| key);
        keys.extend(present.filter(|key| is_here(key)).cloned());
        keys.sort_unstable();
        let last = if keys.len() > KEYS_PER_PAGE {
            keys.truncate(KEYS_PER_PAGE);
            keys.last().cloned()
        } else {
            until
        };
        let next = last.map(|last| self.pages.cursor(last).ok_or(Refused::BadCursor)).transpose()?;
        Ok((keys, next))
    }

    pub(crate) fn set(&mut self, key: String, value: Vec<u8>) -> Result<(), Refused> {
        let size = key_value_bytes(&key, &value);
        self.change(key, Change::Set(value), size)
    }

    pub(crate) fn delete(&mut self, key: String) -> Result<(), Refused> {
        self.change(key, Change::Delete, 0)
    }

    /// Adds to a number, and gives the sum as this call sees it.
    pub(crate) fn add(&mut self, key: String, delta: u64) -> Result<u64, Refused> {
        let total = sum(self.get(&key)?.as_deref(), delta)?;
        let change = match self.changed.get(&key) {
            None => Change::Add(delta),
            Some(Change::Add(before)) => Change::Add(before.checked_add(delta).ok_or(Refused::Overflow)?),
            // A value of this call's own counts from here on.
            Some(Change::Set(_) | Change::Delete) => Change::Set(digits(total)),
        };
        let size = key_value_bytes(&key, &digits(total));
        self.change(key, change, size)?;
        Ok(total)
    }

    /// Changes a key. `after` is the key's size in a quota then.
    fn change(&mut self, key: String, change: Change, after: u64) -> Result<(), Refused> {
        if key.is_empty() || key.len() > MAX_KEY_BYTES {
            return Err(Refused::BadKey(key.len()));
        }
        let (written, written_before) =
            (bytes_of(&key, &change), self.changed.get(&key).map(|old| bytes_of(&key, old)));
        if written_before.is_none() && u64::try_from(self.changed.len()).unwrap_or(u64::MAX) >= self.max_keys {
            return Err(Refused::Keys { limit: self.max_keys });
        }
        let written_before = written_before.unwrap_or(0);
        let wanted = self.written.saturating_add(written).saturating_sub(written_before);
        if written > written_before && wanted > self.max_bytes {
            return Err(Refused::Bytes { limit: self.max_bytes, wanted });
        }
        let before = self.size_now(&key)?;
        let growth = self.growth.saturating_add(signed(after)).saturating_sub(signed(before));
        if after > before {
            self.check_quota(growth)?;
        }
        self.growth = growth;
        // A key that never existed needs no entry.
        if change == Change::Delete && self.stored_len(&key)?.is_none() {
            self.changed.remove(&key);
            self.written = self.written.saturating_sub(written_before);
        } else {
            self.changed.insert(key, change);
            self.written = wanted;
        }
        Ok(())
    }

    fn check_quota(&mut self, growth: i64) -> Result<(), Refused> {
        let usage = match self.usage {
            Some(usage) => usage,
            None => *self.usage.insert(self.store()?.usage(&self.tenant, &self.plugin)?),
        };
        let wanted = usage.bytes.saturating_add_signed(growth);
        if wanted > self.quota {
            return Err(Refused::PluginQuota { quota: self.quota, wanted });
        }
        match (usage.tenant_left, u64::try_from(growth)) {
            (Some(left), Ok(wanted)) if wanted > left => Err(Refused::TenantQuota { left, wanted }),
            _ => Ok(()),
        }
    }
}

/// The sum of a number and `delta`. A missing key holds 0.
fn sum(value: Option<&[u8]>, delta: u64) -> Result<u64, Refused> {
    let number = match value {
        None => 0,
        Some(value) => key_value_number(value).ok_or(Refused::NoNumber)?,
    };
    number.checked_add(delta).ok_or(Refused::Overflow)
}

fn digits(number: u64) -> Vec<u8> {
    number.to_string().into_bytes()
}

fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

/// Bytes of a change: the key and its new value.
fn bytes_of(key: &str, change: &Change) -> u64 {
    let value = match change {
        Change::Set(value) => u64::try_from(value.len()).unwrap_or(u64::MAX),
        Change::Delete => 0,
        Change::Add(_) => COUNTER_BYTES,
    };
    value.saturating_add(u64::try_from(key.len()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests;
