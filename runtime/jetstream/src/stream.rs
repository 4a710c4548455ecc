//! The stream of one journal: making it, appending to it, and reading it.

use std::collections::HashMap;
use std::future::Future;
use std::time::Duration;

use async_nats::jetstream::consumer::push::{Ordered, OrderedConfig};
use async_nats::jetstream::context::{ContextBuilder, RequestError, RequestErrorKind};

use async_nats::jetstream::response::Response;
use async_nats::jetstream::stream::{
    Compression, Config, DiscardPolicy, Info, PeerInfo, PersistenceMode, RawMessageErrorKind, RetentionPolicy,
    StorageType,
};
use async_nats::jetstream::{self, Context, Error as ApiError, ErrorCode};
use async_nats::{Client, HeaderMap, Request};
use bytes::Bytes;
use futures_util::StreamExt;
use lastword_events::JournalName;
use serde::Deserialize;
use serde_json::json;
use tokio::time::{Instant, timeout};

use crate::chain::Heard;
use crate::connect::pause;
use crate::error::ClusterError;
use crate::limits::{
    DUPLICATE_WINDOW, HEARD_WITHIN, MAX_MESSAGE_BYTES, NO_LEADER_AGAIN, NO_LEADER_FOR, READ_AGAIN, READ_SILENCE,
    REPLICAS, REQUEST_TIMEOUT,
};
use crate::proof::{ProofError, Proven};
use crate::reader::{ReadJournal, ReadProgress};
use crate::reading::{Message, Source, Tried, Unread, read_again, read_until};
use crate::record::FORMAT;
use crate::replay::{ReplayError, Replayed};
use crate::subjects::Subjects;

/// The stream's metadata that says of which form its messages are.
const FORMAT_KEY: &str = "lastword.format";

/// The stream of one journal.
#[derive(Clone)]
pub(crate) struct JournalStream {
    client: Client,
    context: Context,
    subjects: Subjects,
    name: JournalName,
}

/// What is known of the stream.
#[derive(Clone, Debug, Default)]
pub(crate) struct Facts {
    pub(crate) bytes: u64,
    pub(crate) max_bytes: u64,
    pub(crate) replicas: Vec<Replica>,
}

/// A copy of the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Replica {
    /// The server.
    pub server: String,
    /// Whether it is the one that takes writes.
    pub leads: bool,
    /// Whether it has everything.
    pub current: bool,
}

/// The answer to a message that was published.
#[derive(Deserialize)]
#[serde(untagged)]
enum Published {
    Refused { error: ApiRefusal },
    Stored { seq: u64 },
}

#[derive(Deserialize)]
struct ApiRefusal {
    #[serde(default)]
    code: u64,
    #[serde(default)]
    err_code: u64,
    #[serde(default)]
    description: String,
}

/// Why JetStream's API did not do what it was asked for.
pub(crate) enum ApiFailure {
    /// No leader, or no connection: another try may do.
    Silent(String),
    /// It says no.
    Refused(ApiError),
    /// The request or the answer cannot be used.
    Other(String),
}

impl From<RequestError> for ApiFailure {
    fn from(error: RequestError) -> Self {
        match error.kind() {
            RequestErrorKind::NoResponders | RequestErrorKind::TimedOut => Self::Silent(error.to_string()),
            RequestErrorKind::InvalidSubject | RequestErrorKind::Other => Self::Other(error.to_string()),
        }
    }
}

impl ApiFailure {
    pub(crate) fn into_error(self, what: &str) -> ClusterError {
        match self {
            Self::Silent(why) => {
                let advice = "JetStream has no leader (most of the servers must run, and reach each other over their `routes`), or the account \
                              has no JetStream or no right to ask";
                ClusterError::request(what, format!("{why}; {advice}"))
            }
            Self::Refused(error) => ClusterError::request(what, error),
            Self::Other(why) => ClusterError::request(what, why),
        }
    }
}

