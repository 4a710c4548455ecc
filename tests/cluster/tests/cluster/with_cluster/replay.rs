//! What a run reads from the stream is the state that the run before it had, with snapshots and without.

use lastword_jetstream::subjects::Kind;
use std::sync::Arc;

use lastword_jetstream::{Cluster, ClusterSettings, JetStreamJournal, MIN_MAX_BYTES};
use lastword_journal::{Journal, MemoryJournal};

use crate::messages;
use crate::side_by_side::{Writes, are_alike};
use crate::support::{begun, settings_of, taken_over, three_servers};

/// Runs on one journal.
const RUNS: usize = 3;
/// Writes of each run.
const WRITES: usize = 600;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it needs three NATS servers: cargo xtask test --cluster"]
async fn what_is_read_from_the_stream_is_the_state_that_was_written() {
    let servers = three_servers();
    let journal = run_after_run(&Cluster::new(settings_of(&servers), "n").unwrap(), 20).await;
    let messages = messages::of(&servers, journal.name()).await;
    messages.have_nothing_behind_a_fence();
    assert_eq!(messages.fences(), RUNS + 1, "and no snapshot");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it needs three NATS servers: cargo xtask test --cluster"]
async fn what_is_read_from_a_snapshot_and_what_came_after_it_is_the_same() {
    let servers = three_servers();
    // So small that it is more than half full soon: the writes of all runs are more than 16 MiB, and most of them are of what has ended.
    let settings = ClusterSettings { max_bytes: MIN_MAX_BYTES, ..settings_of(&servers) };
    let journal = run_after_run(&Cluster::new(settings, "n").unwrap(), 30_000).await;
    let messages = messages::of(&servers, journal.name()).await;
    messages.have_nothing_behind_a_fence();
    assert!(messages.0.iter().any(|(_, group)| group.kind == Kind::Chunk), "there is a snapshot");
    assert!(messages.0[0].0 > 1, "and what was before it is purged");
}

/// The journal after the last run.
async fn run_after_run(node: &Cluster, weight: usize) -> Arc<JetStreamJournal> {
    let seed = std::env::var("LASTWORD_SEED").map_or_else(|_| fastrand::u64(..), |seed| seed.parse().unwrap());
    // Shown when the test fails: the same number draws the same writes.
    eprintln!("LASTWORD_SEED={seed}");
    let mut journal = begun(node);
    let memory = MemoryJournal::new();
    memory.recover().unwrap();
    let mut writes = Writes::drawn(seed, weight);
    for run in 0..RUNS {
        writes.write(WRITES, &*journal, &memory).await;
        if run + 1 == RUNS {
            writes.drain(&*journal, &memory).await;
        }
        journal.release().await.unwrap();
        let (next, recovered) = taken_over(node, journal.name());
        are_alike((&*next, &recovered), (&memory, &memory.recover().unwrap()));
        journal = next;
    }
    journal.release().await.unwrap();
    journal
}
