//! The store beside a plain map, over a file that commits when it is told to.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};

use lastword_events::{Change, EventKey, KEY_OVERHEAD_BYTES as KEY, PluginName, key_value_bytes};
use proptest::prelude::*;

use super::*;
use crate::{DeliveryKey, KeyValueConflict};

/// The committed values of one space.
#[derive(Debug, Default)]
struct File {
    values: Mutex<BTreeMap<String, Arc<[u8]>>>,
    is_unreadable: AtomicBool,
}

impl File {
    fn readable(&self) -> Result<(), JournalError> {
        if self.is_unreadable.load(Ordering::SeqCst) {
            return Err(JournalError::Unavailable("the disk is gone".to_owned()));
        }
        Ok(())
    }

    fn write(&self, staged: &Staged) {
        let mut values = self.values.lock();
        for StagedWrite { key, value } in &staged.writes {
            match value {
                Some(value) => drop(values.insert(key.to_string(), value.clone())),
                None => drop(values.remove(&**key)),
            }
        }
    }
}

impl Committed for File {
    fn value(&self, _: &Space, key: &str) -> Result<Option<Arc<[u8]>>, JournalError> {
        self.readable()?;
        Ok(self.values.lock().get(key).cloned())
    }

    fn value_len(&self, space: &Space, key: &str) -> Result<Option<u64>, JournalError> {
        Ok(self.value(space, key)?.map(|value| value.len() as u64))
    }

    fn keys(&self, _: &Space, after: Option<&str>, limit: usize) -> Result<Vec<String>, JournalError> {
        self.readable()?;
        let values = self.values.lock();
        Ok(values.keys().filter(|key| after.is_none_or(|after| key.as_str() > after)).take(limit).cloned().collect())
    }
}

fn space() -> Space {
    Space { tenant: "t".into(), plugin: PluginName::new("p").unwrap() }
}

fn call(quota: u64, changes: Vec<(String, Change)>) -> Completion {
    let delivery = DeliveryKey { sequence: 1, event: EventKey::End, plugin: space().plugin };
    let changes = KeyValueChanges { space: space(), plugin_quota: Some(quota), tenant_quota: None, changes };
    Completion { delivery, attempt: 1, settlement: Settlement::Delivered, changes: Some(Box::new(changes)) }
}

fn staged(resolved: Vec<Resolved>) -> Vec<Staged> {
    resolved.into_iter().filter_map(|one| one.staged).map(|staged| *staged).collect()
}

#[test]
fn a_value_that_cannot_be_read_refuses_its_call_and_no_other() {
    let store = Store::new(File::default(), []);
    store.committed().is_unreadable.store(true, Ordering::SeqCst);
    let (refused, _) = store.stage(vec![call(1_000, vec![("a".into(), Change::Add(1))])], staged);
    assert!(matches!(&refused[..], [RefusedCompletion { at: 0, why: KeyValueConflict::Unreadable(_) }]), "{refused:?}");
    store.committed().is_unreadable.store(false, Ordering::SeqCst);
    assert_eq!((store.value(&space(), "a").unwrap(), store.tenant_bytes("t")), (None, 0));
    // A staged value is read where it is.
    let (refused, waiting) = store.stage(vec![call(1_000, vec![("a".into(), Change::Add(1))])], staged);
    store.committed().is_unreadable.store(true, Ordering::SeqCst);
    let calls = vec![call(1_000, vec![("a".into(), Change::Add(1)), ("b".into(), Change::Add(1))])];
    let (refused_too, _) = store.stage(calls, staged);
    let (refused_again, _) = store.stage(vec![call(1_000, vec![("a".into(), Change::Add(1))])], staged);
    assert_eq!((refused.len(), refused_too.len(), refused_again.len(), waiting.len()), (0, 1, 0, 1));
    assert_eq!(store.value(&space(), "a").unwrap().as_deref(), Some(&b"2"[..]));
}