impl JournalStream {
    pub(crate) fn new(client: Client, prefix: &str, name: JournalName) -> Self {
        let context = ContextBuilder::new().timeout(REQUEST_TIMEOUT).build(client.clone());
        Self { client, context, subjects: Subjects::new(prefix, name), name }
    }

    pub(crate) fn subjects(&self) -> &Subjects {
        &self.subjects
    }

    pub(crate) fn name(&self) -> JournalName {
        self.name
    }

    /// Makes the stream of a new journal, and waits until each of its copies is there.
    pub(crate) async fn create(&self, max_bytes: u64, proven: &Proven) -> Result<Facts, ClusterError> {
        let config = config(&self.subjects, max_bytes);
        let what = format!("make the stream {}", self.subjects.stream);
        let subject = format!("STREAM.CREATE.{}", self.subjects.stream);
        let info: Info = while_no_leader(|| self.api(&subject, &config)).await.map_err(|failure| match failure {
            ApiFailure::Refused(error) if error.error_code() == ErrorCode::CLUSTER_NO_PEERS => ClusterError::request(
                &what,
                format!(
                    "{error}; it is to be on {REPLICAS} servers, each of which reserves {max_bytes} bytes: start the missing servers, raise \
                     `max_file_store`, or lower `max_bytes`"
                ),
            ),
            failure => failure.into_error(&what),
        })?;
        let mut facts = self.checked(&info, proven)?;
        // A copy that has just been made is not current for a moment.
        let until = Instant::now() + NO_LEADER_FOR;
        while !facts.replicas.iter().all(|replica| replica.current) {
            if Instant::now() > until {
                let behind = facts.replicas.iter().filter(|replica| !replica.current);
                let behind: Vec<_> = behind.map(|replica| replica.server.clone()).collect();
                let what = format!("its copies on {} are not current", behind.join(", "));
                return Err(ProofError::Stream { stream: self.subjects.stream.clone(), what }.into());
            }
            pause(NO_LEADER_AGAIN).await;
            facts = self.open(proven).await?;
        }
        Ok(facts)
    }

    /// Looks at the stream of a journal that exists.
    pub(crate) async fn open(&self, proven: &Proven) -> Result<Facts, ClusterError> {
        self.checked(&self.info().await?, proven)
    }

    /// What the servers say of the stream of a journal that exists.
    pub(crate) async fn info(&self) -> Result<Info, ClusterError> {
        while_no_leader(|| self.stream_info()).await.map_err(|failure| match failure {
            ApiFailure::Refused(error) if error.error_code() == ErrorCode::STREAM_NOT_FOUND => {
                ClusterError::Missing(self.name)
            }
            failure => failure.into_error(&format!("tell of the stream {}", self.subjects.stream)),
        })
    }

    /// One look, without another try.
    pub(crate) async fn facts(&self) -> Result<Facts, ClusterError> {
        let info = self.stream_info().await;
        let info =
            info.map_err(|failure| failure.into_error(&format!("tell of the stream {}", self.subjects.stream)))?;
        Ok(facts(&info))
    }

    async fn stream_info(&self) -> Result<Info, ApiFailure> {
        self.api(&format!("STREAM.INFO.{}", self.subjects.stream), &json!({})).await
    }

    async fn api<T: for<'a> Deserialize<'a>>(
        &self,
        subject: &str,
        payload: &impl serde::Serialize,
    ) -> Result<T, ApiFailure> {
        match self.context.request(subject.to_owned(), payload).await? {
            Response::Ok(answer) => Ok(answer),
            Response::Err { error } => {
                // The API answers so while it elects its leader.
                let elects =
                    matches!(error.error_code(), ErrorCode::CLUSTER_NOT_AVAILABLE | ErrorCode::CLUSTER_NOT_LEADER);
                Err(if elects { ApiFailure::Silent(error.to_string()) } else { ApiFailure::Refused(error) })
            }
        }
    }

