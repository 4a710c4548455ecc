//! What nodes know of each other: the registry, a bucket with an entry for each journal, and messages between nodes without JetStream.

use std::time::{Duration, SystemTime};

use async_nats::jetstream::context::{ContextBuilder, GetStreamError, GetStreamErrorKind};
use async_nats::jetstream::kv::{self, Operation, Store, UpdateErrorKind};
use async_nats::jetstream::stream::StorageType;
use async_nats::jetstream::{Context, ErrorCode};
use async_nats::{Client, Message, Request, Subscriber};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use lastword_events::JournalName;
use parking_lot::Mutex;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::chain::Heard;
use crate::cluster::Cluster;
use crate::connect::{Connection, Link, connect};
use crate::error::ClusterError;
use crate::limits::{REPLICAS, REQUEST_TIMEOUT};
use crate::stream::{ApiFailure, JournalStream, while_no_leader};

/// How large an entry may be, in bytes. Real ones have 200.
const MAX_ENTRY_BYTES: i32 = 64 << 10;
/// How large the registry may become, in bytes: 10 000 entries. The servers reserve it.
const MAX_BYTES: i64 = 16 << 20;
/// How long the registry remembers that an entry was deleted. A node that hears of it later than that reads the registry anew by then.
const MARKERS_STAY: Duration = Duration::from_hours(24);
/// How long all entries of the registry may take.
const LIST_TIMEOUT: Duration = Duration::from_secs(10);
/// How long one question to a stream's leader or to another node waits.
const ASK_TIMEOUT: Duration = Duration::from_secs(2);

/// The registry, and the talk between nodes.
pub struct Registry {
    client: Client,
    link: watch::Receiver<Link>,
    context: Context,
    store: Store,
    prefix: String,
    /// When the bucket was made that was read last: one that is made anew counts its revisions from the beginning.
    made: Mutex<Option<SystemTime>>,
}

/// A journal's entry as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registered<T> {
    /// The journal's name.
    pub journal: String,
    /// The entry. None: it was deleted, or this program cannot read it.
    pub entry: Option<T>,
    /// The entry's revision.
    pub revision: u64,
}

/// What a watch of the registry tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told<T> {
    /// It is another bucket than the one that was watched before: that one was deleted, with whatever it had. All entries follow.
    Anew,
    /// An entry, as it is or as it has changed.
    Entry(Registered<T>),
    /// These were all entries that it has now. Changes follow.
    Listed,
}

/// What came of a change of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Update {
    /// It is written.
    Done {
        /// The entry's revision now.
        revision: u64,
    },
    /// The entry has another revision.
    Refused,
    /// Nobody knows: no answer, or nobody to ask.
    Unknown,
}

/// Where a stream ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamEnd {
    /// At this sequence.
    At(u64),
    /// There is no such stream.
    Gone,
    /// Nobody has answered who could store anything.
    Unanswered,
}

/// A request of another node.
pub struct Asked {
    /// What it asks for: the last part of the subject.
    pub what: String,
    /// The request.
    pub body: Bytes,
    client: Client,
    reply: Option<async_nats::Subject>,
}

impl Registry {
    /// Connects, and opens the registry or makes it. The connection is its own, so that what journals write holds up no heartbeat.
    ///
    /// # Errors
    /// When there is no connection, or JetStream does not answer or refuses.
    pub async fn open(cluster: &Cluster) -> Result<Self, ClusterError> {
        let settings = cluster.settings();
        let Connection { client, link } = connect(cluster, &settings.credentials, cluster.node()).await?;
        let context = ContextBuilder::new().timeout(REQUEST_TIMEOUT).build(client.clone());
        let store = open_bucket(&context, &settings.prefix).await?;
        Ok(Self { client, link, context, store, prefix: settings.prefix.clone(), made: Mutex::new(None) })
    }

