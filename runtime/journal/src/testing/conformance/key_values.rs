//! Key-values in a journal: what guests store, increment and share.

use std::sync::Arc;

use lastword_events::{Change, KEY_OVERHEAD_BYTES as KEY, PluginName};

use super::runs::{NO_SEQUENCE, Runs, changes, completion, owed_again, plugin};
use crate::{
    Completion, Journal, KeyValueChanges, KeyValueConflict, RefusedCompletion, Settlement, Space, StagedCompletions,
};

/// A call of plugin `memory` that increments numbers and sets texts.
fn counts(tenant: &Arc<str>, quotas: (Option<u64>, Option<u64>), changes: &[(&str, Change)]) -> Completion {
    let space = Space { tenant: tenant.clone(), plugin: plugin() };
    let changes = changes.iter().map(|(key, change)| ((*key).to_owned(), change.clone())).collect();
    let changes = KeyValueChanges { space, plugin_quota: quotas.0, tenant_quota: quotas.1, changes };
    Completion { changes: Some(Box::new(changes)), ..completion(NO_SEQUENCE, 1, Settlement::Delivered) }
}

pub(super) async fn what_a_guest_wrote_is_there_when_its_call_delivered_and_not_before(mut journal: Runs<'_>) {
    let (t, u) = journal.tenants();
    journal.next_run();
    let (sequence, session) = journal.start("a").await;
    journal.end(sequence, &session).await;
    let space = Space { tenant: t.clone(), plugin: plugin() };
    let write = |settlement, value: &[u8]| Completion {
        changes: changes(&space, &[("count", Some(value))]),
        ..completion(sequence, 1, settlement)
    };
    let failed = owed_again(false);
    journal.complete(&t, vec![write(failed, b"1")]).pending.await.unwrap();
    assert_eq!(journal.key_value(&space, "count").unwrap(), None);
    journal.complete(&t, vec![write(Settlement::Delivered, b"2")]).pending.await.unwrap();
    assert_eq!(journal.key_value(&space, "count").unwrap(), Some(b"2".to_vec()));
    let other = Space { tenant: u.clone(), plugin: plugin() };
    assert_eq!(journal.key_value(&other, "count").unwrap(), None, "another tenant sees nothing of it");
}

pub(super) async fn a_space_has_its_keys_in_order_and_counts_the_bytes_of_keys_and_values(mut journal: Runs<'_>) {
    let (t, u) = journal.tenants();
    journal.next_run();
    let (sequence, session) = journal.start("a").await;
    journal.end(sequence, &session).await;
    let space = |tenant: &str, plugin: &str| Space { tenant: tenant.into(), plugin: PluginName::new(plugin).unwrap() };
    let (mine, next_door, elsewhere) = (space(&t, "memory"), space(&t, "other"), space(&u, "memory"));
    let write = |space: &Space, keys: &[(&str, Option<&[u8]>)]| {
        let changes = changes(space, keys);
        journal.complete(&t, vec![Completion { changes, ..completion(sequence, 1, Settlement::Delivered) }]).pending
    };
    let bytes = || {
        let of = |space| journal.key_value_bytes(space).unwrap();
        (of(&mine), of(&next_door), of(&elsewhere), journal.key_value_tenant_bytes(&t).unwrap())
    };
    let keys = |space| journal.key_value_keys(space, None, 100).unwrap();
    assert_eq!((bytes(), keys(&mine)), ((0, 0, 0, 0), vec![]));

    write(&mine, &[("b", Some(b"12")), ("ä", Some(b"")), ("a", Some(b"1"))]).await.unwrap();
    write(&next_door, &[("key", Some(b"value"))]).await.unwrap();
    assert_eq!(keys(&mine), ["a", "b", "ä"]);
    assert_eq!(journal.key_value_keys(&mine, Some("a"), 1).unwrap(), ["b"]);
    assert_eq!(journal.key_value_keys(&mine, Some("aa"), 100).unwrap(), ["b", "ä"], "a key that is not there");
    assert_eq!(keys(&next_door), ["key"], "each plugin has its own");
    assert_eq!(bytes(), (3 + 2 + 2 + 3 * KEY, 8 + KEY, 0, 15 + 4 * KEY));

    write(&mine, &[("b", Some(b"1")), ("a", None), ("never-was", None)]).await.unwrap();
    assert_eq!(keys(&mine), ["b", "ä"]);
    assert_eq!(bytes(), (2 + 2 + 2 * KEY, 8 + KEY, 0, 12 + 3 * KEY));

    write(&mine, &[("b", None), ("ä", None)]).await.unwrap();
    assert_eq!((bytes(), keys(&mine)), ((0, 8 + KEY, 0, 8 + KEY), vec![]));
}

pub(super) async fn what_was_handed_over_is_read_at_once_and_in_order(mut journal: Runs<'_>) {
    let (t, _) = journal.tenants();
    journal.next_run();
    let (sequence, session) = journal.start("a").await;
    journal.end(sequence, &session).await;
    let space = Space { tenant: t.clone(), plugin: plugin() };
    let value = |text: &str| Completion {
        changes: changes(&space, &[("count", Some(text.as_bytes()))]),
        ..completion(sequence, 1, Settlement::Delivered)
    };
    let waiting = [journal.complete(&t, vec![value("1"), value("2")]), journal.complete(&t, vec![value("3")])];
    assert_eq!(journal.key_value(&space, "count").unwrap(), Some(b"3".to_vec()), "nobody has waited for it");
    for staged in waiting {
        staged.pending.await.unwrap();
    }
    assert_eq!(journal.key_value(&space, "count").unwrap(), Some(b"3".to_vec()));
}

