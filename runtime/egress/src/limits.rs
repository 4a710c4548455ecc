//! The limits of one guest call's requests, and of all requests together.
//!
//! A hook reports a session's end: a few requests of some kilobytes each. The defaults are far above that, and far
//! below values that would harm the host with every slot in use.

use std::time::Duration;

use crate::turns::Part;

/// Requests that one call may make, refused ones included.
///
/// Enough for a look-up, a write and some retries at several services; a guest that loops over `send` is stopped before
/// it becomes a scanner.
pub const MAX_REQUESTS: u32 = 16;

/// Bytes of request bodies that one call may send in total. A summary or a flushed memory is some kilobytes.
pub const MAX_REQUEST_BODY_BYTES: u64 = 1024 * 1024;

/// Bytes of response bodies that one call may receive in total. They end up in the guest's memory, 64 MiB by default.
pub const MAX_RESPONSE_BODY_BYTES: u64 = 4 * 1024 * 1024;

/// Bytes of a response until the end of its header, informational (1xx) responses included.
///
/// Common servers and proxies send at most 8 to 32 KiB.
pub const MAX_RESPONSE_HEADER_BYTES: usize = 64 * 1024;

/// Header fields of a response. hyper's own default, set here because hyper's may change.
pub const MAX_RESPONSE_HEADERS: usize = 100;

/// Look-ups of one plugin that run at once, for all tenants. An answer comes in milliseconds, or the name's server is
/// down. Further look-ups wait for their turn.
pub const MAX_LOOKUPS_OF_PLUGIN: usize = 8;

/// Look-ups for one tenant that run at once: twice the bound of a plugin. Further look-ups wait for their turn, but a
/// plugin of the tenant that has none running may always have one.
pub const MAX_LOOKUPS_OF_TENANT: usize = 16;

/// Look-ups that run at once in the whole process, so that a name server gets few queries at once. Further look-ups
/// wait for their turn.
pub const MAX_LOOKUPS: usize = 64;

/// The time after which a look-up is abandoned: its thread continues, because it cannot be interrupted, and another
/// look-up may begin in its place. A working name server answers within a second, including the second one that a
/// resolver asks.
pub const LOOKUP_ABANDONED_AFTER: Duration = Duration::from_secs(2);

/// Abandoned look-ups of one plugin: a quarter of all. Beyond it the plugin waits until one of them ends.
pub const MAX_ABANDONED_LOOKUPS_OF_PLUGIN: usize = 64;

/// Abandoned look-ups for one tenant: half of all, and twice the bound of a plugin, so that one plugin takes at most
/// half of its tenant's. Beyond it a plugin that has none running has one at a time.
pub const MAX_ABANDONED_LOOKUPS_OF_TENANT: usize = 128;

/// Abandoned look-ups in the whole process. Each is a thread, and some 50 KiB. One ends when the resolver gives up,
/// which takes glibc 10 s for each server by default. Beyond it an account that has none running has one at a time.
pub const MAX_ABANDONED_LOOKUPS: usize = 256;

pub(crate) const LOOKUPS: Part =
    Part { of_plugin: MAX_LOOKUPS_OF_PLUGIN, of_tenant: MAX_LOOKUPS_OF_TENANT, in_all: MAX_LOOKUPS };

pub(crate) const ABANDONED_LOOKUPS: Part = Part {
    of_plugin: MAX_ABANDONED_LOOKUPS_OF_PLUGIN,
    of_tenant: MAX_ABANDONED_LOOKUPS_OF_TENANT,
    in_all: MAX_ABANDONED_LOOKUPS,
};

/// Threads for look-ups: one for each possible look-up.
pub(crate) const MAX_LOOKUP_THREADS: usize = MAX_LOOKUPS + MAX_ABANDONED_LOOKUPS;

/// The time for which an idle look-up thread stays: longer than a busy gateway pauses.
pub(crate) const IDLE_LOOKUP_THREAD_STAYS: Duration = Duration::from_secs(10);

/// Stack of a look-up thread, in bytes. `getaddrinfo` loads the modules that the system is configured with. Untouched
/// pages take no memory.
pub(crate) const LOOKUP_STACK_BYTES: usize = 1024 * 1024;

/// The part of the process's open files (three in four) that connections may use. The rest is for look-ups,
/// transcripts, the journal, and the embedder.
pub(crate) const CONNECTIONS_OF_FILES: (usize, usize) = (3, 4);

/// The part of all connections (three in four) that one plugin may have, so that the rest is free for other plugins
/// whatever its servers do.
pub(crate) const CONNECTIONS_OF_PLUGIN: (usize, usize) = (3, 4);