    /// Whether the connection to a server is there.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.link.borrow().is_up
    }

    /// All entries as they are now, and then each change of one. It ends when it cannot go on, and is asked for again then. A registry that
    /// somebody has deleted is made again.
    ///
    /// # Errors
    /// When JetStream does not answer or refuses.
    pub async fn watch<T: DeserializeOwned>(
        &self,
    ) -> Result<impl Stream<Item = Result<Told<T>, ClusterError>> + use<T>, ClusterError> {
        let store = open_bucket(&self.context, &self.prefix).await?;
        let (made, told) = watched(&store).await?;
        let before = self.made.lock().replace(made);
        let anew = before.is_some_and(|before| before != made).then_some(Ok(Told::Anew));
        Ok(stream::iter(anew).chain(told))
    }

    /// All entries as they are now.
    ///
    /// # Errors
    /// When JetStream does not answer or refuses, or does not tell all of them within 10 s.
    pub async fn entries<T: DeserializeOwned>(&self) -> Result<Vec<Registered<T>>, ClusterError> {
        listed(self.watch()).await
    }

    /// Forgets which entries were deleted more than a day ago.
    ///
    /// # Errors
    /// When JetStream does not answer or refuses.
    pub async fn sweep(&self) -> Result<(), ClusterError> {
        let what = "forget deleted entries of the registry";
        let store = &self.store;
        let mut history = store.watch_with_history(">").await.map_err(|error| ClusterError::request(what, error))?;
        // The bucket has the own entry, so there is something to be told.
        while let Ok(Some(entry)) = timeout(ASK_TIMEOUT, history.next()).await {
            let kv::Entry { key, revision, created, operation, seen_current, .. } =
                entry.map_err(|error| ClusterError::request(what, error))?;
            if is_old_marker(&operation, SystemTime::from(created), SystemTime::now()) {
                // Nothing that was written since is purged with it.
                let subject = format!("{}{key}", store.prefix);
                let purge = store.stream.purge().filter(subject).sequence(revision + 1);
                purge.await.map_err(|error| ClusterError::request(what, error))?;
            }
            if seen_current {
                break;
            }
        }
        Ok(())
    }

    /// Writes an entry if the registry has the expected revision of it, 0 if it has none. It is not sent later than this answers, because
    /// nothing is sent without a connection.
    pub async fn update(&self, journal: &str, entry: &impl Serialize, expected: u64) -> Update {
        let Ok(body) = serde_json::to_vec(entry) else { return Update::Unknown };
        if !self.is_connected() {
            return Update::Unknown;
        }
        let answer = timeout(ASK_TIMEOUT, self.store.update(journal, body.into(), expected)).await;
        match answer {
            Ok(Ok(revision)) => Update::Done { revision },
            Ok(Err(error)) if error.kind() == UpdateErrorKind::WrongLastRevision => Update::Refused,
            Ok(Err(_)) | Err(_) => Update::Unknown,
        }
    }

    /// Deletes an entry that has this revision.
    pub async fn forget(&self, journal: &str, revision: u64) -> Update {
        if !self.is_connected() {
            return Update::Unknown;
        }
        match timeout(ASK_TIMEOUT, self.store.delete_expect_revision(journal, Some(revision))).await {
            Ok(Ok(())) => Update::Done { revision },
            Ok(Err(error)) if error.kind() == UpdateErrorKind::WrongLastRevision => Update::Refused,
            Ok(Err(_)) | Err(_) => Update::Unknown,
        }
    }

    /// Asks the leader of a journal's stream where it ends. One that has no quorum has not answered.
    pub async fn stream_end(&self, journal: JournalName) -> StreamEnd {
        match self.stream(journal).last_sequence_with_quorum(ASK_TIMEOUT).await {
            Heard::Info { last_sequence, .. } => StreamEnd::At(last_sequence),
            Heard::NoStream => StreamEnd::Gone,
            _ => StreamEnd::Unanswered,
        }
    }

    /// Deletes a journal's stream, with all that is in it. Only who has taken it over, and found that nothing is owed, may do that.
    ///
    /// # Errors
    /// When JetStream does not answer or refuses.
    pub async fn delete_stream(&self, journal: JournalName) -> Result<(), ClusterError> {
        self.stream(journal).delete().await
    }

    fn stream(&self, journal: JournalName) -> JournalStream {
        JournalStream::new(self.client.clone(), &self.prefix, journal)
    }

    /// The connection's view of JetStream.
    #[must_use]
    pub fn jetstream(&self) -> &Context {
        &self.context
    }

    /// Sends a heartbeat of a run. Nothing waits for it, and without a connection nothing is sent.
    pub async fn beat(&self, run: &str) {
        if self.is_connected() {
            self.client.publish(format!("{}.hb.{run}", self.prefix), Bytes::new()).await.ok();
        }
    }

    /// The heartbeats of all nodes from now on, the own ones too: the name of each one's run.
    ///
    /// # Errors
    /// When the connection is gone for good.
    pub async fn beats(&self) -> Result<impl Stream<Item = String> + use<>, ClusterError> {
        let prefix = format!("{}.hb.", self.prefix);
        let beats = self.subscribe(format!("{prefix}*")).await?;
        Ok(beats.filter_map(move |beat| std::future::ready(beat.subject.strip_prefix(&prefix).map(str::to_owned))))
    }

    /// The requests of other nodes to the node with this journal.
    ///
    /// # Errors
    /// When the connection is gone for good.
    pub async fn serve(&self, journal: &str) -> Result<impl Stream<Item = Asked> + use<>, ClusterError> {
        let prefix = format!("{}.node.{journal}.", self.prefix);
        let requests = self.subscribe(format!("{prefix}>")).await?;
        let client = self.client.clone();
        Ok(requests.filter_map(move |Message { subject, reply, payload, .. }| {
            let what = subject.strip_prefix(&prefix).map(str::to_owned);
            std::future::ready(what.map(|what| Asked { what, body: payload, client: client.clone(), reply }))
        }))
    }

    /// Asks the node with this journal.
    ///
    /// # Errors
    /// When it does not answer within 2 s, or nobody listens for it.
    pub async fn ask(&self, journal: &str, what: &str, body: Bytes) -> Result<Bytes, ClusterError> {
        let subject = format!("{}.node.{journal}.{what}", self.prefix);
        let request = Request::new().payload(body).timeout(Some(ASK_TIMEOUT));
        let answer = timeout(ASK_TIMEOUT, self.client.send_request(subject, request)).await;
        let failed = |why: &dyn std::fmt::Display| {
            ClusterError::request(format!("reach the node of the journal {}", lastword_events::printable(journal)), why)
        };
        match answer {
            Ok(Ok(message)) => Ok(message.payload),
            Ok(Err(error)) => Err(failed(&error)),
            Err(_) => Err(failed(&"no answer")),
        }
    }

    async fn subscribe(&self, subject: String) -> Result<Subscriber, ClusterError> {
        self.client.subscribe(subject).await.map_err(|error| ClusterError::request("take a subscription", error))
    }
}