    fn checked(&self, info: &Info, proven: &Proven) -> Result<Facts, ClusterError> {
        let stream = self.subjects.stream.clone();
        if let Some(what) = unfit(&info.config) {
            return Err(ProofError::Stream { stream, what }.into());
        }
        let facts = facts(info);
        if let Some(proven) = proven
            && let Some(replica) = facts.replicas.iter().find(|replica| !proven.contains(&replica.server))
        {
            return Err(ProofError::Elsewhere { stream, server: replica.server.clone() }.into());
        }
        Ok(facts)
    }

    /// Publishes a message, and waits for JetStream's answer.
    pub(crate) async fn publish(
        &self,
        subject: String,
        headers: Vec<(&'static str, String)>,
        body: Bytes,
        wait: Duration,
    ) -> Heard {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(name, value);
        }
        let request = Request::new().headers(map).payload(body).timeout(Some(wait));
        // The client waits for room among its commands before its own time begins to count.
        let Ok(answer) = timeout(wait, self.client.send_request(subject, request)).await else {
            return Heard::TimedOut;
        };
        match answer {
            Ok(message) => match serde_json::from_slice(&message.payload) {
                Ok(Published::Stored { seq }) => Heard::Acked { sequence: seq },
                Ok(Published::Refused { error: ApiRefusal { code, err_code, description } }) => {
                    Heard::Refused { code: if err_code == 0 { code } else { err_code }, description }
                }
                Err(error) => Heard::Refused { code: 0, description: format!("an answer that is none: {error}") },
            },
            Err(error) => match error.kind() {
                async_nats::RequestErrorKind::TimedOut => Heard::TimedOut,
                async_nats::RequestErrorKind::MaxPayloadExceeded => Heard::TooLarge,
                _ => Heard::NoResponders,
            },
        }
    }

    /// Asks the stream's leader what it has under this sequence.
    pub(crate) async fn look(&self, sequence: u64, wait: Duration) -> Heard {
        let stream = self.context.get_stream_no_info(&self.subjects.stream).await;
        let Ok(stream) = stream else { return Heard::NoResponders };
        let Ok(found) = timeout(wait, stream.get_raw_message(sequence)).await else { return Heard::TimedOut };
        match found {
            Ok(message) => Heard::Found { sequence, message: Some((message.subject.to_string(), message.payload)) },
            Err(error) => match error.kind() {
                RawMessageErrorKind::NoMessageFound => Heard::Found { sequence, message: None },
                RawMessageErrorKind::JetStream(error) => refusal(&error),
                _ => Heard::NoResponders,
            },
        }
    }

    /// Asks the stream's leader for its first sequence and its last one.
    pub(crate) async fn last_sequence(&self, wait: Duration) -> Heard {
        match self.asked(wait).await {
            Ok(info) => sequences(&info),
            Err(heard) => heard,
        }
    }

    /// The same, of a leader that could store something. What another says is as good as no answer.
    pub(crate) async fn last_sequence_with_quorum(&self, wait: Duration) -> Heard {
        match self.asked(wait).await {
            Ok(info) if !has_quorum(&info) => Heard::NoResponders,
            Ok(info) => sequences(&info),
            Err(heard) => heard,
        }
    }

    async fn asked(&self, wait: Duration) -> Result<Info, Heard> {
        let info = timeout(wait, self.stream_info()).await.map_err(|_| Heard::TimedOut)?;
        info.map_err(|failure| match failure {
            ApiFailure::Refused(error) => refusal(&error),
            ApiFailure::Silent(_) | ApiFailure::Other(_) => Heard::NoResponders,
        })
    }

    /// The last fence: its sequence and its body.
    pub(crate) async fn last_fence(&self) -> Result<Option<(u64, Bytes)>, ClusterError> {
        let what = "tell the last fence";
        while_no_leader(|| async {
            let stream = self.context.get_stream_no_info(&self.subjects.stream).await;
            let stream = stream.map_err(|error| ApiFailure::Other(error.to_string()))?;
            match stream.get_last_raw_message_by_subject(&self.subjects.fence).await {
                Ok(message) => Ok(Some((message.sequence, message.payload))),
                Err(error) => match error.kind() {
                    RawMessageErrorKind::NoMessageFound => Ok(None),
                    RawMessageErrorKind::JetStream(error) => Err(ApiFailure::Refused(error)),
                    _ => Err(ApiFailure::Silent(error.to_string())),
                },
            }
        })
        .await
        .map_err(|failure| failure.into_error(what))
    }