pub(super) async fn what_cannot_be_stored_any_more_is_refused_alone_and_nothing_of_it_is_seen(mut journal: Runs<'_>) {
    let (t, _) = journal.tenants();
    journal.next_run();
    let space = Space { tenant: t.clone(), plugin: plugin() };
    let set = |text: &str| Change::Set(text.as_bytes().to_vec());
    let max = u64::MAX.to_string();
    let begin = counts(&t, (None, None), &[("text", set("x")), ("max", set(&max))]);
    journal.complete(&t, vec![begin]).pending.await.unwrap();
    let calls = vec![
        counts(&t, (None, None), &[("a", Change::Add(1)), ("text", Change::Add(1))]),
        counts(&t, (None, None), &[("a", Change::Add(1))]),
        counts(&t, (None, None), &[("a", Change::Add(1)), ("max", Change::Add(1))]),
        counts(&t, (None, None), &[("a", Change::Add(2)), ("text", Change::Delete)]),
    ];
    let staged = journal.complete(&t, calls);
    let refused = |at, why| RefusedCompletion { at, why };
    assert_eq!(
        staged.refused,
        [refused(0, KeyValueConflict::NoNumber("text".into())), refused(2, KeyValueConflict::Overflow("max".into()))]
    );
    assert_eq!(journal.key_value(&space, "a").unwrap().as_deref(), Some(&b"3"[..]));
    staged.pending.await.unwrap();
    assert_eq!(journal.key_value(&space, "a").unwrap().as_deref(), Some(&b"3"[..]));
    assert_eq!(journal.key_value_keys(&space, None, 9).unwrap(), ["a", "max"]);
}

pub(super) async fn quotas_count_what_is_stored_when_a_call_is_handed_over_and_let_go_what_frees(
    mut journal: Runs<'_>,
) {
    let (t, _) = journal.tenants();
    journal.next_run();
    let fill = |key, n: usize| (key, Change::Set(vec![b'x'; n]));
    let complete = |calls: Vec<Completion>| {
        let StagedCompletions { refused, pending } = journal.complete(&t, calls);
        async move {
            pending.await.unwrap();
            refused
        }
    };
    let plugins = (Some(10 + 2 * KEY), Some(12 + 3 * KEY));
    let calls = [fill("a", 7), fill("b", 2), fill("b", 1)].map(|one| counts(&t, plugins, &[one]));
    let over = KeyValueConflict::PluginQuota { quota: 10 + 2 * KEY, wanted: 11 + 2 * KEY };
    assert_eq!(complete(calls.to_vec()).await, [RefusedCompletion { at: 1, why: over }]);
    // Another plugin of the tenant has its own quota, and the tenant's.
    let other = |n| {
        let mut call = counts(&t, (Some(10 + KEY), plugins.1), &[fill("c", n)]);
        let space = Space { tenant: t.clone(), plugin: PluginName::new("other").unwrap() };
        call.changes.as_mut().unwrap().space = space;
        call
    };
    let over = KeyValueConflict::TenantQuota { quota: 12 + 3 * KEY, wanted: 13 + 3 * KEY };
    assert_eq!(complete(vec![other(2), other(1)]).await, [RefusedCompletion { at: 0, why: over }]);
    // The operator has lowered the quota: less is always possible, more is not.
    let calls = [fill("a", 6), fill("a", 7)].map(|one| counts(&t, (Some(3), plugins.1), &[one]));
    let over = KeyValueConflict::PluginQuota { quota: 3, wanted: 10 + 2 * KEY };
    assert_eq!(complete(calls.to_vec()).await, [RefusedCompletion { at: 1, why: over }]);
    assert_eq!(journal.key_value_tenant_bytes(&t).unwrap(), 7 + 2 + 2 + 3 * KEY);
}

pub(super) async fn threads_that_hand_over_at_the_same_time_lose_no_increment(mut journal: Runs<'_>) {
    let (t, _) = journal.tenants();
    journal.next_run();
    let (shared, tenant): (&dyn Journal, _) = (&*journal, &t);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            scope.spawn(move || {
                for n in 0..250 {
                    let calls = vec![counts(tenant, (None, None), &[("count", Change::Add(1))]); 1 + (n + thread) % 3];
                    assert!(shared.complete(tenant, calls).refused.is_empty());
                }
            });
        }
    });
    let expected: usize = (0..4).flat_map(|thread| (0..250).map(move |n| 1 + (n + thread) % 3)).sum();
    let space = Space { tenant: t.clone(), plugin: plugin() };
    assert_eq!(journal.key_value(&space, "count").unwrap(), Some(expected.to_string().into_bytes()));
    journal.next_run();
    assert_eq!(journal.key_value(&space, "count").unwrap(), Some(expected.to_string().into_bytes()));
}
