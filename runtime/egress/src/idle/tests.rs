//! The accounts of connections, and the choice of the one to close.

use std::time::Duration;

use super::*;

const BOUNDS: IdleBounds = IdleBounds { of_account: 2, in_all: 4 };
const SECOND: Duration = Duration::from_secs(1);

fn to(tenant: &str, plugin: &str, destination: &str) -> Arc<KeptFor> {
    Arc::new(KeptFor {
        account: Account::new(tenant, plugin),
        destination: destination.parse().unwrap(),
        max_response_header_bytes: 1000,
        runtime: runtime::Handle::current().id(),
    })
}

/// Adds a connection for a second.
fn put(idle: &mut Idle<u32>, kept_for: &Arc<KeptFor>, connection: u32) -> Vec<u32> {
    idle.put(Arc::clone(kept_for), connection, Instant::now() + SECOND)
}

fn take(idle: &mut Idle<u32>, kept_for: &KeptFor) -> Option<u32> {
    idle.take(kept_for, Instant::now(), |_| true)
}

fn assert_nothing_is_kept(idle: &Idle<u32>) {
    assert!(idle.connections.is_empty() && idle.uses.is_empty() && idle.accounts.is_empty(), "{idle:?}");
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_for_one_plugin_tenant_and_destination() {
    let mut idle = Idle::new(BOUNDS);
    let mine = to("t", "p", "http://a.example");
    put(&mut idle, &mine, 1);
    for other in [
        to("u", "p", "http://a.example"),
        to("t", "q", "http://a.example"),
        to("t", "p", "https://a.example"),
        to("t", "p", "http://a.example:8080"),
        to("t", "p", "http://b.example"),
        Arc::new(KeptFor { max_response_header_bytes: 999, ..KeptFor::clone(&mine) }),
    ] {
        assert_eq!(take(&mut idle, &other), None, "{other:?}");
    }
    assert_eq!(take(&mut idle, &to("t", "p", "http://a.example")), Some(1));
    assert_eq!(take(&mut idle, &mine), None);
    assert_nothing_is_kept(&idle);
}

#[tokio::test(start_paused = true)]
async fn the_one_that_was_used_last_is_taken_first_and_the_longest_idle_is_closed() {
    let mut idle = Idle::new(BOUNDS);
    let [a, b] = ["http://a.example", "http://b.example"].map(|destination| to("t", "p", destination));
    assert!(put(&mut idle, &a, 1).is_empty());
    assert!(put(&mut idle, &b, 2).is_empty());
    assert_eq!(put(&mut idle, &b, 3), [1], "of a plugin's for a tenant, wherever they lead");
    assert_eq!(take(&mut idle, &b), Some(3));
    assert_eq!(idle.take(&b, Instant::now(), |connection| *connection != 2), None, "only one that fits");
    let others = ["u", "v", "w"].map(|tenant| to(tenant, "p", "http://a.example"));
    for (other, connection) in others.iter().zip(4..) {
        assert!(put(&mut idle, other, connection).is_empty());
    }
    assert_eq!(put(&mut idle, &others[0], 7), [2], "of all");
    assert_eq!(idle.shrink_to(1), [4, 5, 6]);
    assert_eq!(take(&mut idle, &others[0]), Some(7));
    assert_nothing_is_kept(&idle);
}

#[tokio::test(start_paused = true)]
async fn one_whose_time_is_over_is_not_taken_any_more() {
    let mut idle = Idle::new(BOUNDS);
    let mine = to("t", "p", "http://a.example");
    let began = Instant::now();
    put(&mut idle, &mine, 1);
    tokio::time::advance(SECOND / 2).await;
    put(&mut idle, &mine, 2);
    assert!(idle.expired(Instant::now()).is_empty());
    assert_eq!(idle.next_end(), Some(began + SECOND));
    tokio::time::advance(SECOND / 2).await;
    assert_eq!(idle.take(&mine, Instant::now(), |connection| *connection == 1), None);
    assert_eq!(idle.expired(Instant::now()), [1]);
    assert_eq!(take(&mut idle, &mine), Some(2));
    assert_nothing_is_kept(&idle);
}
