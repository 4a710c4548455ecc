//! What becomes of the key-value changes of calls that delivered.
//!
//! A call says what it wants changed, over what was stored when it looked. Other calls of the plugin may have delivered
//! since, so the changes become values only now, one batch of calls after the other: an increment is added to what is
//! stored *now*, and the quotas count what is stored *now*. Whoever resolves holds the order until the journal has the
//! values, so that no two batches start from the same ones.

use std::collections::HashMap;
use std::sync::Arc;

use lastword_events::{key_value_bytes, key_value_number};
use lastword_journal::{Journal, JournalError, KeyValueWrite, KeyValueWrites, Space};
use thiserror::Error;

use crate::attempt::Attempt;
use crate::limits::MAX_QUOTED_KEY_CHARS;
use crate::quota::Quotas;
use crate::sandbox::{Change, Plugin};
use crate::sync::{Mutex, MutexGuard};

pub(crate) struct Arbiter {
    journal: Arc<dyn Journal>,
    quotas: Arc<Quotas>,
    /// Before the dispatcher's lock, and never held while a guest runs.
    order: Mutex<()>,
}

/// Calls whose changes are resolved and not yet handed over. The order is this batch's until it is dropped.
pub(crate) struct Batch<'a> {
    journal: &'a dyn Journal,
    space: Space,
    plugin_quota: Option<u64>,
    tenant_quota: Option<u64>,
    /// What earlier calls of the batch have written.
    written: HashMap<String, Option<Vec<u8>>>,
    /// What they have added to the space, and taken out of it.
    added: u64,
    freed: u64,
    _order: MutexGuard<'a, ()>,
}

/// Why changes that were possible when their call made them are not possible any more.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum Conflict {
    #[error("the key {0} cannot be counted up: its value is no number in decimal digits any more")]
    NoNumber(String),
    #[error("the key {0} cannot be counted up: the sum does not fit 64 bits")]
    Overflow(String),
    #[error(
        "key-value quota of the plugin: it may store {quota} bytes for this tenant, and with what other calls have \
         stored meanwhile this would make {wanted}"
    )]
    PluginQuota { quota: u64, wanted: u64 },
    #[error(
        "key-value quota of the tenant: it may store {quota} bytes, and with what other calls have stored meanwhile \
         this would make {wanted}"
    )]
    TenantQuota { quota: u64, wanted: u64 },
    #[error(transparent)]
    Unreadable(#[from] JournalError),
}

impl Arbiter {
    pub(crate) fn new(journal: Arc<dyn Journal>, quotas: Arc<Quotas>) -> Self {
        Self { journal, quotas, order: Mutex::default() }
    }

    /// Turns the changes of those attempts that delivered into writes, and attempts whose changes are not possible any
    /// more into failures. None when nothing was changed, and nothing has to be kept in order.
    pub(crate) fn resolve(&self, plugin: &Plugin, attempts: &mut [Attempt]) -> Option<Batch<'_>> {
        let mut batch = None;
        for attempt in attempts {
            let Some(changes) = attempt.take_changes() else { continue };
            let batch = batch.get_or_insert_with(|| {
                let space =
                    Space { tenant: attempt.owed.session.identity.tenant.clone(), plugin: plugin.name().clone() };
                self.begin(space, plugin.key_value_quota())
            });
            match batch.resolve(changes) {
                Ok(writes) => {
                    attempt.writes = Some(Box::new(KeyValueWrites { space: batch.space.clone(), writes }));
                }
                Err(conflict) => attempt.fail_in_host(conflict.to_string()),
            }
        }
        batch
    }

    fn begin(&self, space: Space, plugin_quota: Option<u64>) -> Batch<'_> {
        let tenant_quota = self.quotas.of(&space.tenant).key_value_bytes;
        let order = self.order.lock();
        Batch {
            journal: &*self.journal,
            space,
            plugin_quota,
            tenant_quota,
            written: HashMap::new(),
            added: 0,
            freed: 0,
            _order: order,
        }
    }
}

