//! Servers that are killed and suspended while owners start sessions. What was on record is there, with its number and once.

use std::sync::Arc;

use lastword_cluster_tests::{Fate, NatsProxy, look_for, start_op};
use lastword_events::{EndReason, Event, Identity, Session, SessionEnd, Timestamp};
use lastword_jetstream::{Cluster, ClusterSettings, SILENT_AFTER};
use lastword_journal::{Journal, JournalError, JournalOp, Receipt};

use crate::support::{SOME, begun, everything_is_there, load, node, settings_of, stream_of, taken_over, three_servers};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it needs three NATS servers: cargo xtask test --cluster"]
async fn a_stream_whose_leader_is_killed_loses_nothing_and_goes_on_with_another() {
    let servers = three_servers();
    let journal = begun(&node(&servers, "n"));
    let stream = stream_of(journal.name());
    let load = load(&journal);
    load.wait_for_more(SOME);
    let leader = servers.leader_of(&stream);
    servers.kill(leader);
    assert_ne!(servers.leader_of(&stream), leader);
    load.wait_for_more(SOME);
    servers.restart(leader);
    servers.wait_until_whole();
    load.wait_for_more(SOME);
    everything_is_there(&servers, journal, load).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it needs three NATS servers: cargo xtask test --cluster"]
async fn without_a_quorum_starts_are_refused_and_ends_wait_until_it_is_back() {
    let servers = three_servers();
    let journal = begun(&node(&servers, "n"));
    let load = load(&journal);
    load.wait_for_more(SOME);
    let followers = servers.followers_of(&stream_of(journal.name()));
    servers.kill_all(&followers);
    look_for("servers that are silent", || journal.status().silent_for.filter(|silent| *silent >= SILENT_AFTER));
    let refused = journal.append(start_op("refused")).await.unwrap_err();
    assert!(matches!(&refused, JournalError::Unavailable(_)), "{refused}");
    assert!(refused.to_string().contains("another node"), "{refused}");
    // Nobody else could take it, so it is taken and waits.
    let identity = Identity::new("acme", "ended-meanwhile");
    let end = JournalOp::EndWithoutStart {
        session: Arc::new(Session::of(identity.clone())),
        event: Arc::new(Event::End(SessionEnd::new(EndReason::Reset, Timestamp::from_millisecond(0)))),
        owed: vec![],
        received: Receipt { at: Timestamp::now(), said: 0 },
        op_id: Some("once".into()),
    };
    let end = tokio::spawn(journal.append(end));
    assert!(journal.flush().await.is_err(), "whoever asks is told that nothing can be written");
    assert!(!end.is_finished(), "two of three servers are dead");
    let recorded = load.recorded();
    for server in followers {
        servers.restart(server);
    }
    end.await.unwrap().unwrap();
    load.wait_for_more(SOME);
    assert!(load.recorded() > recorded);
    let recovered = everything_is_there(&servers, journal, load).await;
    assert!(
        recovered.sessions.iter().all(|one| &*one.session.identity.id != "refused"),
        "what was refused is not there"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it needs three NATS servers: cargo xtask test --cluster"]
async fn three_servers_that_are_killed_at_once_and_started_again_have_everything() {
    let servers = three_servers();
    let journal = begun(&node(&servers, "n"));
    let load = load(&journal);
    load.wait_for_more(SOME);
    servers.kill_all(&[0, 1, 2]);
    for server in 0..3 {
        servers.restart(server);
    }
    load.wait_for_more(SOME);
    everything_is_there(&servers, journal, load).await;
}

/// As with a disk that hangs: connections are there, and nothing is answered. The writer is connected to just that server.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it needs three NATS servers: cargo xtask test --cluster"]
async fn a_leader_that_hangs_is_replaced_and_its_client_goes_to_another_server() {
    let servers = three_servers();
    let journal = begun(&node(&servers, "n"));
    let (name, stream) = (journal.name(), stream_of(journal.name()));
    journal.release().await.unwrap();
    let leader = servers.leader_of(&stream);
    let mut addresses = servers.addresses();
    addresses.rotate_left(leader);
    // The first connection goes to the leader, and the next ones to the others.
    let proxy = NatsProxy::in_front_of(addresses, |_| Fate::Arrives);
    let through_proxy = ClusterSettings { servers: vec![proxy.url()], ..settings_of(&servers) };
    let (journal, _) = taken_over(&Cluster::new(through_proxy, "n").unwrap(), name);
    let load = load(&journal);
    load.wait_for_more(SOME);
    assert_eq!(servers.leader_of(&stream), leader);
    servers.suspend(leader);
    assert_ne!(servers.leader_of(&stream), leader);
    load.wait_for_more(SOME);
    servers.resume(leader);
    servers.wait_until_whole();
    load.wait_for_more(SOME);
    everything_is_there(&servers, journal, load).await;
}
