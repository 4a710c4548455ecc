//! Messages that a client of nothing else appends to a stream as a journal's: one at a time, with what a journal expects of the stream.

use anyhow::Context as _;
use async_nats::jetstream::stream::{Config, DiscardPolicy, StorageType};
use async_nats::{Client, HeaderMap, Request};
use bytes::Bytes;
use lastword_cluster_tests::SERVERS;
use lastword_jetstream::subjects::Subjects;
use lastword_jetstream::{JetStreamJournal, REPLICAS};
use serde_json::Value;
use tokio::runtime::Runtime;

use super::servers::{ANSWERS_WITHIN, OF_JOURNALS, Servers};

/// What the names of such streams begin with. A journal's is another one.
const PREFIX: &str = "BARE";
/// The sequence of the message in the place of a journal's fence.
const FENCE: u64 = 1;
/// How large such a stream may become, in bytes.
const MAX_BYTES: i64 = 256 << 20;

/// A client, and the stream that it appends to.
pub(super) struct Appends {
    client: Client,
    subjects: Subjects,
    /// The sequence of the last message.
    last: u64,
}

impl Appends {
    /// Makes the stream, and connects to its leader if the journal is connected to that of its own; and else to another server.
    ///
    /// # Errors
    /// When the servers refuse it.
    pub(super) fn begin(tokio: &Runtime, servers: &Servers, journal: &JetStreamJournal) -> anyhow::Result<Self> {
        let subjects = Subjects::new(PREFIX, JetStreamJournal::random_name());
        tokio.block_on(async {
            servers.client(OF_JOURNALS).await?.create_stream(config(&subjects)).await?;
            anyhow::Ok(())
        })?;
        let leader = servers.leader_of(&subjects.stream);
        let is_led_there = servers.leader_of(&journal.status().stream) == OF_JOURNALS;
        let server = if is_led_there { leader } else { (leader + 1) % SERVERS };
        let client = tokio.block_on(servers.client(server))?.client();
        let mut appends = Self { client, subjects, last: 0 };
        let fence = appends.subjects.fence.clone();
        tokio.block_on(appends.store(fence, HeaderMap::new(), Bytes::new()))?;
        Ok(appends)
    }

    pub(super) fn stream(&self) -> &str {
        &self.subjects.stream
    }

    /// Appends a group, and waits until it is acknowledged.
    ///
    /// # Errors
    /// When it is not stored where it should be.
    pub(super) async fn append(&mut self, body: Bytes) -> anyhow::Result<()> {
        let Subjects { stream, fence, groups, .. } = self.subjects.clone();
        let mut headers = HeaderMap::new();
        headers.insert("Nats-Expected-Stream", stream);
        headers.insert("Nats-Expected-Last-Sequence", self.last.to_string());
        headers.insert("Nats-Expected-Last-Subject-Sequence", FENCE.to_string());
        headers.insert("Nats-Expected-Last-Subject-Sequence-Subject", fence);
        self.store(groups, headers, body).await
    }

    async fn store(&mut self, subject: String, headers: HeaderMap, body: Bytes) -> anyhow::Result<()> {
        let request = Request::new().headers(headers).payload(body).timeout(Some(ANSWERS_WITHIN));
        let answer = self.client.send_request(subject, request).await?;
        let answer: Value = serde_json::from_slice(&answer.payload)?;
        let sequence = answer.get("seq").and_then(Value::as_u64).filter(|sequence| *sequence == self.last + 1);
        self.last = sequence.with_context(|| format!("a message is not stored where it should be: {answer}"))?;
        Ok(())
    }
}

/// As a journal's stream is.
fn config(subjects: &Subjects) -> Config {
    let Subjects { stream, fence, groups, snapshots } = subjects.clone();
    Config {
        name: stream,
        subjects: vec![fence, groups, snapshots],
        storage: StorageType::File,
        num_replicas: REPLICAS,
        discard: DiscardPolicy::New,
        max_bytes: MAX_BYTES,
        deny_delete: true,
        ..Config::default()
    }
}
