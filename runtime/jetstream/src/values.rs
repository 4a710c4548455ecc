//! The key-values that guests have stored, in memory.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lastword_events::key_value_bytes;
use lastword_journal::state::Committed;
use lastword_journal::{JournalError, Space};
use parking_lot::RwLock;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::record::StoredValues;

/// The value of a key. In JSON its text, or `base64:` and its bytes if it is no UTF-8 or begins with that word itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value(pub Arc<[u8]>);

/// The word with which a value that is no text begins in JSON.
const BASE64: &str = "base64:";

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(&self.0) {
            Ok(text) if !text.starts_with(BASE64) => serializer.serialize_str(text),
            _ => serializer.serialize_str(&format!("{BASE64}{}", STANDARD.encode(&self.0))),
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.strip_prefix(BASE64) {
            Some(digits) => Ok(Self(STANDARD.decode(digits).map_err(de::Error::custom)?.into())),
            None => Ok(Self(text.into_bytes().into())),
        }
    }
}

/// The keys of one space, in their order.
pub(crate) type Keys = BTreeMap<Arc<str>, Arc<[u8]>>;

/// What guests have stored. A clone is the same values, not a copy: the state has one, and the journal's store another.
#[derive(Clone, Debug, Default)]
pub struct Values(Arc<RwLock<HashMap<Space, Keys>>>);

impl Values {
    /// The sizes of the spaces that are not empty, in bytes.
    #[must_use]
    pub fn sizes(&self) -> Vec<(Space, u64)> {
        let size =
            |keys: &Keys| keys.iter().map(|(key, value)| key_value_bytes(key, value)).fold(0, u64::saturating_add);
        self.0.read().iter().map(|(space, keys)| (space.clone(), size(keys))).collect()
    }

    /// Whether nothing is stored.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.read().is_empty()
    }

    /// Stores the values of one call.
    pub(crate) fn store(&self, StoredValues { space, writes }: &StoredValues) {
        let mut spaces = self.0.write();
        if !spaces.contains_key(space) {
            spaces.insert(space.clone(), Keys::new());
        }
        let Some(keys) = spaces.get_mut(space) else { return };
        for (key, value) in writes {
            match value {
                Some(Value(value)) => drop(keys.insert(key.clone(), value.clone())),
                None => drop(keys.remove(key)),
            }
        }
        if keys.is_empty() {
            spaces.remove(space);
        }
    }

    /// A copy of all values, which share their bytes with these.
    pub(crate) fn copy(&self) -> HashMap<Space, Keys> {
        self.0.read().clone()
    }
}

impl Committed for Values {
    fn value(&self, space: &Space, key: &str) -> Result<Option<Arc<[u8]>>, JournalError> {
        Ok(self.0.read().get(space).and_then(|keys| keys.get(key).cloned()))
    }

    fn value_len(&self, space: &Space, key: &str) -> Result<Option<u64>, JournalError> {
        let spaces = self.0.read();
        let value = spaces.get(space).and_then(|keys| keys.get(key));
        Ok(value.map(|value| u64::try_from(value.len()).unwrap_or(u64::MAX)))
    }

    fn keys(&self, space: &Space, after: Option<&str>, limit: usize) -> Result<Vec<String>, JournalError> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let spaces = self.0.read();
        let Some(keys) = spaces.get(space) else { return Ok(Vec::new()) };
        Ok(keys.range::<str, _>((from, Bound::Unbounded)).take(limit).map(|(key, _)| key.to_string()).collect())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn space(tenant: &str) -> Space {
        Space { tenant: tenant.into(), plugin: "memory".parse().unwrap() }
    }

    fn store(values: &Values, tenant: &str, writes: &[(&str, Option<&str>)]) {
        let value = |text: &str| Value(text.as_bytes().into());
        let writes = writes.iter().map(|(key, text)| ((*key).into(), text.map(value))).collect();
        values.store(&StoredValues { space: space(tenant), writes });
    }

    #[test]
    fn keys_are_in_order_and_a_space_without_any_is_gone() {
        let values = Values::default();
        let same = values.clone();
        store(&values, "a", &[("k2", Some("22")), ("k1", Some("1")), ("k3", Some(""))]);
        store(&values, "b", &[("k", Some("x"))]);
        assert_eq!(same.value(&space("a"), "k2").unwrap().as_deref(), Some(&b"22"[..]));
        assert_eq!(same.value_len(&space("a"), "k3").unwrap(), Some(0));
        assert_eq!(same.keys(&space("a"), None, 2).unwrap(), ["k1", "k2"]);
        assert_eq!(same.keys(&space("a"), Some("k1"), 9).unwrap(), ["k2", "k3"]);
        store(&values, "b", &[("k", None)]);
        let bytes = 3 * (key_value_bytes("k1", b"1"));
        assert_eq!(same.sizes(), [(space("a"), bytes)]);
        assert_eq!(same.keys(&space("b"), None, 9).unwrap(), Vec::<String>::new());
        assert!(!same.is_empty() && Values::default().is_empty());
    }

    proptest! {
        #[test]
        fn a_value_in_json_is_read_back(
            bytes in prop_oneof![
                prop::collection::vec(any::<u8>(), 0..40),
                "(base64:)?[ -~]{0,8}".prop_map(String::into_bytes),
            ],
        ) {
            let value = Value(bytes.into());
            let json = serde_json::to_string(&value).unwrap();
            prop_assert_eq!(serde_json::from_str::<Value>(&json).unwrap(), value);
        }
    }
}
