//! Tests the writes that one call sees and the limits of its writes.

use super::*;
use lastword_events::KeyValueUsage;

struct Stored(BTreeMap<String, Vec<u8>>, Option<u64>);

impl KeyValues for Stored {
    fn get(&self, _: &str, _: &PluginName, key: &str) -> Result<Option<Vec<u8>>, KeyValueError> {
        Ok(self.0.get(key).cloned())
    }

    fn keys(&self, _: &str, _: &PluginName, after: Option<&str>, limit: usize) -> Result<Vec<String>, KeyValueError> {
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
    // A smaller value always fits, and freed bytes can be used again.
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