impl Asked {
    /// Answers. A request that wants no answer gets none.
    pub async fn answer(self, body: Bytes) {
        if let Some(reply) = self.reply {
            self.client.publish(reply, body).await.ok();
        }
    }
}

/// When the bucket was made, and a watch of it: all entries as they are now, and then each change of one.
pub(crate) async fn watched<T: DeserializeOwned>(
    store: &Store,
) -> Result<(SystemTime, impl Stream<Item = Result<Told<T>, ClusterError>> + use<T>), ClusterError> {
    let watch = store.watch_with_history(">").await.map_err(|error| untold(&error))?;
    let info = store.stream.get_info().await.map_err(|error| untold(&error))?;
    let mut is_listed = info.state.messages == 0;
    let nothing = is_listed.then_some(Ok(Told::Listed));
    let told = watch.flat_map(move |entry| {
        let mut told = Vec::with_capacity(2);
        match entry {
            Ok(entry) => {
                let is_current = entry.seen_current;
                told.push(Ok(Told::Entry(registered(entry))));
                if is_current && !is_listed {
                    is_listed = true;
                    told.push(Ok(Told::Listed));
                }
            }
            Err(error) => told.push(Err(untold(&error))),
        }
        stream::iter(told)
    });
    Ok((SystemTime::from(info.created), stream::iter(nothing).chain(told)))
}

/// All entries that a watch tells of before it tells of changes.
pub(crate) async fn listed<T, W>(
    watch: impl Future<Output = Result<W, ClusterError>>,
) -> Result<Vec<Registered<T>>, ClusterError>
where
    W: Stream<Item = Result<Told<T>, ClusterError>>,
{
    let all = async {
        let mut told = std::pin::pin!(watch.await?);
        let mut entries = Vec::new();
        while let Some(told) = told.next().await {
            match told? {
                Told::Anew => entries.clear(),
                Told::Entry(entry) => entries.push(entry),
                Told::Listed => return Ok(entries),
            }
        }
        Err(untold(&"the watch has ended"))
    };
    timeout(LIST_TIMEOUT, all).await.unwrap_or_else(|_| Err(untold(&"no answer")))
}

