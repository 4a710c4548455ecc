//! Who is written first: what waits for the disk is asked for while another program has the file.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails loudly, its helper functions too")]

use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use lastword_events::{Change, Event, EventKey, PluginName, Session, SessionStart};
use lastword_journal::{
    Appended, Completion, DeliveryKey, Journal, JournalOp, KeyValueChanges, Pending, Settlement, Space,
};
use lastword_sqlite::SqliteJournal;
use rusqlite::Connection;

/// Outcomes that are asked for, of 24 KiB each: ten of the first groups, which have 1 MiB.
const OUTCOMES: u64 = 400;
/// What the first group has of them at most.
const ONE_GROUP: usize = 45;

/// In which order answers came.
#[derive(Default)]
struct Order(Mutex<Vec<String>>);

struct Named {
    name: String,
    order: Arc<Order>,
}

impl Wake for Named {
    fn wake(self: Arc<Self>) {
        self.order.0.lock().unwrap().push(self.name.clone());
    }
}

impl Order {
    /// Has the answer note its name when it comes.
    fn note<T: Unpin>(self: &Arc<Self>, name: &str, mut pending: Pending<T>) -> Pending<T> {
        let waker = Waker::from(Arc::new(Named { name: name.to_owned(), order: self.clone() }));
        let polled = Pin::new(&mut pending).poll(&mut Context::from_waker(&waker));
        assert!(matches!(polled, Poll::Pending), "{name} did not wait");
        pending
    }

    /// How many came before this one.
    fn before(&self, name: &str) -> usize {
        let order = self.0.lock().unwrap();
        order.iter().position(|one| one == name).unwrap()
    }
}

fn open(path: &Path) -> SqliteJournal {
    let journal = SqliteJournal::open(path).unwrap();
    journal.recover().unwrap();
    journal
}

fn start(journal: &SqliteJournal, id: &str) -> Pending<Appended> {
    let (session, event) = (Arc::new(Session::new("t", id)), Arc::new(Event::Start(SessionStart::default())));
    journal.append(JournalOp::Start { session, event, owed: vec![], op_id: None })
}

/// An outcome of a call that has stored so many keys.
fn stored(journal: &SqliteJournal, tenant: &str, n: u64, keys: usize) -> Pending<()> {
    let plugin = PluginName::new("p").unwrap();
    let space = Space { tenant: tenant.into(), plugin: plugin.clone() };
    let change = |key| (format!("{key:04}"), Change::Set(n.to_string().into_bytes()));
    let changes = (0..keys).map(change).collect();
    let changes = Some(Box::new(KeyValueChanges { space, plugin_quota: None, tenant_quota: None, changes }));
    let delivery = DeliveryKey { sequence: n, event: EventKey::End, plugin };
    let completion = Completion { delivery, attempt: 1, settlement: Settlement::Delivered, changes };
    journal.complete(&tenant.into(), vec![completion]).pending
}

#[tokio::test]
async fn a_line_waits_for_one_group_and_a_quiet_tenant_for_its_turn_whatever_others_have_to_write() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal.db");
    let journal = open(&path);
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let order = Arc::new(Order::default());
    let first = order.note("first", start(&journal, "first"));
    let mut outcomes = Vec::new();
    for n in 0..OUTCOMES {
        let tenant = format!("t{}", n % 20);
        outcomes.push(order.note("outcome", stored(&journal, &tenant, n, 40)));
    }
    let flush = order.note("flush", journal.flush());
    outcomes.push(order.note("quiet", stored(&journal, "quiet", OUTCOMES, 1)));
    let line = order.note("line", start(&journal, "line"));
    other.execute_batch("COMMIT").unwrap();
    // Whoever polls an answer again is told of it in another's place: so not before all are there.
    journal.flush().await.unwrap();
    first.await.unwrap();
    line.await.unwrap();
    flush.await.unwrap();
    for outcome in outcomes {
        outcome.await.unwrap();
    }
    assert!(order.before("line") <= ONE_GROUP, "{} were before it", order.before("line"));
    // A second group has some more, as it is known by then how fast the disk is.
    assert!(order.before("quiet") <= 5 * ONE_GROUP, "{} were before it", order.before("quiet"));
    assert!(order.before("flush") >= 400, "all that was asked before it is durable");
    // Each tenant's values are those of its last outcome.
    for tenant in 0..20u64 {
        let space = Space { tenant: format!("t{tenant}").into(), plugin: PluginName::new("p").unwrap() };
        let last = (380 + tenant).to_string().into_bytes();
        assert_eq!(journal.key_value(&space, "0039").unwrap(), Some(last));
    }
    drop(journal);
    let journal = open(&path);
    let space = Space { tenant: "t7".into(), plugin: PluginName::new("p").unwrap() };
    assert_eq!(journal.key_value(&space, "0000").unwrap(), Some(b"387".to_vec()), "as it is in the file");
}
