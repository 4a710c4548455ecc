//! A journal that is taken over while its writer writes: everything that was on record before is found, and nothing is stored behind the
//! fence.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;

use lastword_cluster_tests::{look_for, start_op};
use lastword_jetstream::{ClusterError, Ended, JetStreamJournal};
use lastword_journal::Journal;

use crate::messages;
use crate::support::{SOME, begun, load, node, taken_over, three_servers};
use crate::writer::Writer;

/// Take-overs of a writer that is suspended. `LASTWORD_TAKE_OVERS` asks for more.
const TAKE_OVERS: usize = 20;
/// A writer is suspended after at most so many starts are on record.
const WITHIN: usize = 400;
/// Nodes that take over at once.
const TAKERS: usize = 8;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it needs three NATS servers: cargo xtask test --cluster"]
async fn a_writer_that_was_suspended_and_taken_over_stops_and_nothing_of_it_is_behind_the_fence() {
    let times = std::env::var("LASTWORD_TAKE_OVERS").map_or(TAKE_OVERS, |times| times.parse().unwrap());
    let servers = three_servers();
    let journal = JetStreamJournal::random_name();
    let mut writer = Writer::begin(&servers, journal);
    writer.wait_until_ready();
    let mut recorded = std::collections::BTreeSet::new();
    for time in 1..=times {
        writer.wait_for(fastrand::usize(1..WITHIN));
        writer.suspend();
        let mut next = Writer::take_over(&servers, journal);
        next.wait_until_ready();
        writer.resume();
        let said = writer.last_words();
        let why = said.ended.unwrap();
        assert!(why.contains("has taken the journal"), "{why}");
        recorded.extend(said.recorded);
        let found = next.said().found;
        let lost: Vec<_> = recorded.difference(&found).collect();
        assert!(lost.is_empty(), "{} of {} are lost: {lost:?}", lost.len(), recorded.len());
        writer = next;
        // Of many take-overs the first ones' messages are purged in the end.
        if time.is_multiple_of(TAKE_OVERS) {
            messages::of(&servers, journal).await.have_nothing_behind_a_fence();
        }
    }
    drop(writer);
    let messages = messages::of(&servers, journal).await;
    messages.have_nothing_behind_a_fence();
    let is_purged = messages.0[0].0 > 1;
    assert!(is_purged || messages.fences() > times, "{} fences", messages.fences());
}

/// Each of them takes over from whoever has the journal at that moment. So several may have it in turn, and in the end one has.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it needs three NATS servers: cargo xtask test --cluster"]
async fn of_eight_that_take_over_at_once_one_can_write_in_the_end() {
    let servers = three_servers();
    let first = begun(&node(&servers, "n"));
    let name = first.name();
    let load = load(&first);
    load.wait_for_more(SOME);
    let together = Barrier::new(TAKERS);
    let takers = thread::scope(|scope| {
        let take = |number: usize| {
            let (servers, together) = (&servers, &together);
            scope.spawn(move || {
                let node = node(servers, &format!("taker-{number}"));
                together.wait();
                JetStreamJournal::take_over(&node, name)
            })
        };
        let takers: Vec<_> = (0..TAKERS).map(take).collect();
        takers.into_iter().map(|taker| taker.join().unwrap()).collect::<Vec<_>>()
    });
    let loaded = load.wait().await;
    assert!(matches!(&*first.ended().borrow(), Some(Ended::TakenOver { .. })));
    let mut writes = Vec::new();
    for taker in takers {
        match taker {
            Ok(taker) => {
                loaded.is_in(&taker.recover().unwrap());
                if taker.append(start_op(&format!("by-{}", taker.status().epoch))).await.is_ok() {
                    writes.push(taker);
                }
            }
            Err(ClusterError::TakenByAnother(journal)) => assert_eq!(journal, name),
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(writes.len(), 1, "whoever was last");
    messages::of(&servers, name).await.have_nothing_behind_a_fence();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it needs three NATS servers: cargo xtask test --cluster"]
async fn who_is_taken_over_is_told_by_whom_and_answers_everything_with_that() {
    let servers = three_servers();
    let first = begun(&node(&servers, "the first"));
    let load = load(&first);
    load.wait_for_more(SOME);
    let (second, recovered) = taken_over(&node(&servers, "the second"), first.name());
    let loaded = load.wait().await;
    loaded.is_in(&recovered);
    let ended = look_for("an end", || first.ended().borrow().clone());
    let Ended::TakenOver { by, sequence, .. } = &ended else { panic!("{ended}") };
    assert_eq!((by.as_deref(), *sequence), (Some("the second"), second.status().epoch));
    let error = first.append(start_op("late")).await.unwrap_err();
    assert!(error.to_string().contains("the second"), "{error}");
    assert!(first.flush().await.is_err() && first.release().await.is_err());
    second.append(start_op("late")).await.unwrap();
    second.release().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it needs three NATS servers: cargo xtask test --cluster"]
async fn a_take_over_that_is_not_wanted_any_more_when_the_fence_is_due_leaves_the_writer_alone() {
    let servers = three_servers();
    let first = begun(&node(&servers, "the first"));
    let asked = Arc::<AtomicUsize>::default();
    let counts = asked.clone();
    let is_wanted = move || {
        counts.fetch_add(1, Ordering::Relaxed);
        false
    };
    let refused = JetStreamJournal::take_over_if(&node(&servers, "the second"), first.name(), is_wanted);
    let Err(ClusterError::NotWanted(journal)) = refused else { panic!("{refused:?}") };
    assert_eq!((journal, asked.load(Ordering::Relaxed)), (first.name(), 1));
    first.append(start_op("still-here")).await.unwrap();
    first.release().await.unwrap();
    assert_eq!(messages::of(&servers, journal).await.fences(), 1, "its own");
}
