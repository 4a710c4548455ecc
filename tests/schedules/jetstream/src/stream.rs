//! The stream of one journal, on a test's servers: requests with the times and the tries of the real one.

use std::time::Duration;

use bytes::Bytes;
use lastword_events::JournalName;
use lastword_jetstream::chain::Heard;
use lastword_jetstream::replay::{Replay, Replayed};
use lastword_jetstream::subjects::Subjects;

use crate::connect::{Client, pause};
use crate::error::ClusterError;
use crate::limits::{NO_LEADER_AGAIN, NO_LEADER_FOR, READ_AGAIN, READ_SILENCE, READ_TRIES, REQUEST_TIMEOUT};
use crate::proof::Proven;
use crate::servers::Answer;
use crate::sync::{Instant, timeout};

#[derive(Clone)]
pub(crate) struct JournalStream {
    client: Client,
    subjects: Subjects,
    name: JournalName,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Facts {
    pub(crate) bytes: u64,
    pub(crate) max_bytes: u64,
    pub(crate) replicas: Vec<Replica>,
}

/// None is told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replica;

impl JournalStream {
    pub(crate) fn new(client: Client, prefix: &str, name: JournalName) -> Self {
        Self { client, subjects: Subjects::new(prefix, name), name }
    }

    pub(crate) fn subjects(&self) -> &Subjects {
        &self.subjects
    }

    pub(crate) fn name(&self) -> JournalName {
        self.name
    }

    pub(crate) async fn create(&self, _max_bytes: u64, proven: &Proven) -> Result<Facts, ClusterError> {
        self.open(proven).await
    }

    pub(crate) async fn open(&self, _proven: &Proven) -> Result<Facts, ClusterError> {
        self.facts().await
    }

    pub(crate) async fn facts(&self) -> Result<Facts, ClusterError> {
        Ok(Facts { max_bytes: self.client.servers.max_bytes(), ..Facts::default() })
    }

    pub(crate) async fn publish(
        &self,
        subject: String,
        headers: Vec<(&'static str, String)>,
        body: Bytes,
        wait: Duration,
    ) -> Heard {
        in_time(wait, self.client.servers.publish(subject, headers, body)).await
    }

    pub(crate) async fn look(&self, sequence: u64, wait: Duration) -> Heard {
        in_time(wait, self.client.servers.message(sequence)).await
    }

    pub(crate) async fn last_sequence(&self, wait: Duration) -> Heard {
        in_time(wait, self.client.servers.info()).await
    }

    pub(crate) async fn last_fence(&self) -> Result<Option<(u64, Bytes)>, ClusterError> {
        self.while_no_leader("tell the last fence", || self.client.servers.last_fence()).await
    }

    /// The messages may be purged while they are read, so they are read again before they are called damaged.
    pub(crate) async fn read(&self, fence: u64) -> Result<Replayed, ClusterError> {
        let mut tries = 1;
        loop {
            match self.read_once(fence).await? {
                Ok(replayed) => return Ok(replayed),
                Err(why) if tries >= READ_TRIES => return Err(ClusterError::Damaged { name: self.name, why }),
                Err(_) => tries += 1,
            }
            pause(READ_AGAIN).await;
        }
    }

    async fn read_once(&self, fence: u64) -> Result<Result<Replayed, String>, ClusterError> {
        let mut replay = Replay::new(self.subjects.clone());
        let mut last = 0;
        while last < fence {
            let what = format!("give the message behind {last} within {READ_SILENCE:?}");
            let message = self.while_no_leader(&what, || self.client.servers.message_behind(last)).await?;
            let (sequence, subject, body) = message;
            if let Err(error) = replay.message(sequence, &subject, &body) {
                return Ok(Err(error.to_string()));
            }
            last = sequence;
        }
        Ok(replay.finish().map_err(|error| error.to_string()))
    }

    pub(crate) async fn purge_below(&self, sequence: u64) -> Result<(), ClusterError> {
        let purged = timeout(REQUEST_TIMEOUT, self.client.servers.purge(sequence)).await;
        purged.ok().flatten().ok_or_else(|| ClusterError::request("purge the stream", "no answer"))
    }

    /// It is never full because of its size.
    #[expect(clippy::unused_async, reason = "the real one asks the servers")]
    pub(crate) async fn grow(&self, max_bytes: u64) -> Result<u64, ClusterError> {
        Ok(max_bytes)
    }

    async fn while_no_leader<T>(&self, what: &str, ask: impl Fn() -> Answer<Option<T>>) -> Result<T, ClusterError> {
        let until = Instant::now() + NO_LEADER_FOR;
        loop {
            match timeout(REQUEST_TIMEOUT, ask()).await {
                Ok(Some(answer)) => return Ok(answer),
                _ if Instant::now() > until => return Err(ClusterError::request(what, "no answer")),
                _ => pause(NO_LEADER_AGAIN).await,
            }
        }
    }
}

async fn in_time(wait: Duration, answer: Answer<Heard>) -> Heard {
    timeout(wait, answer).await.unwrap_or(Heard::TimedOut)
}
