//! Journals are read while their nodes live and write. Nothing is written for that, and whatever is wrong with a stream is named.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use lastword_cluster_tests::{NatsCluster, PATIENCE, start_op};
use lastword_events::{EndReason, Event, JournalName, Session, SessionEnd, SessionStart, Timestamp};
use lastword_jetstream::{
    Cluster, ClusterError, ClusterSettings, JetStreamJournal, JournalReader, MIN_MAX_BYTES, ReadJournal,
};
use lastword_journal::{Appended, Journal, JournalOp};
use tokio::time::timeout;

use crate::access::says;
use crate::messages;
use crate::support::{SOME, begun, client, everything_is_there, load, node, settings_of, stream_of, three_servers};

/// Of each session, in bytes: a hundred of them are more than half of what a small stream takes.
const WEIGHT: usize = 100_000;
/// Starts of a journal of which something is wrong.
const STARTS: u64 = 5;

async fn reader(servers: &NatsCluster) -> JournalReader {
    JournalReader::open(&node(servers, "the reader")).await.unwrap()
}

async fn read(reader: &JournalReader, journal: JournalName) -> ReadJournal {
    reader.read(journal, |_| ()).await.unwrap()
}

fn ids(read: &ReadJournal) -> BTreeSet<String> {
    read.replayed.state.tables().sessions().map(|row| row.session.identity.id.to_string()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it needs three NATS servers: cargo xtask test --cluster"]
async fn journals_of_nodes_that_are_dead_and_that_write_are_read_and_nobody_is_fenced_and_nothing_is_made() {
    let servers = three_servers();
    let dead = begun(&node(&servers, "the dead one"));
    let of_dead = dead.name();
    dead.append(start_op("s")).await.unwrap();
    drop(dead);
    let alive = begun(&node(&servers, "the living one"));
    let load = load(&alive);
    load.wait_for_more(SOME);

    let reader = reader(&servers).await;
    for _ in 0..3 {
        let recorded = load.recorded();
        let mut told = Vec::new();
        let found = reader.read(alive.name(), |at| told.push(at)).await.unwrap();
        assert!(ids(&found).len() >= recorded, "{} of {recorded} are found", ids(&found).len());
        assert_eq!((&*found.replayed.read.by, &found.unfit), ("the living one", &None));
        let last = told.last().unwrap();
        assert_eq!((last.sequence, last.sequence), (last.last, found.replayed.position.last_sequence));
        load.wait_for_more(SOME);
    }
    let found = read(&reader, of_dead).await;
    assert_eq!((ids(&found), &*found.replayed.read.by), (BTreeSet::from(["s".to_owned()]), "the dead one"));
    assert_eq!(*alive.ended().borrow(), None, "it goes on");
    let error = reader.entries::<String>().await.unwrap_err().to_string();
    says(&error, &["LW_NODES", "no node has run"]);
    assert!(client(&servers.urls()).await.get_key_value("LW_NODES").await.is_err(), "no registry is made");
    assert_eq!(messages::of(&servers, of_dead).await.fences(), 1, "the one of its own node");
    assert_eq!(messages::of(&servers, alive.name()).await.fences(), 1);
    everything_is_there(&servers, alive, load).await;
    let never = JetStreamJournal::random_name();
    assert!(matches!(reader.read(never, |_| ()).await, Err(ClusterError::Missing(name)) if name == never));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it needs three NATS servers: cargo xtask test --cluster"]
async fn a_journal_whose_node_makes_snapshots_and_purges_meanwhile_is_read_whole() {
    let servers = three_servers();
    let settings = ClusterSettings { max_bytes: MIN_MAX_BYTES, ..settings_of(&servers) };
    let journal = begun(&Cluster::new(settings, "n").unwrap());
    journal.append(start_op("stays")).await.unwrap();
    let (writer, name) = (journal.clone(), journal.name());
    let writes = tokio::spawn(async move {
        while writer.ended().borrow().is_none() {
            write(&writer).await;
        }
    });
    let reader = reader(&servers).await;
    let purged = async {
        let mut firsts = BTreeSet::new();
        while firsts.len() < 4 {
            let found = read(&reader, name).await;
            // The one that is written just now may be active too.
            assert!(ids(&found).contains("stays") && ids(&found).len() <= 2, "{:?}", ids(&found));
            firsts.insert(found.replayed.read.first_sequence);
        }
    };
    timeout(2 * PATIENCE, purged).await.unwrap();
    writes.abort();
    assert_eq!(*journal.ended().borrow(), None);
    journal.release().await.unwrap();
}

/// A session that is started and ended.
async fn write(journal: &JetStreamJournal) {
    let mut session = Session::new("acme", "heavy");
    session.cwd = Some("x".repeat(WEIGHT));
    let event = Arc::new(Event::Start(SessionStart::default()));
    let start = JournalOp::Start { session: Arc::new(session), event, owed: vec![], op_id: None };
    // None while the stream is nearly full: a snapshot makes room.
    let Ok(Appended::Session { sequence, session }) = journal.append(start).await else {
        return tokio::task::yield_now().await;
    };
    let session = Arc::new(Session { cwd: None, ..Session::clone(&session) });
    let event = Arc::new(Event::End(SessionEnd::new(EndReason::Reset, Timestamp::from_millisecond(0))));
    let end = JournalOp::End { sequence, session, event, owed: vec![], received: None, op_id: None };
    journal.append(end).await.unwrap();
}

/// A journal whose node is gone: a fence, and a group for each start.
async fn left(servers: &NatsCluster) -> JournalName {
    let journal = begun(&node(servers, "n"));
    for n in 0..STARTS {
        journal.append(start_op(&format!("s{n}"))).await.unwrap();
    }
    journal.release().await.unwrap();
    journal.name()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it needs three NATS servers: cargo xtask test --cluster"]
async fn a_message_that_is_missing_or_that_no_node_has_written_is_named_with_its_sequence() {
    let servers = three_servers();
    let client = client(&servers.urls()).await;
    let reader = reader(&servers).await;
    let damaged = async |journal: JournalName, words: &[&str]| {
        let read = timeout(Duration::from_secs(15), reader.read(journal, |_| ())).await.unwrap();
        let Err(error @ ClusterError::Damaged { .. }) = read else { panic!("{read:?}") };
        says(&error.to_string(), &[&stream_of(journal)]);
        says(&error.to_string(), words);
    };

    let hole = left(&servers).await;
    servers.purge_groups(hole.as_str(), 4);
    damaged(hole, &["at sequence 2:", "the message behind 1 has the sequence 4"]).await;

    let end = left(&servers).await;
    let last = servers.stream(&stream_of(end)).last_sequence;
    servers.purge_groups(end.as_str(), last + 1);
    damaged(end, &["at sequence 2:", &format!("has messages up to {last}")]).await;

    let all = left(&servers).await;
    client.get_stream(stream_of(all)).await.unwrap().purge().await.unwrap();
    damaged(all, &[&format!("at sequence {last}:"), "everything before it"]).await;

    let foreign = left(&servers).await;
    client.publish(format!("LW.j.{foreign}.g"), "whatever".into()).await.unwrap().await.unwrap();
    damaged(foreign, &[&format!("at sequence {}:", last + 1), "too short"]).await;

    let mut config = client.get_stream(stream_of(left(&servers).await)).await.unwrap().cached_info().config.clone();
    config.num_replicas = 1;
    client.update_stream(&config).await.unwrap();
    let name = config.name.strip_prefix("LW_J_").unwrap().parse().unwrap();
    let found = read(&reader, name).await;
    assert_eq!(u64::try_from(ids(&found).len()).unwrap(), STARTS, "it can be read");
    says(&found.unfit.unwrap(), &["num_replicas: 3"]);
}
