//! Idle connections leave room for new ones, and do not stay.

use std::{
    pin::pin,
    task::{Context, Waker},
    time::Duration,
};

use tokio::{runtime::Handle, time::advance};

use super::*;
use crate::{
    account::Account,
    turns::{Bounds, Part},
};

const MANY: IdleBounds = IdleBounds { of_account: 100, in_all: 100 };

/// A connection that reports its closing.
struct Connection {
    number: u32,
    closed: Arc<Mutex<Vec<u32>>>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.closed.lock().unwrap().push(self.number);
    }
}

struct Harness {
    turns: Arc<Turns>,
    kept: Arc<Kept<Connection>>,
    closed: Arc<Mutex<Vec<u32>>>,
}

impl Harness {
    /// Makes a harness with so many turns.
    fn new(turns: usize) -> Self {
        let held = Part { of_plugin: turns, of_tenant: turns, in_all: turns };
        let turns = Arc::new(Turns::new(Bounds { held, abandoned: None }));
        Self { kept: Arc::new(Kept::new(Arc::clone(&turns), MANY)), turns, closed: Arc::default() }
    }

    async fn turn(&self) -> Turn {
        self.turns.take(&Account::new("t", "p")).await
    }

    /// Makes an exchange, and keeps its connection.
    async fn put(&self, number: u32) {
        let turn = self.turn().await;
        self.kept.put(kept_for(), Connection { number, closed: Arc::clone(&self.closed) }, turn);
    }

    fn closed(&self) -> Vec<u32> {
        self.closed.lock().unwrap().clone()
    }
}

fn kept_for() -> Arc<KeptFor> {
    Arc::new(KeptFor {
        account: Account::new("t", "p"),
        destination: "http://a.example".parse().unwrap(),
        max_response_header_bytes: 1000,
        runtime: Handle::current().id(),
    })
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_holds_no_turn_and_goes_when_its_file_is_needed() {
    let harness = Harness::new(3);
    for number in [1, 2, 3] {
        harness.put(number).await;
    }
    assert_eq!((harness.turns.free(), harness.closed()), (3, vec![]));
    let first = harness.turn().await;
    harness.kept.make_room();
    assert_eq!(harness.closed(), [1]);
    let second = harness.turn().await;
    // Used instead of a new connection.
    let used = harness.kept.take(&kept_for(), |_| true).unwrap();
    harness.kept.make_room();
    assert_eq!((used.number, harness.closed()), (3, vec![1]));
    harness.kept.put(kept_for(), used, second);
    assert_eq!(harness.closed(), [1]);
    drop(first);
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_turn_has_it_and_the_file_of_the_one_that_became_idle() {
    let harness = Harness::new(1);
    let turn = harness.turn().await;
    let account = Account::new("u", "q");
    let mut next = pin!(harness.turns.take(&account));
    assert!(next.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    let connection = Connection { number: 1, closed: Arc::clone(&harness.closed) };
    harness.kept.put(kept_for(), connection, turn);
    assert_eq!(harness.closed(), [1], "there is one file, and somebody else has it now");
    drop(next.await);
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_closed_when_it_was_idle_for_too_long_and_then_nothing_is_left_to_do() {
    let harness = Harness::new(3);
    harness.put(1).await;
    advance(IDLE_CONNECTION_STAYS / 2).await;
    harness.put(2).await;
    for closed in [&[1][..], &[1, 2]] {
        let began = Instant::now();
        while harness.closed() != closed {
            assert!(began.elapsed() <= IDLE_CONNECTION_STAYS);
            advance(Duration::from_millis(100)).await;
        }
    }
    while harness.kept.lock().sweeper.is_some() {
        tokio::task::yield_now().await;
    }
    // The next connection has a new sweeper.
    harness.put(3).await;
    let began = Instant::now();
    while harness.closed() != [1, 2, 3] {
        assert!(began.elapsed() <= 2 * IDLE_CONNECTION_STAYS);
        advance(Duration::from_millis(100)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn all_are_closed_at_once() {
    let harness = Harness::new(3);
    for number in [1, 2] {
        harness.put(number).await;
    }
    harness.kept.close();
    assert_eq!(harness.closed(), [1, 2]);
    assert!(harness.kept.take(&kept_for(), |_| true).is_none());
    harness.put(3).await;
    let Harness { kept, closed, .. } = harness;
    drop(kept);
    assert_eq!(*closed.lock().unwrap(), [1, 2, 3]);
}