#[test]
fn nothing_is_kept_of_a_tenant_that_has_nothing() {
    let store = Store::new(NothingCommitted, []);
    let change = |change| vec![call(1_000, vec![("a".to_owned(), change)])];
    drop(store.stage(change(Change::Set(vec![1])), staged));
    assert_eq!((store.tenants.read().len(), store.tenant_bytes("t")), (1, 2 + KEY));
    drop(store.stage(change(Change::Delete), staged));
    assert_eq!((store.tenants.read().len(), store.tenant_bytes("t")), (0, 0));

    let store = Store::new(File::default(), []);
    let (_, waiting) = store.stage(change(Change::Set(vec![1])), staged);
    waiting.iter().for_each(|staged| store.set_aside(staged));
    assert_eq!((store.tenants.read().len(), store.tenant_bytes("t")), (0, 0));
}

#[test]
fn a_tenants_read_waits_for_no_other_tenants() {
    let store = Store::new(NothingCommitted, []);
    let locked = store.tenant_or_new(&"slow".into());
    let _held = locked.lock();
    // Both would wait for ever.
    assert_eq!(store.value(&space(), "a").unwrap(), None);
    assert!(store.stage(vec![call(1_000, vec![("a".into(), Change::Add(1))])], staged).0.is_empty());
    assert_eq!(store.keys(&space(), None, 9).unwrap(), ["a"]);
}

#[derive(Clone, Debug)]
enum Step {
    /// Completions of several calls, one after the other, staged together.
    Calls(Vec<Vec<(String, Change)>>),
    /// The oldest waiting completions are written to the file, and the store is told.
    Commit(usize),
    /// The newest waiting completion will not be written.
    SetAside,
    /// The process dies: the waiting completions are lost.
    Die,
}

fn step() -> impl Strategy<Value = Step> {
    let change = prop_oneof![
        (0u64..2_000).prop_map(Change::Add),
        (0u64..2_000).prop_map(|n| Change::Set(n.to_string().into_bytes())),
        Just(Change::Delete),
    ];
    let call = prop::collection::btree_map("[a-d]", change, 1..3).prop_map(|call| call.into_iter().collect());
    prop_oneof![
        6 => prop::collection::vec(call, 1..4).prop_map(Step::Calls),
        3 => (1usize..4).prop_map(Step::Commit),
        1 => Just(Step::SetAside),
        1 => Just(Step::Die),
    ]
}

type Map = BTreeMap<String, Vec<u8>>;

fn size(map: &Map) -> u64 {
    map.iter().map(|(key, value)| key_value_bytes(key, value)).sum()
}

/// The contents of a map after a call.
fn after(map: &Map, call: &[(String, Change)]) -> Map {
    let mut map = map.clone();
    for (key, change) in call {
        match change {
            Change::Set(value) => drop(map.insert(key.clone(), value.clone())),
            Change::Delete => drop(map.remove(key)),
            Change::Add(n) => {
                let old = map.get(key).map_or(0, |value| std::str::from_utf8(value).unwrap().parse().unwrap());
                map.insert(key.clone(), (n + old).to_string().into_bytes());
            }
        }
    }
    map
}

fn check(store: &Store<File>, expected: &Map) -> Result<(), TestCaseError> {
    let keys: Vec<&String> = expected.keys().collect();
    for limit in [1, 2, 99] {
        let mut listed: Vec<String> = Vec::new();
        loop {
            let page = store.keys(&space(), listed.last().map(String::as_str), limit).unwrap();
            listed.extend(page.iter().cloned());
            if page.len() < limit {
                break;
            }
        }
        prop_assert_eq!(listed.iter().collect::<Vec<_>>(), keys.clone());
    }
    for key in ["a", "b", "c", "d"] {
        let value = store.value(&space(), key).unwrap();
        prop_assert_eq!(value.as_deref(), expected.get(key).map(Vec::as_slice));
        prop_assert_eq!(store.value_len(&space(), key).unwrap(), expected.get(key).map(|value| value.len() as u64));
    }
    prop_assert_eq!((store.bytes(&space()), store.tenant_bytes("t")), (size(expected), size(expected)));
    Ok(())
}