    /// Reads all up to the fence with this sequence. The writer before us may have purged what a snapshot has, and the copy that is read
    /// may do that while it is read, so it is read again before it is called damaged.
    pub(crate) async fn read(&self, fence: u64) -> Result<Replayed, ClusterError> {
        let read = read_again(READ_AGAIN, async || -> Tried<Replayed> {
            let read = self.read_once(fence, &mut |_| ()).await?;
            Ok(read.map_err(|error| Unread { error, is_purged: false }))
        });
        read.await?.map_err(|Unread { error, .. }| self.damaged(&error))
    }

    /// Reads all that the stream has now, and writes nothing. Whoever has the journal may write and purge meanwhile: then all of it is read
    /// again. Tells what was read by now.
    pub(crate) async fn read_now(
        &self,
        told: &mut (dyn FnMut(ReadProgress) + Send),
    ) -> Result<ReadJournal, ClusterError> {
        let read = read_again(READ_AGAIN, async || -> Tried<ReadJournal> {
            let info = self.info().await?;
            let (first, last) = (info.state.first_sequence, info.state.last_sequence);
            if last == 0 {
                return Err(ClusterError::Missing(self.name));
            }
            if info.state.messages == 0 {
                let why = "it is missing, and so is everything before it".to_owned();
                let error = ReplayError { stream: self.subjects.stream.clone(), sequence: last, why };
                return Ok(Err(Unread { error, is_purged: false }));
            }
            let read = self.read_once(last, &mut |sequence| told(ReadProgress { first, last, sequence })).await?;
            match read {
                Ok(replayed) => Ok(Ok(ReadJournal { replayed, unfit: unfit(&info.config) })),
                Err(error) => {
                    let is_purged = self.info().await?.state.first_sequence > first;
                    Ok(Err(Unread { error, is_purged }))
                }
            }
        });
        read.await?.map_err(|Unread { error, is_purged }| {
            if !is_purged {
                return self.damaged(&error);
            }
            let why = format!("its node writes so much that it was purged each time while it was read; {error}");
            ClusterError::request(format!("give the stream {} as it is at one moment", self.subjects.stream), why)
        })
    }

    fn damaged(&self, error: &ReplayError) -> ClusterError {
        ClusterError::Damaged { name: self.name, why: error.to_string() }
    }

    /// The inner error says why the messages are no journal.
    async fn read_once(
        &self,
        until: u64,
        told: &mut (dyn FnMut(u64) + Send),
    ) -> Result<Result<Replayed, ReplayError>, ClusterError> {
        let stream = self.context.get_stream_no_info(&self.subjects.stream).await;
        let stream = stream.map_err(|error| self.not_given(&error))?;
        let consumer = while_no_leader(|| async {
            let config = OrderedConfig { deliver_subject: self.client.new_inbox(), ..OrderedConfig::default() };
            stream.create_consumer(config).await.map_err(|error| match error.kind() {
                jetstream::stream::ConsumerErrorKind::JetStream(error) => ApiFailure::Refused(error),
                _ => ApiFailure::Silent(error.to_string()),
            })
        })
        .await
        .map_err(|failure| failure.into_error(&format!("give the stream {}", self.subjects.stream)))?;
        let messages = consumer.messages().await.map_err(|error| self.not_given(&error))?;
        read_until(&mut Consumed { stream: self, messages }, &self.subjects, until, told).await
    }

    fn not_given(&self, why: &dyn std::fmt::Display) -> ClusterError {
        ClusterError::request(format!("give the stream {}", self.subjects.stream), why)
    }

