//! Every number that bounds the talk with the servers, with its unit, its reason and its effect.

use std::time::Duration;

/// Requests of owners that may wait for the servers. The journal refuses one more, because an owner that sends faster than the servers
/// write has to learn it.
pub const MAX_QUEUED_WRITES: usize = 65_536;
/// So long nothing was acknowledged while something waits, and a start is refused: an election of JetStream takes 4 to 9 s, so a shorter
/// time would refuse starts in each one.
pub const SILENT_AFTER: Duration = Duration::from_secs(10);
/// The part of a stream's `max_bytes` above which a start is refused, in percent. The rest is for ends and outcomes, until a snapshot
/// makes room.
pub const FULL_PERCENT: u64 = 90;
/// The default of `max_bytes`, in bytes. The servers reserve it: the sum over all journals must fit `max_file_store` of each server.
pub const DEFAULT_MAX_BYTES: u64 = 1 << 30;
/// The smallest `max_bytes`. A stream has to hold two snapshots and the groups between them.
pub const MIN_MAX_BYTES: u64 = 16 << 20;
/// How many servers hold a copy of each journal. With three, one of them may be away.
pub const REPLICAS: usize = 3;

/// The payload that a server must take, in bytes: a group is half of it, and the rest is headers and room for what comes.
pub(crate) const MIN_MAX_PAYLOAD: u64 = 1 << 20;
/// The largest message of a stream, in bytes, headers included. A group has at most 512 KiB.
pub(crate) const MAX_MESSAGE_BYTES: i32 = 640 << 10;
/// How long the servers look for a second message with the same id, which we never send: the smallest that they take.
pub(crate) const DUPLICATE_WINDOW: Duration = Duration::from_millis(100);

/// The time for one try to connect.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a program that starts tries to connect. Servers that are started beside it need seconds.
pub(crate) const CONNECT_FOR: Duration = Duration::from_secs(10);
/// How often the server of a connection is asked whether it is there. The client leaves one that has not answered three times, so after 4 s:
/// that is shorter than the 6 s of silence after which the others take a node for dead. One that hangs keeps its connections open.
pub(crate) const PING_EVERY: Duration = Duration::from_secs(1);
/// The time between two tries to connect.
pub(crate) const CONNECT_AGAIN: Duration = Duration::from_millis(500);
/// So long a server whose connection was lost, or that did not answer, is tried behind all others: one whose machine is gone takes the whole
/// time of a try. A server that is started again is there by then.
pub(crate) const LOST_FOR: Duration = Duration::from_secs(30);
/// The time for one request to JetStream's API.
pub(crate) const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a request is made again while JetStream has no leader. An election takes 4 to 9 s, and two may follow each other.
pub(crate) const NO_LEADER_FOR: Duration = Duration::from_secs(30);
/// The time between two such requests.
pub(crate) const NO_LEADER_AGAIN: Duration = Duration::from_millis(250);
/// A leader that has heard from another server of the stream within this has it: they speak once a second. It is shorter than the silence for
/// which a node is suspected, so one that is cut off together with a leader accuses nobody.
pub(crate) const HEARD_WITHIN: Duration = Duration::from_secs(3);
/// So long a reading stream may say nothing. The client makes the consumer anew by itself, which takes some seconds.
pub(crate) const READ_SILENCE: Duration = Duration::from_secs(20);
/// How often a stream is read from its beginning before it is called damaged: messages may be purged while it is read.
pub(crate) const READ_TRIES: u32 = 3;
/// How often more if messages were purged meanwhile, which is no damage: a node that writes much makes a snapshot and a purge each second.
pub(crate) const READ_PURGED_TRIES: u32 = 10;
/// The time between two such readings. A copy that lags behind carries the purge out meanwhile.
pub(crate) const READ_AGAIN: Duration = NO_LEADER_AGAIN.saturating_mul(4);

/// The time for one answer of a server about itself.
pub(crate) const FACTS_TIMEOUT: Duration = Duration::from_secs(5);
/// How long answers of all servers are gathered, once the first one is there.
pub(crate) const FACTS_GATHER: Duration = Duration::from_millis(500);
/// The longest answer of a server about itself, in bytes. Real ones have 10 KiB.
pub(crate) const MAX_FACTS_BYTES: usize = 4 << 20;
/// How often the servers' settings are checked again: one may be restarted with others, and no event says so.
pub(crate) const PROVE_AGAIN: Duration = Duration::from_secs(3600);
/// How often the stream's size and its replicas are looked at.
pub(crate) const LOOK_AT_STREAM: Duration = Duration::from_secs(10);
/// The largest file with a secret, in bytes. A credentials file has 1 KiB.
pub(crate) const MAX_SECRET_BYTES: u64 = 64 << 10;
/// How long a journal that is dropped without a release goes on with what was handed over.
pub(crate) const DROPPED_FOR: Duration = Duration::from_secs(10);