/// The part of all connections (seven in eight) that one tenant may have: more than one of its plugins, so that with a
/// single tenant one plugin leaves connections to the rest. A plugin of the tenant that has none may always have one.
pub(crate) const CONNECTIONS_OF_TENANT: (usize, usize) = (7, 8);

/// The least number of connections, even if the process may open only few files.
pub const MIN_CONNECTIONS: usize = 16;

/// The largest number of connections, even if the process may open more files: 16 for each of 4 096 calls.
pub const MAX_CONNECTIONS: usize = 65_536;

/// The time for which a connection is kept for the next request. Node, Apache and uvicorn close a connection after 5 s
/// of idleness. Closing it earlier makes it rarer that a request meets a server that is just closing.
pub const IDLE_CONNECTION_STAYS: Duration = Duration::from_secs(4);

/// Idle connections of one plugin for one tenant: half of all. A burst needs fewer of them than it has calls at once,
/// because the calls do not all wait for their next request at the same time. Beyond it the longest idle one is closed.
pub const MAX_IDLE_CONNECTIONS_OF_ACCOUNT: usize = 1_024;

/// Bytes of the headers of a request and of its response together up to which a connection is kept. A larger exchange
/// closes its connection, because the grown buffers would stay. Nearly all have less than 2 KiB; body bytes that are
/// read with the header count.
pub const MAX_KEPT_HEADER_BYTES: usize = 16 * 1024;

/// Kept connections that one request may find closed. When a server restarts all of them are closed; the request then
/// makes a new one.
pub(crate) const CLOSED_CONNECTIONS_TRIED: usize = 2;

/// Idle connections in the whole process. Each holds some 25 KiB in buffers, 40 with TLS: 50 to 80 MiB in all, because
/// no connection is kept whose buffers have grown for a header ([`MAX_KEPT_HEADER_BYTES`]). The number never exceeds
/// the connections that may still be opened, [`MAX_CONNECTIONS`]. Beyond either bound the longest idle one is closed.
pub const MAX_IDLE_CONNECTIONS: usize = 2_048;

/// The time for which a name's addresses are reused. `getaddrinfo` does not tell how long they are valid. A server that
/// moves is found within the time that operators wait for a change anyway.
pub const ADDRESSES_STAY: Duration = Duration::from_secs(5);

/// The time for which a failed look-up is not repeated: long enough for the calls of a burst, and short enough that a
/// guest's second try finds a recovered name server.
pub const LOOKUP_FAILURES_STAY: Duration = Duration::from_secs(1);

/// Names of one tenant whose addresses are kept: some for each of its plugins. Beyond it the one that expires next is
/// dropped.
pub const MAX_KEPT_NAMES_OF_TENANT: usize = 64;

/// Names whose addresses are kept in the whole process, some 300 bytes each. Beyond it the one that expires next is
/// dropped.
pub const MAX_KEPT_NAMES: usize = 4_096;

/// Addresses of a name that are kept. An answer with more is used once: names of large services have a dozen.
pub(crate) const MAX_KEPT_ADDRESSES: usize = 64;

/// TLS sessions that one plugin may resume for one tenant: those of its last two servers, because rustls keeps eight of
/// each.
pub(crate) const TLS_SESSIONS_OF_ACCOUNT: usize = 16;

/// Accounts whose TLS sessions are kept: the most recent ones. Each takes some 10 KiB; with the largest tickets that
/// TLS allows, 1 MiB.
pub(crate) const MAX_ACCOUNTS_WITH_TLS_SESSIONS: usize = 128;

/// Bytes read from a connection at a time, one buffer for each connection. hyper's own first buffer is as large.
pub(crate) const READ_BUFFER_BYTES: usize = 8 * 1024;

/// The smallest buffer that hyper accepts, in bytes. A smaller limit on the header is enforced by the head gate alone.
pub(crate) const MIN_HYPER_BUFFER_BYTES: usize = 8 * 1024;

/// The limits of one guest call. `Default` gives the constants of this module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Requests, refused ones included.
    pub max_requests: u32,
    /// Bytes of all request bodies together.
    pub max_request_body_bytes: u64,
    /// Bytes of all response bodies together, as transferred but without chunk framing. Nothing is decompressed.
    pub max_response_body_bytes: u64,
    /// Bytes of one response until the end of its header, informational responses included.
    pub max_response_header_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_requests: MAX_REQUESTS,
            max_request_body_bytes: MAX_REQUEST_BODY_BYTES,
            max_response_body_bytes: MAX_RESPONSE_BODY_BYTES,
            max_response_header_bytes: MAX_RESPONSE_HEADER_BYTES,
        }
    }
}