    /// Removes the messages below this sequence. A complete snapshot has them.
    pub(crate) async fn purge_below(&self, sequence: u64) -> Result<(), ClusterError> {
        let what = format!("purge the stream {}", self.subjects.stream);
        let stream = self.context.get_stream_no_info(&self.subjects.stream).await;
        let stream = stream.map_err(|error| ClusterError::request(&what, error))?;
        stream.purge().sequence(sequence).await.map(drop).map_err(|error| ClusterError::request(&what, error))
    }

    /// Gives the stream more room. Gives the room that it has then.
    pub(crate) async fn grow(&self, max_bytes: u64) -> Result<u64, ClusterError> {
        let what = format!("give the stream {} more room", self.subjects.stream);
        let mut info = self.stream_info().await.map_err(|failure| failure.into_error(&what))?;
        info.config.max_bytes = i64::try_from(max_bytes).unwrap_or(i64::MAX);
        let subject = format!("STREAM.UPDATE.{}", self.subjects.stream);
        let info: Info = self.api(&subject, &info.config).await.map_err(|failure| failure.into_error(&what))?;
        Ok(facts(&info).max_bytes)
    }

    /// Deletes the stream, with all that is in it. One that is not there is deleted.
    pub(crate) async fn delete(&self) -> Result<(), ClusterError> {
        let subject = format!("STREAM.DELETE.{}", self.subjects.stream);
        let nothing = json!({});
        match while_no_leader(|| self.api::<serde_json::Value>(&subject, &nothing)).await {
            Ok(_) => Ok(()),
            Err(ApiFailure::Refused(error)) if error.error_code() == ErrorCode::STREAM_NOT_FOUND => Ok(()),
            Err(failure) => Err(failure.into_error(&format!("delete the stream {}", self.subjects.stream))),
        }
    }
}

/// Makes a request again for as long as nobody answers it, up to [`NO_LEADER_FOR`].
pub(crate) async fn while_no_leader<T, F: Future<Output = Result<T, ApiFailure>>>(
    request: impl Fn() -> F,
) -> Result<T, ApiFailure> {
    let until = Instant::now() + NO_LEADER_FOR;
    loop {
        match request().await {
            Err(ApiFailure::Silent(_)) if Instant::now() < until => pause(NO_LEADER_AGAIN).await,
            answer => return answer,
        }
    }
}

/// The messages of a stream, as one of its copies gives them.
struct Consumed<'s> {
    stream: &'s JournalStream,
    messages: Ordered,
}

impl Source for Consumed<'_> {
    async fn next(&mut self) -> Result<Message, ClusterError> {
        let stream = self.stream;
        let failed = |why: &dyn std::fmt::Display| stream.not_given(why);
        let message = match timeout(READ_SILENCE, self.messages.next()).await {
            Ok(Some(Ok(message))) => message,
            Ok(Some(Err(error))) => return Err(failed(&error)),
            Ok(None) => return Err(failed(&"it ended before its last message")),
            Err(_) => return Err(failed(&format!("nothing came for {READ_SILENCE:?}"))),
        };
        let info = message.info().map_err(|error| failed(&error))?;
        let (sequence, pending) = (info.stream_sequence, info.pending);
        let async_nats::Message { subject, payload: body, .. } = message.message;
        Ok(Message { sequence, subject, body, pending })
    }

    async fn lacks(&self, sequence: u64) -> bool {
        matches!(self.stream.look(sequence, REQUEST_TIMEOUT).await, Heard::Found { message: None, .. })
    }
}

fn refusal(error: &ApiError) -> Heard {
    if error.error_code() == ErrorCode::STREAM_NOT_FOUND {
        return Heard::NoStream;
    }
    let (code, err_code) = (error.code(), error.error_code().0);
    let code = if err_code == 0 { u64::try_from(code).unwrap_or(0) } else { err_code };
    Heard::Refused { code, description: error.to_string() }
}

