//! What one guest call may send and receive.
//!
//! A hook reports a session's end: a few requests of some kilobytes each. The defaults are far above that, and far
//! below what would hurt the host when every slot for calls is in use at once.

use std::time::Duration;

use crate::turns::Part;

/// Requests that one call may make, refused ones included.
///
/// Enough for a look-up, a write and some retries at several services; a guest that loops over `send` is stopped before
/// it becomes a scanner.
pub const MAX_REQUESTS: u32 = 16;

/// Bytes of request bodies that one call may send in sum. A summary or a flushed memory is some kilobytes.
pub const MAX_REQUEST_BODY_BYTES: u64 = 1024 * 1024;

/// Bytes of response bodies that one call may receive in sum. They end up in the guest's memory, 64 MiB by default.
pub const MAX_RESPONSE_BODY_BYTES: u64 = 4 * 1024 * 1024;

/// Bytes of a response until the end of its header, informational (1xx) responses included.
///
/// Common servers and proxies send at most 8 to 32 KiB.
pub const MAX_RESPONSE_HEADER_BYTES: usize = 64 * 1024;

/// Header fields of a response. hyper's own default, written down because that one may change.
pub const MAX_RESPONSE_HEADERS: usize = 100;

/// Look-ups of one plugin under way at a time, for whichever tenants. An answer comes in milliseconds, or the name's server is
/// not there. More wait for their turn.
pub const MAX_LOOKUPS_OF_PLUGIN: usize = 8;

/// Look-ups for one tenant under way at a time: of two plugins as many as they may have. More wait for their turn, but a plugin
/// of it that has none under way has one in any case.
pub const MAX_LOOKUPS_OF_TENANT: usize = 16;

/// Look-ups under way at a time, in the whole process: a name server is asked by a few at once. More wait for their turn.
pub const MAX_LOOKUPS: usize = 64;

/// A look-up that takes longer is abandoned: its thread goes on, because nothing can interrupt it, and another may begin in its
/// place. A name server that is there answers within a second, also the second one that a resolver asks.
pub const LOOKUP_ABANDONED_AFTER: Duration = Duration::from_secs(2);

/// Abandoned look-ups of one plugin: a quarter of all. Then it waits until one of them comes to its end.
pub const MAX_ABANDONED_LOOKUPS_OF_PLUGIN: usize = 64;

/// Abandoned look-ups for one tenant: half of all, and of two plugins as many as they may have, so that one alone takes no more
/// than half of its tenant's. Beyond it a plugin that has none under way has one at a time.
pub const MAX_ABANDONED_LOOKUPS_OF_TENANT: usize = 128;

/// Abandoned look-ups in the whole process. Each is a thread, and some 50 KiB; one comes to its end when the resolver gives up,
/// which takes glibc's 10 s for each server by default. When there are as many, an account that has none under way has one at a time.
pub const MAX_ABANDONED_LOOKUPS: usize = 256;

pub(crate) const LOOKUPS: Part =
    Part { of_plugin: MAX_LOOKUPS_OF_PLUGIN, of_tenant: MAX_LOOKUPS_OF_TENANT, in_all: MAX_LOOKUPS };

pub(crate) const ABANDONED_LOOKUPS: Part = Part {
    of_plugin: MAX_ABANDONED_LOOKUPS_OF_PLUGIN,
    of_tenant: MAX_ABANDONED_LOOKUPS_OF_TENANT,
    in_all: MAX_ABANDONED_LOOKUPS,
};

/// Threads for look-ups: as many as there can be look-ups.
pub(crate) const MAX_LOOKUP_THREADS: usize = MAX_LOOKUPS + MAX_ABANDONED_LOOKUPS;

/// How long a thread for look-ups stays when there is nothing to do: longer than a busy gateway pauses.
pub(crate) const IDLE_LOOKUP_THREAD_STAYS: Duration = Duration::from_secs(10);

/// Stack of a thread for look-ups, in bytes. `getaddrinfo` loads whatever modules the system is set up with; what they do not
/// touch takes no memory.
pub(crate) const LOOKUP_STACK_BYTES: usize = 1024 * 1024;

/// The part of the files that the process may have open (three in four) which connections may be. The rest is for look-ups,
/// transcripts, the journal, and what an embedder has.
pub(crate) const CONNECTIONS_OF_FILES: (usize, usize) = (3, 4);