proptest! {
    /// Whatever calls do, and whenever they are committed, the result is that of the same calls on a plain map, within the quota.
    #[test]
    fn the_store_has_what_its_calls_come_to_one_after_the_other(
        steps in prop::collection::vec(step(), 1..60),
        quota in 2 * KEY..4 * KEY + 20,
    ) {
        let mut store = Store::new(File::default(), []);
        // The values in the file, and the values after each waiting call.
        let mut states: Vec<Map> = vec![Map::new()];
        let mut waiting: VecDeque<Staged> = VecDeque::new();
        for step in steps {
            match step {
                Step::Calls(calls) => {
                    let to_stage = calls.iter().map(|changes| call(quota, changes.clone())).collect();
                    let (refused, resolved) = store.stage(to_stage, staged);
                    let refused: Vec<usize> = refused.iter().map(|one| one.at).collect();
                    waiting.extend(resolved);
                    for (at, call) in calls.iter().enumerate() {
                        let now = states.last().unwrap();
                        let next = after(now, call);
                        let fits = size(&next) <= quota || size(&next) <= size(now);
                        prop_assert_eq!(refused.contains(&at), !fits);
                        if fits {
                            states.push(next);
                        }
                    }
                }
                Step::Commit(n) => {
                    for _ in 0..n.min(waiting.len()) {
                        let staged = waiting.pop_front().unwrap();
                        store.committed().write(&staged);
                        states.remove(0);
                        // Between the two everything is as it was.
                        check(&store, states.last().unwrap())?;
                        assert!(store.try_commit(&staged.space.tenant, [&staged]));
                    }
                }
                Step::SetAside => {
                    if let Some(staged) = waiting.pop_back() {
                        store.set_aside(&staged);
                        states.pop();
                    }
                }
                Step::Die => {
                    waiting.clear();
                    states.truncate(1);
                    let values = std::mem::take(&mut *store.committed().values.lock());
                    let sizes = [(space(), size(&states[0]))];
                    let file = File { values: Mutex::new(values), ..File::default() };
                    store = Store::new(file, sizes.into_iter().filter(|(_, bytes)| *bytes > 0));
                }
            }
            prop_assert_eq!(states.len(), waiting.len() + 1);
            check(&store, states.last().unwrap())?;
        }
    }

    /// A completion that is set aside removes only its own values. Values that were made of them stay.
    #[test]
    fn sizes_are_right_whichever_of_the_waiting_calls_is_set_aside(
        calls in prop::collection::vec((("[a-b]", 0usize..9), any::<bool>()), 1..12),
        first in any::<prop::sample::Index>(),
    ) {
        let store = Store::new(File::default(), []);
        let mut waiting = Vec::new();
        for ((key, length), is_set) in calls {
            let change = if is_set { Change::Set(vec![b'1'; length]) } else { Change::Delete };
            waiting.extend(store.stage(vec![call(u64::MAX, vec![(key, change)])], staged).1);
        }
        let aside = first.index(waiting.len());
        store.set_aside(&waiting[aside]);
        let mut expected = Map::new();
        for (_, staged) in waiting.iter().enumerate().filter(|(at, _)| *at != aside) {
            for StagedWrite { key, value } in &staged.writes {
                match value {
                    Some(value) => drop(expected.insert(key.to_string(), value.to_vec())),
                    None => drop(expected.remove(&**key)),
                }
            }
        }
        check(&store, &expected)?;
        for staged in waiting.iter().enumerate().filter(|(at, _)| *at != aside).map(|(_, staged)| staged) {
            store.committed().write(staged);
            assert!(store.try_commit(&staged.space.tenant, [staged]));
            check(&store, &expected)?;
        }
        prop_assert!(store.tenants.read().values().all(|tenant| tenant.lock().has_nothing_staged()));
    }
}
