//! The least that a node's user needs, as the page for operators has it: with that and no more, a node does all that nodes do.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use async_nats::ConnectOptions;
use bytes::Bytes;
use futures_util::StreamExt;
use lastword_cluster_tests::{NatsSettings, PATIENCE, look_for};
use lastword_events::{Event, Session, SessionStart};
use lastword_jetstream::{
    Cluster, ClusterSettings, Credentials, JetStreamJournal, JournalReader, MIN_MAX_BYTES, Registry, StreamEnd,
    SyncProof, Told, Update,
};
use lastword_journal::{Journal, JournalError, JournalOp};
use nkeys::KeyPair;
use tokio::time::{interval, timeout};

use crate::access::Secrets;
use crate::page;
use crate::support::{begun, stream_of, taken_over, three_servers_as};

/// What a server says of whatever somebody may not do.
const NOT_ALLOWED: &str = "Violation";
/// Of each session, in bytes: 90 of them are more than half of what a stream takes.
const WEIGHT: usize = 100_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it needs three NATS servers: cargo xtask test --cluster"]
async fn a_node_does_all_that_it_has_to_do_with_the_permissions_that_the_page_names() {
    let key = KeyPair::new_user();
    let access = Some(page::access(&key.public_key()));
    let servers = three_servers_as(&NatsSettings { access, ..NatsSettings::default() });
    let secrets = Secrets::new();
    let proof = SyncProof::Monitoring(servers.monitoring());
    let settings = ClusterSettings {
        credentials: Credentials::Nkey(secrets.file("node", &key.seed().unwrap())),
        max_bytes: MIN_MAX_BYTES,
        ..ClusterSettings::new(servers.urls(), proof)
    };
    let [first, second] = ["the first", "the second"].map(|name| Cluster::new(settings.clone(), name).unwrap());
    let [own, other] = [Registry::open(&first).await.unwrap(), Registry::open(&second).await.unwrap()];

    let journal = begun(&first);
    let name = journal.name().to_string();
    timeout(PATIENCE, nodes_hear_and_ask_each_other(&own, &other, &name)).await.unwrap();
    timeout(PATIENCE, entries_are_written_and_watched(&own, &other, &name)).await.unwrap();
    let recorded = timeout(PATIENCE, all_starts_that_a_stream_takes(&journal)).await.unwrap();
    let stream = stream_of(journal.name());
    look_for("a snapshot, and a purge of what it has", || {
        let view = servers.stream(&stream);
        (view.messages < view.last_sequence).then_some(())
    });
    let max_bytes = other.jetstream().get_stream(&stream).await.unwrap().cached_info().config.max_bytes;
    assert!(u64::try_from(max_bytes).unwrap() > MIN_MAX_BYTES, "the stream was given more room");
    let reader = JournalReader::open(&second).await.unwrap();
    assert_eq!(reader.entries::<String>().await.unwrap().len(), 1, "that it was deleted");
    let read = reader.read(journal.name(), |_| ()).await.unwrap();
    assert_eq!(read.replayed.state.tables().sessions().count(), recorded);
    let (next, recovered) = taken_over(&second, journal.name());
    assert_eq!(recovered.sessions.len(), recorded);
    next.release().await.unwrap();
    other.delete_stream(next.name()).await.unwrap();
    assert_eq!(own.stream_end(next.name()).await, StreamEnd::Gone);

    assert!(!servers.have_said(NOT_ALLOWED), "a node has tried what the page does not allow");
    // And they would have said so.
    let client = ConnectOptions::with_nkey(key.seed().unwrap()).connect(servers.urls()).await.unwrap();
    client.publish("elsewhere", Bytes::new()).await.unwrap();
    look_for("a server that refuses it", || servers.have_said(NOT_ALLOWED).then_some(()));
}

/// Again and again, because a server hears from the others some time later what somebody has subscribed to there.
async fn nodes_hear_and_ask_each_other(own: &Registry, other: &Registry, name: &str) {
    let mut again = interval(Duration::from_millis(20));
    let mut beats = pin!(other.beats().await.unwrap());
    let heard = loop {
        tokio::select! {
            beat = beats.next() => break beat,
            _ = again.tick() => own.beat(name).await,
        }
    };
    assert_eq!(heard.as_deref(), Some(name));
    let mut requests = pin!(own.serve(name).await.unwrap());
    let mut answer = async || {
        let asked = requests.next().await.unwrap();
        assert_eq!(asked.what, "release");
        asked.answer("yes".into()).await;
    };
    let mut ask = async || loop {
        again.tick().await;
        if let Ok(answer) = other.ask(name, "release", Bytes::new()).await {
            return answer;
        }
    };
    let (answered, ()) = tokio::join!(ask(), answer());
    assert_eq!(answered, "yes");
}

async fn entries_are_written_and_watched(own: &Registry, other: &Registry, name: &str) {
    let mut told = pin!(other.watch::<String>().await.unwrap());
    assert_eq!(told.next().await.unwrap().unwrap(), Told::Listed);
    let mut written = async |entry: &str, before| {
        let Update::Done { revision } = own.update(name, &entry, before).await else { panic!("{entry}: not written") };
        let Told::Entry(told) = told.next().await.unwrap().unwrap() else { panic!("{entry}: not told") };
        assert_eq!((told.entry.as_deref(), told.revision), (Some(entry), revision));
        revision
    };
    let revision = written("active", 0).await;
    // A watch goes on behind a lost connection, with another consumer.
    other.jetstream().client().force_reconnect().await.unwrap();
    let revision = written("leaving", revision).await;
    own.sweep().await.unwrap();
    assert!(matches!(own.forget(name, revision).await, Update::Done { .. }));
    assert_eq!(other.entries::<String>().await.unwrap().iter().filter_map(|one| one.entry.as_ref()).count(), 0);
}

/// Gives how many. A snapshot begins when the stream is half full, and finds no room for all of it: so the stream is given more.
async fn all_starts_that_a_stream_takes(journal: &JetStreamJournal) -> usize {
    let mut recorded = 0;
    let refused = loop {
        match journal.append(heavy_start(recorded)).await {
            Ok(_) => recorded += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(&refused, JournalError::Full(_)), "{refused}");
    recorded
}

fn heavy_start(number: usize) -> JournalOp {
    let mut session = Session::new("acme", &format!("s{number}"));
    session.cwd = Some("x".repeat(WEIGHT));
    let event = Arc::new(Event::Start(SessionStart::default()));
    JournalOp::Start { session: Arc::new(session), event, owed: vec![], op_id: None }
}
