//! What one call has written, over what was stored before: the guest reads its own writes, and nobody else does until the
//! call has delivered.

use std::collections::BTreeMap;
use std::sync::Arc;

use lastword_events::{PluginName, key_value_bytes, key_value_number};
use thiserror::Error;

use crate::limits::{CHANGED_KEY_BYTES, COUNTER_BYTES, KEYS_PER_PAGE, Limits, MAX_KEY_BYTES, MAX_KEY_PAGES};
use lastword_events::{Change, KeyValueError, KeyValues};

/// Why a guest's request is not carried out. Its text is what the guest reads.
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
    /// How many keys it may change.
    max_keys: u64,
    /// How many bytes of keys and values it may write.
    max_bytes: u64,
    /// What was stored when the call first asked: usage is looked up once.
    usage: Option<lastword_events::KeyValueUsage>,
    /// Bytes that this call adds to what is stored; negative when it frees some.
    growth: i64,
    /// Bytes of the keys and values in `changed`.
    written: u64,
    changed: BTreeMap<String, Change>,
    /// The last key of each page that a cursor was given out for: the standard's cursors are numbers.
    pages: Vec<String>,
    /// Bytes of those.
    page_bytes: u64,
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
            pages: Vec::new(),
            page_bytes: 0,
        }
    }

    /// One for each key that was written, in the order of keys.
    pub(crate) fn into_list(self) -> Vec<(String, Change)> {
        self.changed.into_iter().collect()
    }

    /// What the call makes the host keep until it ends, in bytes.
    pub(crate) fn kept_bytes(&self) -> u64 {
        let keys = u64::try_from(self.changed.len().saturating_add(self.pages.len())).unwrap_or(u64::MAX);
        keys.saturating_mul(CHANGED_KEY_BYTES).saturating_add(self.written).saturating_add(self.page_bytes)
    }

    fn store(&self) -> Result<&dyn KeyValues, Refused> {
        self.store.as_deref().ok_or(Refused::NoStore)
    }

    fn stored(&self, key: &str) -> Result<Option<Vec<u8>>, Refused> {
        Ok(self.store()?.get(&self.tenant, &self.plugin, key)?)
    }

    /// How long a stored value is. It may be large, and is not read for that.
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

    /// What a key counts for in a quota, as this call sees it.
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
            Some(cursor) => {
                let page = usize::try_from(cursor).ok().and_then(|at| self.pages.get(at));
                Some(page.cloned().ok_or(Refused::BadCursor)?)
            }
        };
        let after = after.as_deref();
        let mut keys = self.store()?.keys(&self.tenant, &self.plugin, after, KEYS_PER_PAGE)?;
        // What is stored beyond its last key belongs to a later page, and so does what this call wrote there.
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
        let next = last.map(|last| self.cursor(last)).transpose()?;
        Ok((keys, next))
    }

    fn cursor(&mut self, last: String) -> Result<u64, Refused> {
        let at = match self.pages.iter().position(|page| *page == last) {
            Some(at) => at,
            None if self.pages.len() >= MAX_KEY_PAGES => return Err(Refused::BadCursor),
            None => {
                self.page_bytes = self.page_bytes.saturating_add(u64::try_from(last.len()).unwrap_or(u64::MAX));
                self.pages.push(last);
                self.pages.len() - 1
            }
        };
        u64::try_from(at).map_err(|_| Refused::BadCursor)
    }

    pub(crate) fn set(&mut self, key: String, value: Vec<u8>) -> Result<(), Refused> {
        let size = key_value_bytes(&key, &value);
        self.change(key, Change::Set(value), size)
    }

    pub(crate) fn delete(&mut self, key: String) -> Result<(), Refused> {
        self.change(key, Change::Delete, 0)
    }

    /// Adds to a number, and says what this call sees it to be.
    pub(crate) fn add(&mut self, key: String, delta: u64) -> Result<u64, Refused> {
        let total = sum(self.get(&key)?.as_deref(), delta)?;
        let change = match self.changed.get(&key) {
            None => Change::Add(delta),
            Some(Change::Add(before)) => Change::Add(before.checked_add(delta).ok_or(Refused::Overflow)?),
            // Its own value is what counts from here on.
            Some(Change::Set(_) | Change::Delete) => Change::Set(digits(total)),
        };
        let size = key_value_bytes(&key, &digits(total));
        self.change(key, change, size)?;
        Ok(total)
    }

    /// `after` is what the key counts for in a quota then.
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
        // There is nothing to remember of a key that never was.
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

/// A number and what is added to it. A key that is not there holds 0.
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