impl Batch<'_> {
    /// The values that one call's changes come to, all of them or none.
    fn resolve(&mut self, changes: Vec<(String, Change)>) -> Result<Vec<KeyValueWrite>, Conflict> {
        let (mut added, mut freed) = (0, 0);
        let mut writes = Vec::with_capacity(changes.len());
        for (key, change) in changes {
            let old = self.current(&key)?;
            freed += old.as_ref().map_or(0, |old| key_value_bytes(&key, old));
            let value = match change {
                Change::Set(value) => Some(value),
                Change::Delete => None,
                Change::Add(delta) => Some(sum(&key, old.as_deref(), delta)?.to_string().into_bytes()),
            };
            added += value.as_ref().map_or(0, |value| key_value_bytes(&key, value));
            writes.push(KeyValueWrite { key, value });
        }
        // Who is over a quota that was lowered may still free something.
        if added > freed {
            self.check_quotas(added, freed)?;
        }
        self.added += added;
        self.freed += freed;
        self.written.extend(writes.iter().map(|write| (write.key.clone(), write.value.clone())));
        Ok(writes)
    }

    fn current(&self, key: &str) -> Result<Option<Vec<u8>>, JournalError> {
        match self.written.get(key) {
            Some(value) => Ok(value.clone()),
            None => self.journal.key_value(&self.space, key),
        }
    }

    fn check_quotas(&self, added: u64, freed: u64) -> Result<(), Conflict> {
        let with_these = |stored: u64| (stored + self.added + added).saturating_sub(self.freed + freed);
        if let Some(quota) = self.plugin_quota {
            let wanted = with_these(self.journal.key_value_bytes(&self.space)?);
            if wanted > quota {
                return Err(Conflict::PluginQuota { quota, wanted });
            }
        }
        if let Some(quota) = self.tenant_quota {
            let wanted = with_these(self.journal.key_value_tenant_bytes(&self.space.tenant)?);
            if wanted > quota {
                return Err(Conflict::TenantQuota { quota, wanted });
            }
        }
        Ok(())
    }
}

/// A key that is not there holds 0.
fn sum(key: &str, value: Option<&[u8]>, delta: u64) -> Result<u64, Conflict> {
    let number = match value {
        None => Some(0),
        Some(value) => key_value_number(value),
    };
    let number = number.ok_or_else(|| Conflict::NoNumber(quoted(key)))?;
    number.checked_add(delta).ok_or_else(|| Conflict::Overflow(quoted(key)))
}

/// A guest chooses its keys: one line, and not all of a long one.
fn quoted(key: &str) -> String {
    let clipped: String = key.chars().take(MAX_QUOTED_KEY_CHARS).collect();
    let more = if clipped.len() < key.len() { "…" } else { "" };
    format!("{clipped:?}{more}")
}

#[cfg(test)]
mod tests {
    use lastword_events::{EventKey, KEY_OVERHEAD_BYTES as KEY, PluginName};
    use lastword_journal::{Completion, DeliveryKey, MemoryJournal, Settlement};
    use proptest::prelude::*;

    use super::*;
    use crate::key_values::JournalKeyValues;
    use crate::quota::TenantQuota;

    fn space(tenant: &str) -> Space {
        Space { tenant: tenant.into(), plugin: PluginName::new("p").unwrap() }
    }

    fn arbiter(tenant_quota: Option<u64>) -> Arbiter {
        let default = TenantQuota { key_value_bytes: tenant_quota, ..TenantQuota::default() };
        Arbiter::new(Arc::new(MemoryJournal::new()), Arc::new(Quotas { default, by_tenant: HashMap::new() }))
    }

    fn hand_over(journal: &dyn Journal, space: &Space, writes: Vec<KeyValueWrite>) {
        let delivery = DeliveryKey { sequence: 1, event: EventKey::End, plugin: space.plugin.clone() };
        let writes = Some(Box::new(KeyValueWrites { space: space.clone(), writes }));
        drop(journal.complete(vec![Completion { delivery, attempt: 1, settlement: Settlement::Delivered, writes }]));
    }

