//! A stream that is nearly full.

use std::sync::Arc;

use lastword_cluster_tests::look_for;
use lastword_events::{EndReason, Event, Session, SessionEnd, SessionStart, Timestamp};
use lastword_jetstream::{Cluster, ClusterSettings, MIN_MAX_BYTES};
use lastword_journal::{Appended, Journal, JournalError, JournalOp};

use crate::support::{begun, settings_of, taken_over, three_servers};

/// Of each session, in bytes: 200 of them are more than a stream takes.
const WEIGHT: usize = 100_000;
/// More sessions than a stream takes, even one that was given more room.
const TOO_MANY: usize = 2_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it needs three NATS servers: cargo xtask test --cluster"]
async fn a_stream_that_is_nearly_full_refuses_starts_and_takes_ends_and_then_has_room_again() {
    let servers = three_servers();
    let settings = ClusterSettings { max_bytes: MIN_MAX_BYTES, ..settings_of(&servers) };
    let node = Cluster::new(settings, "n").unwrap();
    let journal = begun(&node);
    let mut active: Vec<(u64, Arc<Session>)> = Vec::new();
    let refused = loop {
        assert!(active.len() < TOO_MANY, "nothing was refused");
        match journal.append(heavy_start(active.len())).await {
            Ok(Appended::Session { sequence, session }) => active.push((sequence, session)),
            Ok(other) => panic!("{other:?}"),
            Err(error) => break error,
        }
    };
    assert!(matches!(&refused, JournalError::Full(_)), "{refused}");
    assert!(refused.to_string().contains("max_bytes"), "{refused}");
    // What was active is the state: only ends make room.
    let kept = active.split_off(active.len() / 2);
    for (sequence, session) in active {
        journal.append(light_end(sequence, &session)).await.unwrap();
    }
    let more = look_for("room for a start", || {
        // The stream is looked at again after a while, and a snapshot purges what has ended.
        let start = journal.append(heavy_start(TOO_MANY));
        tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(start)).ok()
    });
    assert!(matches!(more, Appended::Session { .. }));
    journal.release().await.unwrap();
    let (next, recovered) = taken_over(&node, journal.name());
    let found: Vec<u64> = recovered.sessions.iter().map(|one| one.sequence).collect();
    assert!(kept.iter().all(|(sequence, _)| found.contains(sequence)), "all that were not ended");
    assert_eq!(found.len(), kept.len() + 1, "and no other");
    next.release().await.unwrap();
}

fn heavy_start(number: usize) -> JournalOp {
    let mut session = Session::new("acme", &format!("s{number}"));
    session.cwd = Some("x".repeat(WEIGHT));
    let event = Arc::new(Event::Start(SessionStart::default()));
    JournalOp::Start { session: Arc::new(session), event, owed: vec![], op_id: None }
}

/// Nobody is owed the end, so nothing of the session stays but its name.
fn light_end(sequence: u64, session: &Session) -> JournalOp {
    let session = Arc::new(Session { cwd: None, ..session.clone() });
    let event = Arc::new(Event::End(SessionEnd::new(EndReason::Reset, Timestamp::from_millisecond(0))));
    JournalOp::End { sequence, session, event, owed: vec![], received: None, op_id: None }
}