/// The part of all connections (three in four) that one plugin may have: the others have the rest at once, whatever its servers do.
pub(crate) const CONNECTIONS_OF_PLUGIN: (usize, usize) = (3, 4);

/// The part of all connections (seven in eight) that one tenant may have: more than one of its plugins, so that where there is a
/// single tenant one plugin leaves some to the others. A plugin of it that has none has one in any case.
pub(crate) const CONNECTIONS_OF_TENANT: (usize, usize) = (7, 8);

/// Connections that there may be at least, however few files the process may have open.
pub const MIN_CONNECTIONS: usize = 16;

/// Connections that there may be at most, however many files the process may have open: 16 for each of 4 096 calls.
pub const MAX_CONNECTIONS: usize = 65_536;

/// How long a connection is kept for the next request. Node, Apache and uvicorn close one that has been idle for 5 s: closing it
/// before they do leaves fewer requests that meet a server which is just closing.
pub const IDLE_CONNECTION_STAYS: Duration = Duration::from_secs(4);

/// Idle connections of one plugin for one tenant: half of all. A burst of calls needs fewer than it has calls at once, because they
/// do not all wait for their next request at the same time. Beyond it the one that has been idle for longest is closed.
pub const MAX_IDLE_CONNECTIONS_OF_ACCOUNT: usize = 1_024;

/// Bytes of the header of a request and of its response together, with which a connection is kept. One that had more is closed: its
/// buffers stay as large as they had to be. Nearly all have less than 2 KiB; what is read of a body together with the header counts.
pub const MAX_KEPT_HEADER_BYTES: usize = 16 * 1024;

/// Connections that were kept and turn out to be closed, which one request tries. When a server starts anew all of them are: then a
/// new one is made.
pub(crate) const CLOSED_CONNECTIONS_TRIED: usize = 2;

/// Idle connections in the whole process. Each holds some 25 KiB in buffers, 40 with TLS: 50 to 80 MiB when there are as many, because
/// none is kept whose buffers had to grow for a header ([`MAX_KEPT_HEADER_BYTES`]). There
/// are never more than connections may still be opened, [`MAX_CONNECTIONS`]. Beyond either the one that has been idle for longest is
/// closed.
pub const MAX_IDLE_CONNECTIONS: usize = 2_048;

/// How long the addresses of a name are used again. `getaddrinfo` does not say how long they hold; a server that moves is found
/// within the time that operators wait for a change anyway.
pub const ADDRESSES_STAY: Duration = Duration::from_secs(5);

/// How long a look-up that failed is not made again: long enough for the calls of a burst, and a second try of a guest finds a name
/// server that is back.
pub const LOOKUP_FAILURES_STAY: Duration = Duration::from_secs(1);

/// Names of one tenant whose addresses are kept: some for each of its plugins. Beyond it the one is forgotten that would be next.
pub const MAX_KEPT_NAMES_OF_TENANT: usize = 64;

/// Names whose addresses are kept in the whole process, some 300 bytes each. Beyond it the one is forgotten that would be next.
pub const MAX_KEPT_NAMES: usize = 4_096;

/// Addresses of a name that are kept. An answer with more is used once: names of large services have a dozen.
pub(crate) const MAX_KEPT_ADDRESSES: usize = 64;

/// TLS sessions that one plugin may resume for one tenant: of the two servers that it was at last, as rustls keeps eight of each.
pub(crate) const TLS_SESSIONS_OF_ACCOUNT: usize = 16;

/// Plugins and tenants whose TLS sessions are kept, those that sent a request last. Each takes some 10 KiB; with tickets as large as
/// TLS allows, 1 MiB.
pub(crate) const MAX_ACCOUNTS_WITH_TLS_SESSIONS: usize = 128;

/// Bytes read from a connection at a time, one buffer for each connection. hyper's own first buffer is as large.
pub(crate) const READ_BUFFER_BYTES: usize = 8 * 1024;

/// The smallest buffer that hyper accepts, in bytes: a smaller limit on the header is kept by the head gate alone.
pub(crate) const MIN_HYPER_BUFFER_BYTES: usize = 8 * 1024;

/// The limits of one guest call. `Default` gives the constants of this module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Requests, refused ones included.
    pub max_requests: u32,
    /// Bytes of all request bodies together.
    pub max_request_body_bytes: u64,
    /// Bytes of all response bodies together, as they are on the wire without chunk framing: nothing is decompressed.
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
