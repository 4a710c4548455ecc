//! The contract that every journal is checked against.

use std::sync::Arc;

use lastword_jetstream::JetStreamJournal;
use lastword_journal::Journal;
use lastword_journal::testing::journal_conformance;

use crate::messages;
use crate::support::{begun, node, three_servers};

/// Each run is a take-over from one that was dropped as in a crash.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it needs three NATS servers: cargo xtask test --cluster"]
async fn a_journal_on_a_stream_keeps_the_contract_of_journals() {
    let servers = three_servers();
    let node = node(&servers, "n");
    let journal = begun(&node);
    let name = journal.name();
    journal.release().await.unwrap();
    drop(journal);
    let open = || Arc::new(JetStreamJournal::take_over(&node, name).unwrap()) as Arc<dyn Journal>;
    let broken = journal_conformance(open).await.map_err(|broken| broken.to_string());
    assert_eq!(broken, Ok(()));
    let messages = messages::of(&servers, name).await;
    messages.have_nothing_behind_a_fence();
    assert!(messages.fences() > 20, "{} runs", messages.fences());
}