    /// A batch of calls, each with these changes, as a worker concludes it. Gives what each came to.
    fn conclude(
        arbiter: &Arbiter,
        space: &Space,
        quota: u64,
        calls: Vec<Vec<(String, Change)>>,
    ) -> Vec<Result<(), Conflict>> {
        let mut batch = arbiter.begin(space.clone(), Some(quota));
        let resolved: Vec<_> = calls.into_iter().map(|changes| batch.resolve(changes)).collect();
        resolved.into_iter().map(|one| one.map(|writes| hand_over(batch.journal, space, writes))).collect()
    }

    fn add(key: &str, delta: u64) -> (String, Change) {
        (key.to_owned(), Change::Add(delta))
    }

    fn set(key: &str, value: &str) -> (String, Change) {
        (key.to_owned(), Change::Set(value.as_bytes().to_vec()))
    }

    fn value(arbiter: &Arbiter, space: &Space, key: &str) -> Option<String> {
        arbiter.journal.key_value(space, key).unwrap().map(|value| String::from_utf8(value).unwrap())
    }

    #[test]
    fn workers_that_conclude_at_the_same_time_lose_no_increment() {
        let arbiter = Arc::new(arbiter(None));
        let threads: Vec<_> = (0..8)
            .map(|_| {
                let arbiter = arbiter.clone();
                std::thread::spawn(move || {
                    for n in 0..500 {
                        let calls = vec![vec![add("count", 1)]; 1 + n % 3];
                        assert!(conclude(&arbiter, &space("t"), 100, calls).iter().all(Result::is_ok));
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        let expected: usize = (0..500).map(|n| 1 + n % 3).sum::<usize>() * 8;
        assert_eq!(value(&arbiter, &space("t"), "count"), Some(expected.to_string()));
    }

    #[test]
    fn calls_of_one_batch_see_what_the_earlier_ones_wrote() {
        let arbiter = arbiter(None);
        let calls = vec![
            vec![add("n", 2)],
            vec![set("n", "40")],
            vec![add("n", 2)],
            vec![("n".to_owned(), Change::Delete)],
            vec![add("n", 7)],
        ];
        assert!(conclude(&arbiter, &space("t"), 100, calls).iter().all(Result::is_ok));
        assert_eq!(value(&arbiter, &space("t"), "n").as_deref(), Some("7"));
        assert_eq!(value(&arbiter, &space("u"), "n"), None, "another tenant sees nothing");
    }

    #[test]
    fn a_call_that_does_not_resolve_changes_nothing_and_the_others_of_its_batch_go_on() {
        let arbiter = arbiter(None);
        let max = u64::MAX.to_string();
        conclude(&arbiter, &space("t"), 1_000, vec![vec![set("text", "x"), set("max", &max)]]);
        let calls = vec![vec![add("a", 1), add("text", 1)], vec![add("a", 1), add("max", 1)], vec![add("a", 1)]];
        let came_to = conclude(&arbiter, &space("t"), 1_000, calls);
        assert_eq!(came_to[0], Err(Conflict::NoNumber("\"text\"".into())));
        assert_eq!(came_to[1], Err(Conflict::Overflow("\"max\"".into())));
        assert_eq!(value(&arbiter, &space("t"), "a").as_deref(), Some("1"));
    }

    #[test]
    fn quotas_count_what_others_have_stored_meanwhile_and_let_go_what_frees() {
        let arbiter = arbiter(Some(12 + 3 * KEY));
        let fill = |key: &str, n: usize| vec![set(key, &"x".repeat(n))];
        let came_to = conclude(&arbiter, &space("t"), 10 + 2 * KEY, vec![fill("a", 7), fill("b", 2), fill("b", 1)]);
        assert_eq!(came_to, [Ok(()), Err(Conflict::PluginQuota { quota: 10 + 2 * KEY, wanted: 11 + 2 * KEY }), Ok(())]);
        // Another plugin of the tenant has its own quota, and the tenant's.
        let other = Space { plugin: PluginName::new("q").unwrap(), ..space("t") };
        let came_to = conclude(&arbiter, &other, 10 + KEY, vec![fill("c", 2), fill("c", 1)]);
        assert_eq!(came_to, [Err(Conflict::TenantQuota { quota: 12 + 3 * KEY, wanted: 13 + 3 * KEY }), Ok(())]);
        // The operator has lowered the quota: less is always possible, more is not.
        let came_to = conclude(&arbiter, &space("t"), 3, vec![fill("a", 6), fill("a", 7)]);
        assert_eq!(came_to, [Ok(()), Err(Conflict::PluginQuota { quota: 3, wanted: 10 + 2 * KEY })]);
        assert_eq!(arbiter.journal.key_value_tenant_bytes("t").unwrap(), 7 + 2 + 2 + 3 * KEY);
    }

    #[test]
    fn a_message_quotes_a_key_on_one_line_and_not_all_of_a_long_one() {
        assert_eq!(quoted("a\nb\u{1b}"), r#""a\nb\u{1b}""#);
        let long = quoted(&"k".repeat(1_024));
        assert!(long.chars().count() < 100 && long.ends_with("\"…"), "{long}");
    }

    #[test]
    fn a_guest_is_told_what_its_tenant_may_still_store() {
        use crate::sandbox::KeyValues as _;
        let arbiter = arbiter(Some(20 + KEY));
        conclude(&arbiter, &space("t"), 100, vec![vec![set("key", "12345")]]);
        let read = JournalKeyValues::with_quotas(arbiter.journal.clone(), arbiter.quotas.clone());
        let plugin = space("t").plugin;
        let usage = read.usage("t", &plugin).unwrap();
        assert_eq!((usage.bytes, usage.tenant_left), (8 + KEY, Some(12)));
        assert_eq!(read.get("t", &plugin, "key").unwrap(), Some(b"12345".to_vec()));
        assert_eq!(read.keys("t", &plugin, None, 9).unwrap(), ["key"]);
        let usage = JournalKeyValues::new(arbiter.journal.clone()).usage("t", &plugin).unwrap();
        assert_eq!(usage.tenant_left, None);
    }

    proptest! {
        /// Whatever calls do: the same as one after the other on a plain map, within the quota, and the sizes are right.
        #[test]
        fn batches_come_to_what_their_calls_come_to_one_after_the_other(
            calls in prop::collection::vec(
                prop::collection::btree_map("[a-c]", (0u8..3, 0u64..2_000), 1..3), 1..40),
            at_once in 1usize..9,
            quota in 2 * KEY..3 * KEY + 20,
        ) {
            let arbiter = arbiter(None);
            let mut plain: HashMap<String, Vec<u8>> = HashMap::new();
            let calls: Vec<Vec<_>> = calls.into_iter().map(|call| call.into_iter().map(|(key, (what, n))| {
                let change = match what { 0 => Change::Add(n), 1 => Change::Set(n.to_string().into()), _ => Change::Delete };
                (key, change)
            }).collect()).collect();
            for batch in calls.chunks(at_once) {
                let came_to = conclude(&arbiter, &space("t"), quota, batch.to_vec());
                for (call, came_to) in batch.iter().zip(came_to) {
                    let mut next = plain.clone();
                    for (key, change) in call.clone() {
                        match change {
                            Change::Set(value) => { next.insert(key, value); }
                            Change::Delete => { next.remove(&key); }
                            Change::Add(n) => {
                                let old: u64 = next.get(&key).map_or(0, |v| std::str::from_utf8(v).unwrap().parse().unwrap());
                                next.insert(key, (old + n).to_string().into());
                            }
                        }
                    }
                    let size = |map: &HashMap<String, Vec<u8>>| map.iter().map(|(k, v)| key_value_bytes(k, v)).sum::<u64>();
                    let fits = size(&next) <= quota || size(&next) <= size(&plain);
                    prop_assert_eq!(came_to.is_ok(), fits);
                    if fits { plain = next; }
                    prop_assert!(size(&plain) <= quota);
                }
            }
            let stored = arbiter.journal.key_value_keys(&space("t"), None, 99).unwrap();
            prop_assert_eq!(stored.len(), plain.len());
            for (key, expected) in &plain {
                let stored = arbiter.journal.key_value(&space("t"), key).unwrap();
                prop_assert_eq!(stored.as_ref(), Some(expected));
            }
        }
    }
}
