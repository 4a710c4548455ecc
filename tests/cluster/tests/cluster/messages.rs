//! The messages of a journal's stream as they are there, read by a client that is not ours.

use std::time::Duration;

use async_nats::jetstream::consumer::push::OrderedConfig;
use bytes::Bytes;
use futures_util::StreamExt;
use lastword_cluster_tests::NatsCluster;
use lastword_events::JournalName;
use lastword_jetstream::group::Group;
use lastword_jetstream::subjects::Kind;
use tokio::time::timeout;

use crate::support::{client, stream_of};

/// For the next message of a stream that has one.
const COMES_WITHIN: Duration = Duration::from_secs(30);

/// A message, with its sequence.
pub(crate) type Message = (u64, Group);

/// All messages of one stream.
pub(crate) struct Messages(pub(crate) Vec<Message>);

/// Reads all messages of a journal.
pub(crate) async fn of(servers: &NatsCluster, journal: JournalName) -> Messages {
    of_stream(servers, &stream_of(journal)).await
}

/// The same, of a stream that has messages of this form.
pub(crate) async fn of_stream(servers: &NatsCluster, stream: &str) -> Messages {
    let client = client(&servers.urls()).await;
    let mut stream = client.get_stream(stream).await.unwrap();
    let last = stream.info().await.unwrap().state.last_sequence;
    let deliver_subject = client.client().new_inbox();
    let consumer = stream.create_consumer(OrderedConfig { deliver_subject, ..OrderedConfig::default() }).await.unwrap();
    let mut messages = consumer.messages().await.unwrap();
    let mut read = Vec::new();
    while read.last().is_none_or(|(sequence, _)| *sequence < last) {
        let message = timeout(COMES_WITHIN, messages.next()).await.unwrap().unwrap().unwrap();
        let sequence = message.info().unwrap().stream_sequence;
        let body: &Bytes = &message.payload;
        read.push((sequence, Group::decode(body).unwrap_or_else(|error| panic!("message {sequence}: {error}"))));
    }
    Messages(read)
}

impl Messages {
    /// Whatever was stored behind a fence by a writer of an epoch before it.
    pub(crate) fn behind_a_fence(&self) -> Vec<u64> {
        let mut epoch = 0;
        let mut behind = Vec::new();
        for (sequence, group) in &self.0 {
            if group.kind == Kind::Fence {
                epoch = *sequence;
            } else if epoch != 0 && group.epoch != epoch {
                behind.push(*sequence);
            }
        }
        behind
    }

    /// Nothing is: each writer was refused from the fence on.
    #[track_caller]
    pub(crate) fn have_nothing_behind_a_fence(&self) {
        assert_eq!(self.behind_a_fence(), [0; 0]);
    }

    /// How many fences there are.
    pub(crate) fn fences(&self) -> usize {
        self.0.iter().filter(|(_, group)| group.kind == Kind::Fence).count()
    }
}