fn untold(why: &dyn std::fmt::Display) -> ClusterError {
    ClusterError::request("tell the entries of the registry", why)
}

/// Whether this says of an entry that it was deleted, and has said so long enough.
fn is_old_marker(operation: &Operation, made: SystemTime, now: SystemTime) -> bool {
    let age = now.duration_since(made).unwrap_or_default();
    matches!(operation, Operation::Delete | Operation::Purge) && age > MARKERS_STAY
}

/// Opens the bucket, or makes it.
async fn open_bucket(context: &Context, prefix: &str) -> Result<Store, ClusterError> {
    let bucket = bucket(prefix);
    while_no_leader(|| found_or_made(context, &bucket)).await.map_err(|failure| unopened(&bucket, failure))
}

/// Opens the bucket, and makes none.
pub(crate) async fn existing_bucket(context: &Context, prefix: &str) -> Result<Store, ClusterError> {
    let bucket = bucket(prefix);
    while_no_leader(|| found(context, &bucket)).await.map_err(|failure| unopened(&bucket, failure))
}

fn bucket(prefix: &str) -> String {
    format!("{prefix}_NODES")
}

fn unopened(bucket: &str, failure: ApiFailure) -> ClusterError {
    failure.into_error(&format!("open the bucket {bucket}"))
}

async fn found(context: &Context, bucket: &str) -> Result<Store, ApiFailure> {
    context.get_key_value(bucket).await.map_err(|error| {
        let cause = std::error::Error::source(&error).and_then(|cause| cause.downcast_ref::<GetStreamError>());
        match cause.map(GetStreamError::kind) {
            Some(GetStreamErrorKind::JetStream(refused)) if refused.error_code() == ErrorCode::STREAM_NOT_FOUND => {
                ApiFailure::Other("there is none: no node has run on these servers with this `prefix`".to_owned())
            }
            _ => ApiFailure::Silent(error.to_string()),
        }
    })
}

async fn found_or_made(context: &Context, bucket: &str) -> Result<Store, ApiFailure> {
    // Who is not the first to make it finds it.
    if let Ok(store) = context.get_key_value(bucket).await {
        return Ok(store);
    }
    let config = kv::Config {
        bucket: bucket.to_owned(),
        description: "the nodes of Lastword and their journals".to_owned(),
        max_value_size: MAX_ENTRY_BYTES,
        max_bytes: MAX_BYTES,
        history: 1,
        storage: StorageType::File,
        num_replicas: REPLICAS,
        ..kv::Config::default()
    };
    context.create_key_value(config).await.map_err(|error| ApiFailure::Silent(error.to_string()))
}

fn registered<T: DeserializeOwned>(entry: kv::Entry) -> Registered<T> {
    let kv::Entry { key, value, revision, operation, .. } = entry;
    let entry = match operation {
        Operation::Put => serde_json::from_slice(&value)
            .inspect_err(|error| {
                let journal = lastword_events::printable(&key);
                tracing::warn!(%journal, %error, "an entry of the registry cannot be read, and is left to newer programs");
            })
            .ok(),
        Operation::Delete | Operation::Purge => None,
    };
    Registered { journal: key, entry, revision }
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registry").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Asked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Asked").field("what", &self.what).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_says_for_a_day_that_an_entry_was_deleted_is_forgotten() {
        let now = SystemTime::now();
        let [young, old] = [Duration::from_hours(23), Duration::from_hours(25)].map(|age| now - age);
        assert!(is_old_marker(&Operation::Delete, old, now) && is_old_marker(&Operation::Purge, old, now));
        assert!(!is_old_marker(&Operation::Delete, young, now));
        assert!(!is_old_marker(&Operation::Put, old, now), "an entry stays");
        assert!(!is_old_marker(&Operation::Delete, now + Duration::from_secs(9), now), "the servers' clock is fast");
    }
}
