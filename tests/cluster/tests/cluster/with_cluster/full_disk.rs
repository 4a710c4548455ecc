//! Servers whose disks are full: they are there, and can store nothing more. What was acknowledged is there when they have room again.

use std::sync::Arc;

use lastword_cluster_tests::{look_for, start_op};
use lastword_events::{EndReason, Event, Identity, Session, SessionEnd, Timestamp};
use lastword_jetstream::SILENT_AFTER;
use lastword_journal::{Journal, JournalError, JournalOp, Receipt};

use crate::support::{SOME, begun, everything_is_there, load, node, stream_of, three_servers};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it needs three NATS servers: cargo xtask test --cluster"]
async fn a_leader_whose_disk_is_full_is_replaced_and_has_everything_once_it_has_room() {
    let servers = three_servers();
    let journal = begun(&node(&servers, "n"));
    let stream = stream_of(journal.name());
    let load = load(&journal);
    load.wait_for_more(SOME);
    let leader = servers.leader_of(&stream);
    servers.fill_disk(leader);
    load.wait_for_more(SOME);
    servers.kill(leader);
    assert_ne!(servers.leader_of(&stream), leader);
    servers.restart(leader);
    servers.wait_until_whole();
    load.wait_for_more(SOME);
    everything_is_there(&servers, journal, load).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it needs three NATS servers: cargo xtask test --cluster"]
async fn one_full_disk_holds_nothing_up_and_with_two_starts_are_refused_and_ends_wait_until_there_is_room() {
    let servers = three_servers();
    let journal = begun(&node(&servers, "n"));
    let load = load(&journal);
    load.wait_for_more(SOME);
    let [one, another] = servers.followers_of(&stream_of(journal.name()));
    servers.fill_disk(one);
    load.wait_for_more(SOME);
    servers.fill_disk(another);
    look_for("servers that are silent", || journal.status().silent_for.filter(|silent| *silent >= SILENT_AFTER));
    let refused = journal.append(start_op("refused")).await.unwrap_err();
    assert!(matches!(&refused, JournalError::Unavailable(_)), "{refused}");
    assert!(refused.to_string().contains("acknowledged nothing for"), "{refused}");
    look_for("a copy that is not current", || journal.status().replicas.into_iter().find(|copy| !copy.current));
    let end = tokio::spawn(journal.append(end_of("ended-meanwhile")));
    assert!(journal.flush().await.is_err(), "whoever asks is told that nothing can be written");
    assert!(!end.is_finished(), "two of three servers store nothing");
    servers.kill_all(&[one, another]);
    servers.restart(one);
    servers.restart(another);
    end.await.unwrap().unwrap();
    load.wait_for_more(SOME);
    let recovered = everything_is_there(&servers, journal, load).await;
    assert!(
        recovered.sessions.iter().all(|one| &*one.session.identity.id != "refused"),
        "what was refused is not there"
    );
}

/// The end of a session that nobody has heard of.
fn end_of(id: &str) -> JournalOp {
    JournalOp::EndWithoutStart {
        session: Arc::new(Session::of(Identity::new("acme", id))),
        event: Arc::new(Event::End(SessionEnd::new(EndReason::Reset, Timestamp::from_millisecond(0)))),
        owed: vec![],
        received: Receipt { at: Timestamp::now(), said: 0 },
        op_id: Some("once".into()),
    }
}