/// What a change hands over: the key and its new value.
fn bytes_of(key: &str, change: &Change) -> u64 {
    let value = match change {
        Change::Set(value) => u64::try_from(value.len()).unwrap_or(u64::MAX),
        Change::Delete => 0,
        Change::Add(_) => COUNTER_BYTES,
    };
    value.saturating_add(u64::try_from(key.len()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use lastword_events::KeyValueUsage;

    struct Stored(BTreeMap<String, Vec<u8>>, Option<u64>);

    impl KeyValues for Stored {
        fn get(&self, _: &str, _: &PluginName, key: &str) -> Result<Option<Vec<u8>>, KeyValueError> {
            Ok(self.0.get(key).cloned())
        }

        fn keys(
            &self,
            _: &str,
            _: &PluginName,
            after: Option<&str>,
            limit: usize,
        ) -> Result<Vec<String>, KeyValueError> {
            let keys = self.0.keys().filter(|key| after.is_none_or(|after| key.as_str() > after));
            Ok(keys.take(limit).cloned().collect())
        }

        fn usage(&self, _: &str, _: &PluginName) -> Result<KeyValueUsage, KeyValueError> {
            let bytes = self.0.iter().map(|(key, value)| key_value_bytes(key, value)).sum();
            Ok(KeyValueUsage { bytes, tenant_left: self.1 })
        }
    }

    fn changes(stored: &[(&str, &str)], quota: u64, tenant_left: Option<u64>) -> Changes {
        let stored = stored.iter().map(|(key, value)| ((*key).to_owned(), value.as_bytes().to_vec())).collect();
        let store = Arc::new(Stored(stored, tenant_left));
        Changes::new(Some(store), "acme".into(), PluginName::new("p").unwrap(), quota, &Limits::default())
    }

    #[test]
    fn a_call_reads_its_own_writes_over_what_is_stored() {
        let mut changes = changes(&[("a", "1"), ("b", "2")], 1_000, None);
        changes.set("c".into(), b"3".to_vec()).unwrap();
        changes.delete("a".into()).unwrap();
        assert_eq!(changes.get("a").unwrap(), None);
        assert_eq!(changes.get("c").unwrap(), Some(b"3".to_vec()));
        assert_eq!(changes.keys(None).unwrap(), (vec!["b".to_owned(), "c".to_owned()], None));
        let list = changes.into_list();
        assert_eq!(list, [("a".to_owned(), Change::Delete), ("c".to_owned(), Change::Set(b"3".to_vec()))]);
    }

    #[test]
    fn pages_have_every_key_once_whatever_the_call_writes_in_between() {
        let stored: Vec<String> = (0..3 * KEYS_PER_PAGE).map(|n| format!("k{n:05}")).collect();
        let stored: Vec<(&str, &str)> = stored.iter().map(|key| (key.as_str(), "")).collect();
        let mut changes = changes(&stored, u64::MAX, None);
        changes.delete("k00000".into()).unwrap();
        changes.set("a".into(), Vec::new()).unwrap();
        changes.set("k00000x".into(), Vec::new()).unwrap();
        changes.set("z".into(), Vec::new()).unwrap();
        let (mut all, mut cursor) = changes.keys(None).unwrap();
        while let Some(at) = cursor {
            let (page, next) = changes.keys(Some(at)).unwrap();
            assert!(page.len() <= KEYS_PER_PAGE);
            all.extend(page);
            cursor = next;
        }
        assert_eq!(all.len(), 3 * KEYS_PER_PAGE + 2);
        assert!(all.is_sorted() && all.iter().any(|key| key == "k00000x") && all.last().unwrap() == "z");
        assert_eq!(changes.keys(Some(99)), Err(Refused::BadCursor));
    }

    #[test]
    fn counting_is_kept_as_a_difference_unless_the_call_has_set_the_number() {
        let mut changes = changes(&[("n", "40"), ("t", "text")], 1_000, None);
        assert_eq!(changes.add("n".into(), 1), Ok(41));
        assert_eq!(changes.add("n".into(), 1), Ok(42));
        assert_eq!(changes.get("n").unwrap(), Some(b"42".to_vec()));
        assert_eq!(changes.add("new".into(), 7), Ok(7));
        assert_eq!(changes.add("t".into(), 1), Err(Refused::NoNumber));
        assert_eq!(changes.add("n".into(), u64::MAX), Err(Refused::Overflow));
        changes.delete("n".into()).unwrap();
        assert_eq!(changes.add("n".into(), 5), Ok(5));
        let list = changes.into_list();
        assert_eq!(list, [("n".to_owned(), Change::Set(b"5".to_vec())), ("new".to_owned(), Change::Add(7))]);
    }

    #[test]
    fn neither_quota_can_be_exceeded_and_what_is_freed_can_be_used_again() {
        // Each key counts 64 bytes besides its own.
        let mut changes = changes(&[("old", "12345")], 64 + 8 + 64 + 2, None);
        changes.set("k".into(), vec![0]).unwrap();
        assert_eq!(changes.set("l".into(), vec![0]), Err(Refused::PluginQuota { quota: 138, wanted: 204 }));
        changes.delete("old".into()).unwrap();
        changes.set("l".into(), vec![0; 7]).unwrap();
        assert_eq!(changes.set("l".into(), vec![0; 8]), Err(Refused::PluginQuota { quota: 138, wanted: 139 }));
        changes.set("l".into(), vec![0; 2]).unwrap();

        let mut changes = self::changes(&[], 1_000, Some(67));
        changes.set("k".into(), vec![0; 2]).unwrap();
        assert_eq!(changes.set("k".into(), vec![0; 3]), Err(Refused::TenantQuota { left: 67, wanted: 68 }));
    }

    #[test]
    fn a_call_cannot_pile_up_changes() {
        let mut changes = changes(&[("a", "1")], u64::MAX, None);
        for n in 0..100_000 {
            changes.delete(format!("never-was-{n}")).unwrap();
        }
        changes.delete("a".into()).unwrap();
        changes.set("b".into(), Vec::new()).unwrap();
        changes.delete("b".into()).unwrap();
        assert_eq!(changes.changed.len(), 1);
        let refused = (0..).find_map(|n| changes.set(format!("k{n}"), Vec::new()).err()).unwrap();
        assert_eq!(refused, Refused::Keys { limit: 1000 });
        assert_eq!(refused.to_string(), "limit keyvalue-keys: one call may change 1000 keys");
        changes.set("a".into(), b"2".to_vec()).unwrap();
    }

    #[test]
    fn a_call_writes_no_more_bytes_than_its_limit_however_often_it_changes_a_key() {
        let limits = Limits { key_value_bytes: 100, ..Limits::default() };
        let plugin = PluginName::new("p").unwrap();
        let stored = [("old".to_owned(), vec![b'x'; 1_000])].into_iter().collect();
        let mut changes = Changes::new(Some(Arc::new(Stored(stored, None))), "acme".into(), plugin, u64::MAX, &limits);
        for _ in 0..10 {
            changes.set("a".into(), vec![0; 60]).unwrap();
        }
        assert_eq!(changes.set("b".into(), vec![0; 39]), Err(Refused::Bytes { limit: 100, wanted: 101 }));
        changes.set("b".into(), vec![0; 38]).unwrap();
        assert_eq!(changes.add("c".into(), 1), Err(Refused::Bytes { limit: 100, wanted: 121 }));
        assert_eq!(changes.delete("old".into()), Err(Refused::Bytes { limit: 100, wanted: 103 }));
        let refused = changes.set("a".into(), vec![0; 61]).unwrap_err().to_string();
        assert!(refused.starts_with("limit keyvalue-bytes: one call may write 100 bytes"), "{refused}");
        // Less is always possible, and what is freed can be used again.
        changes.set("a".into(), vec![0; 1]).unwrap();
        changes.delete("old".into()).unwrap();
        assert_eq!(changes.add("c".into(), 1), Ok(1));
        changes.delete("b".into()).unwrap();
        assert_eq!(changes.written, 2 + 3 + 21);
        assert_eq!(changes.get("a").unwrap(), Some(vec![0]));
    }

    #[test]
    fn what_is_kept_of_a_call_is_counted_and_given_back_when_it_is_changed_again() {
        let mut changes = changes(&[("a", "1")], u64::MAX, None);
        let counts = |changes: &Changes| changes.kept_bytes();
        changes.set("k".into(), vec![0; 1000]).unwrap();
        assert_eq!(counts(&changes), 1001 + CHANGED_KEY_BYTES);
        changes.set("k".into(), vec![0; 10]).unwrap();
        assert_eq!(counts(&changes), 11 + CHANGED_KEY_BYTES);
        changes.delete("k".into()).unwrap();
        assert_eq!(counts(&changes), 0, "it never was");
        changes.delete("a".into()).unwrap();
        assert_eq!(counts(&changes), 1 + CHANGED_KEY_BYTES);
    }

    #[test]
    fn a_key_has_a_size_and_a_call_without_a_store_says_so() {
        let mut none = Changes::new(None, "acme".into(), PluginName::new("p").unwrap(), 10, &Limits::default());
        assert_eq!(none.set("k".into(), Vec::new()), Err(Refused::NoStore));
        let mut changes = changes(&[], u64::MAX, None);
        assert_eq!(changes.set(String::new(), Vec::new()), Err(Refused::BadKey(0)));
        assert_eq!(changes.set("k".repeat(MAX_KEY_BYTES + 1), Vec::new()), Err(Refused::BadKey(MAX_KEY_BYTES + 1)));
    }
}