fn config(subjects: &Subjects, max_bytes: u64) -> Config {
    Config {
        name: subjects.stream.clone(),
        description: Some("a journal of Lastword: only its program writes to it".to_owned()),
        subjects: vec![subjects.fence.clone(), subjects.groups.clone(), subjects.snapshots.clone()],
        retention: RetentionPolicy::Limits,
        storage: StorageType::File,
        num_replicas: REPLICAS,
        // At the limit the newest message is refused: nothing that was acknowledged is ever dropped.
        discard: DiscardPolicy::New,
        max_bytes: i64::try_from(max_bytes).unwrap_or(i64::MAX),
        max_messages: -1,
        max_messages_per_subject: -1,
        max_consumers: -1,
        max_message_size: MAX_MESSAGE_BYTES,
        duplicate_window: DUPLICATE_WINDOW,
        deny_delete: true,
        // Purged below a snapshot.
        deny_purge: false,
        allow_direct: false,
        compression: Some(Compression::None),
        metadata: HashMap::from([(FORMAT_KEY.to_owned(), FORMAT.to_string())]),
        ..Config::default()
    }
}

/// What keeps a stream from holding a journal, and what to do.
fn unfit(config: &Config) -> Option<String> {
    let format = config.metadata.get(FORMAT_KEY).map_or("none", String::as_str);
    if format.parse::<u32>().map_or(true, |format| format > FORMAT) {
        let format = lastword_events::printable(format);
        return Some(format!(
            "it has the format {format}, and this program knows up to {FORMAT}: use the newer program"
        ));
    }
    let is = |what: &str, edit: &str| Some(format!("{what}: edit it ({edit}), or let the program make another"));
    if config.num_replicas < REPLICAS {
        return is("it is on fewer than three servers", "`num_replicas: 3`");
    }
    if config.storage != StorageType::File {
        return is("it is in memory", "`storage: file`");
    }
    if config.discard != DiscardPolicy::New || config.retention != RetentionPolicy::Limits {
        return is("it drops old messages when it is full", "`discard: new`, `retention: limits`");
    }
    if config.max_age != Duration::ZERO || config.max_messages > 0 || config.max_messages_per_subject > 0 {
        return is("it drops messages by age or number", "no `max_age`, no `max_msgs`, no `max_msgs_per_subject`");
    }
    if !config.deny_delete {
        return is("single messages can be deleted from it", "`deny_delete: true`");
    }
    if config.persist_mode == Some(PersistenceMode::Async) {
        return is("it acknowledges what is not on the disk", "`persist_mode: default`");
    }
    None
}

fn sequences(info: &Info) -> Heard {
    Heard::Info { first_sequence: info.state.first_sequence, last_sequence: info.state.last_sequence }
}

/// Whether the leader that says this has heard from most of the stream's servers of late, itself among them. One that is cut off from the
/// others takes itself for the leader for some 12 s more, and answers as before; then others answer that there is none.
fn has_quorum(info: &Info) -> bool {
    let Some(cluster) = &info.cluster else { return true };
    // A server of which it has never heard anything was active 0 s ago, and is not current.
    let is_heard =
        |peer: &&PeerInfo| !peer.offline && peer.active <= HEARD_WITHIN && (peer.current || !peer.active.is_zero());
    let heard = 1 + cluster.replicas.iter().filter(is_heard).count();
    cluster.leader.is_some() && 2 * heard > 1 + cluster.replicas.len()
}

