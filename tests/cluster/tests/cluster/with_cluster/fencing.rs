//! Why a journal has one group under way, with a writer that is a model: a client that is not ours.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_nats::HeaderMap;
use async_nats::jetstream::context::PublishErrorKind;
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::{Context, context};
use bytes::Bytes;
use futures_util::future::join_all;
use lastword_cluster_tests::{NatsCluster, look_for};
use lastword_jetstream::group::Group;
use lastword_jetstream::subjects::Kind;

use crate::messages;
use crate::support::{client, make_stream, three_servers};

/// Acknowledgements before the fence comes.
const BEFORE_THE_FENCE: usize = 30;
/// Take-overs of a writer with one group under way: none may leave anything behind the fence.
const TIMES: usize = 10;
/// Take-overs of a writer with four, one of which has to.
const TRIES: usize = 50;
const EXPECTED_LAST_ON_SUBJECT: &str = "Nats-Expected-Last-Subject-Sequence";

/// The fence takes the sequence of the one group that is refused, so the groups that are under way behind it are in their places again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it needs three NATS servers: cargo xtask test --cluster"]
async fn with_one_group_under_way_nothing_gets_behind_a_fence_and_with_four_something_does() {
    let servers = three_servers();
    for number in 0..TIMES {
        assert_eq!(behind_the_fence(&servers, &format!("ONE-{number}"), 1).await, [0; 0]);
    }
    for number in 0..TRIES {
        if !behind_the_fence(&servers, &format!("FOUR-{number}"), 4).await.is_empty() {
            return;
        }
    }
    panic!(
        "{TRIES} take-overs of a writer with four groups under way left nothing behind the fence: these tests would not notice it"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it needs three NATS servers: cargo xtask test --cluster"]
async fn of_eight_fences_that_follow_the_same_one_one_is_stored() {
    let servers = three_servers();
    make_stream(&servers, "S").await;
    let client = client(&servers.urls()).await;
    let first = fence(&client, "S", 0).await.unwrap();
    let answers = join_all((0..8).map(|_| fence(&client, "S", first))).await;
    let refused: Vec<_> = answers.iter().filter_map(|answer| answer.as_ref().err()).collect();
    assert_eq!(refused.len(), 7, "{answers:?}");
    assert!(refused.iter().all(|error| error.kind() != PublishErrorKind::TimedOut), "{refused:?}");
    assert_eq!(servers.stream("S").messages, 2);
}

/// Fences a writer with so many groups under way. Gives the sequences of what was stored behind the fence.
async fn behind_the_fence(servers: &NatsCluster, name: &str, under_way: usize) -> Vec<u64> {
    make_stream(servers, name).await;
    let client = client(&servers.urls()).await;
    let epoch = fence(&client, name, 0).await.unwrap();
    let acknowledged = Arc::new(AtomicUsize::new(0));
    let (taker, name_of_taker, counted) =
        (crate::support::client(&servers.urls()).await, name.to_owned(), acknowledged.clone());
    let taken = tokio::spawn(async move {
        tokio::task::block_in_place(|| {
            look_for("a writer", || (counted.load(Ordering::SeqCst) >= BEFORE_THE_FENCE).then_some(()));
        });
        fence(&taker, &name_of_taker, epoch).await.unwrap();
    });
    let mut last = epoch;
    let mut waiting = VecDeque::new();
    loop {
        while waiting.len() < under_way {
            let group = message(Kind::Group, epoch).expected_last_sequence(last);
            waiting.push_back(client.send_publish(format!("{name}.g"), group).await.unwrap());
            last += 1;
        }
        if waiting.pop_front().unwrap().await.is_err() {
            break;
        }
        acknowledged.fetch_add(1, Ordering::SeqCst);
    }
    for rest in waiting {
        rest.await.ok();
    }
    taken.await.unwrap();
    messages::of_stream(servers, name).await.behind_a_fence()
}

/// Appends a fence that follows the one with this sequence.
async fn fence(client: &Context, stream: &str, before: u64) -> Result<u64, context::PublishError> {
    let mut headers = HeaderMap::new();
    headers.insert(EXPECTED_LAST_ON_SUBJECT, before.to_string());
    let fence = message(Kind::Fence, before).headers(headers);
    Ok(client.send_publish(format!("{stream}.fence"), fence).await?.await?.sequence)
}

fn message(kind: Kind, epoch: u64) -> PublishMessage {
    let records = vec![Bytes::from_static(b"{}")];
    let group = Group { kind, epoch, number: 0, previous: 0, continued: false, continues: false, records };
    PublishMessage::build().payload(group.encode())
}