fn facts(info: &Info) -> Facts {
    let cluster = info.cluster.as_ref();
    let leader = cluster.and_then(|cluster| cluster.leader.clone());
    let leads = leader.map(|server| Replica { server, leads: true, current: true });
    let followers = cluster.iter().flat_map(|cluster| &cluster.replicas);
    let followers = followers.map(|peer| Replica {
        server: peer.name.clone(),
        leads: false,
        current: peer.current && !peer.offline,
    });
    Facts {
        bytes: info.state.bytes,
        max_bytes: u64::try_from(info.config.max_bytes).unwrap_or(u64::MAX),
        replicas: leads.into_iter().chain(followers).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made() -> Config {
        config(&Subjects::new("LW", "abcd1234".parse().unwrap()), 1 << 30)
    }

    fn wrong(change: impl FnOnce(&mut Config)) -> String {
        let mut config = made();
        change(&mut config);
        unfit(&config).unwrap()
    }

    #[test]
    fn the_stream_that_is_made_can_hold_a_journal() {
        assert_eq!(unfit(&made()), None);
        assert_eq!(made().name, "LW_J_abcd1234");
    }

    #[test]
    fn a_stream_that_can_lose_what_it_acknowledged_is_refused_and_says_what_to_edit() {
        assert!(wrong(|one| one.num_replicas = 1).contains("num_replicas: 3"));
        assert!(wrong(|one| one.storage = StorageType::Memory).contains("storage: file"));
        assert!(wrong(|one| one.discard = DiscardPolicy::Old).contains("discard: new"));
        assert!(wrong(|one| one.retention = RetentionPolicy::WorkQueue).contains("retention: limits"));
        assert!(wrong(|one| one.max_age = Duration::from_secs(1)).contains("max_age"));
        assert!(wrong(|one| one.max_messages = 9).contains("max_msgs"));
        assert!(wrong(|one| one.max_messages_per_subject = 1).contains("max_msgs_per_subject"));
        assert!(wrong(|one| one.deny_delete = false).contains("deny_delete"));
        assert!(wrong(|one| one.persist_mode = Some(PersistenceMode::Async)).contains("persist_mode"));
        assert!(wrong(|one| one.metadata.clear()).contains("format"));
        assert!(
            wrong(|one| drop(one.metadata.insert(FORMAT_KEY.to_owned(), "2".to_owned()))).contains("newer program")
        );
    }

    #[test]
    fn a_leader_that_has_not_heard_from_most_servers_of_late_has_no_quorum() {
        let followers = |said: &[(bool, u64)]| {
            let follower = |(current, active_ms): &(bool, u64)| {
                let nanoseconds = active_ms * 1_000_000;
                json!({"name": "n", "current": current, "active": nanoseconds})
            };
            let info = json!({
                "config": made(),
                "created": "2026-01-01T00:00:00Z",
                "state": {
                    "messages": 1, "bytes": 9, "first_seq": 1, "last_seq": 1, "consumer_count": 0,
                    "first_ts": "2026-01-01T00:00:00Z", "last_ts": "2026-01-01T00:00:00Z"
                },
                "cluster": {"name": "c", "leader": "n1", "replicas": said.iter().map(follower).collect::<Vec<_>>()},
                "ts": "2026-01-01T00:00:00Z"
            });
            has_quorum(&serde_json::from_value(info).unwrap())
        };
        assert!(followers(&[(true, 700), (true, 900)]));
        assert!(followers(&[(true, 700), (false, 20_000)]), "two of three");
        assert!(followers(&[(false, 700), (false, 20_000)]), "one that catches up stores what comes");
        assert!(followers(&[(true, 0), (false, 20_000)]), "just now");
        assert!(!followers(&[(true, 3_500), (true, 3_500)]), "others may lead by now");
        assert!(!followers(&[(false, 0), (true, 9_000)]), "it has never heard of the first");
        assert!(followers(&[(true, 1), (true, 1), (true, 9_000), (true, 9_000)]), "three of five");
        assert!(!followers(&[(true, 1), (true, 9_000), (true, 9_000), (true, 9_000)]), "two of five");
    }

    #[test]
    fn an_answer_to_a_message_is_a_sequence_or_a_refusal() {
        let read = |body: &str| serde_json::from_str::<Published>(body).unwrap();
        assert!(matches!(read(r#"{"stream":"LW_J_a","seq":7}"#), Published::Stored { seq: 7 }));
        let refused = read(
            r#"{"error":{"code":400,"err_code":10071,"description":"wrong last sequence: 7"},"stream":"LW_J_a","seq":0}"#,
        );
        assert!(matches!(refused, Published::Refused { error: ApiRefusal { err_code: 10071, .. } }));
        assert!(serde_json::from_str::<Published>("{}").is_err());
    }
}
