//! The server's limits, with their units and the source of each number.

use std::time::Duration;

/// The time between an owner's death and the end of its sessions. The last hooks of real agents came up to 0.4 s after
/// their agent's process was gone.
pub const DEFAULT_GRACE: Duration = Duration::from_secs(2);

/// The time that an owner's drain waits: as long as the whole daemon's by default.
pub const DEFAULT_OWNER_DRAIN: Duration = Duration::from_secs(2);

/// The longest lease. To its users, an owner that is away for longer is dead.
pub const MAX_LEASE: Duration = Duration::from_secs(24 * 60 * 60);

/// The shortest lease: an owner has to renew it over a network that may pause.
pub const MIN_LEASE: Duration = Duration::from_secs(1);

/// Owners with a name that are registered at once. Each uses some hundred bytes, and each watched process a file
/// descriptor.
pub const MAX_OWNERS: usize = 100_000;

/// Registered owners of one tenant: a fifth of all, so that one tenant leaves most of them to the other tenants.
pub const MAX_TENANT_OWNERS: usize = 20_000;

/// Raw connections that are owners, alive or in their grace: one in its grace for each that may be open.
pub const MAX_CONNECTION_OWNERS: usize = 2 * MAX_CONNECTIONS;

/// The time for which the server keeps an owner without sessions and without a watch, after the last sign of life:
/// longer than a program takes from its registration to its first session.
pub const UNWATCHED_OWNER_KEPT: Duration = Duration::from_secs(10 * 60);

/// An owner's name, in bytes of UTF-8: that of a tenant or a host fits, with a number.
pub const MAX_OWNER_NAME_BYTES: usize = 256;

/// An owner's kind, in bytes of UTF-8.
pub const MAX_OWNER_KIND_BYTES: usize = 64;

/// The time before the server retries the ends that it could not write down, for instance because the disk was full.
pub const END_RETRY: Duration = Duration::from_secs(1);

/// Ends of dead owners' sessions that are requested at once: as many as fill some commits of the journal. The journal
/// takes 65 536 requests at once, and has to answer other callers meanwhile.
pub const ENDS_AT_ONCE: usize = 256;

/// Sessions of the last run that are started again at once: many, because the runtime's grace passes meanwhile, but
/// only a quarter of the journal's requests.
pub const RESUMES_AT_ONCE: usize = 16_384;

/// Connections at once to Unix sockets, and as many over TCP. Each has a file descriptor, and a buffer of 64 KiB when
/// it is busy.
pub const MAX_CONNECTIONS: usize = 16_384;

/// TCP connections at once that have not shown a valid token yet. A client with a token shows it in its first request,
/// so these are handshakes, probes of load balancers, and strangers.
pub const MAX_STRANGERS: usize = 512;

/// Open files of the process for each connection to a Unix socket. With one more over TCP, this leaves half of the
/// files to the journal, to plugins and to watched owners.
pub const FILES_FOR_A_CONNECTION: u64 = 4;

/// Connections at once with tokens of one tenant, so that one tenant leaves most of them to the other tenants.
pub const MAX_TENANT_CONNECTIONS: usize = 1_024;

/// Requests a second with one token. A gateway with a thousand sessions sends some ten a second.
pub const MAX_REQUESTS_PER_SECOND: u32 = 1_000;

/// Bytes of a request's body: the longest line that stdio takes.
pub const MAX_BODY_BYTES: usize = lastword_protocol::limits::MAX_LINE_BYTES;

/// Bytes of the body of `POST /v1/events`: some ten thousand lines.
pub const MAX_EVENTS_BODY_BYTES: usize = 16 * 1024 * 1024;

/// Bytes of all bodies that are held at once: sixteen of the largest.
pub const MAX_BODIES_BYTES: usize = 256 * 1024 * 1024;

/// Bytes of the bodies of one tenant's tokens that are held at once, so that one tenant leaves most of them to the
/// other tenants.
pub const MAX_TENANT_BODIES_BYTES: usize = 64 * 1024 * 1024;

/// Events of one body: twenty seconds' worth of what a token may send, each with an answer that is held until all are there.
pub const MAX_EVENTS_IN_A_BODY: usize = 20_000;

/// Bytes of a body that are parsed before other tasks run: less than a millisecond's work.
pub const BODY_PIECE_BYTES: usize = 64 * 1024;

/// Deliveries of one request that are awaited at once. The rest follow as these are settled.
pub const WAITS_AT_ONCE: usize = 1_024;

/// Requests at once of one tenant's tokens that wait for deliveries or watch the stream. The server notices that a
/// client is gone only when it answers, so such a request may hold its place for as long as [`MAX_WAIT`].
pub const MAX_TENANT_WAITS: usize = 256;

/// The time for which a list of one tenant's deliveries is searched among other tenants' rows: some million rows. After
/// it the caller is told to narrow the list.
pub const LIST_TIMEOUT: Duration = Duration::from_secs(5);

/// Events of one owner's stdio, raw connection or body that were handed to the runtime and whose answer is awaited. One
/// commit of a journal on disk takes about 250 µs. No owner sends this many events in the time of a commit, and the
/// bound limits their memory.
pub const MAX_PENDING_ANSWERS: usize = 1024;

/// Bytes of a request's head: four times what browsers send.
pub const MAX_HEAD_BYTES: usize = 32 * 1024;

/// Header fields of a request.
pub const MAX_HEADERS: usize = 64;

/// The time for a request's head, and the longest idle time of a connection.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// The time for a request's body: 16 MiB at 4 Mbit/s.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// The time in which a client has to take a byte of its answer.
pub const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// The longest wait of `?wait=delivered`: some seconds less than the 60 s after which proxies give up.
pub const MAX_WAIT: Duration = Duration::from_secs(55);

/// Settled deliveries that are remembered, for callers that ask for an outcome after it: some 16 MB at most.
pub const MAX_RECENT_SETTLEMENTS: usize = 65_536;

/// Settled deliveries of one tenant that are remembered: nearly as many as one body of `POST /v1/events` may have
/// events.
pub const MAX_TENANT_RECENT_SETTLEMENTS: usize = 16_384;

/// Events that a reader of `/v1/stream` may be behind. The stream reports the number of missed events.
pub const MAX_STREAM_BEHIND: usize = 4_096;

/// Events that a reader of one tenant's stream may be behind. Each watched tenant has a ring of this size, some 64 KiB.
pub const MAX_TENANT_STREAM_BEHIND: usize = 1_024;

/// The interval of a quiet stream's keep-alive comments: proxies cut a connection that is silent for 30 s or more.
pub const STREAM_KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Lines that wait for the reader of a raw connection. Outcomes that do not fit are dropped and counted; answers that
/// do not fit delay reading.
pub const MAX_RAW_LINES_BEHIND: usize = 4_096;

/// Bytes that are read at once from a raw connection: some twenty lines. Each connection has such a buffer, also while
/// it is idle.
pub const RAW_READ_BYTES: usize = 8 * 1024;

/// The time for which a raw connection stays open after the end of its input, for the outcomes of its last ends.
/// Counted from those ends.
pub const RAW_LAST_OUTCOMES: Duration = Duration::from_secs(10);

/// Deliveries of a session that a raw connection remembers as settled before the answer that says that they are owed:
/// many times the number of plugins that are told of one event. They include deliveries of requests that were not the
/// connection's.
pub(crate) const MAX_EARLY_OUTCOMES: usize = 256;

/// The time to wait for the outcome of a delivery that the journal does not have any more. A worker reports an outcome
/// right after it hands it over, which takes microseconds on an idle processor.
pub const TOLD_BEHIND_RECORD: Duration = Duration::from_millis(200);

/// Rows of a page by default.
pub const DEFAULT_PAGE_ROWS: usize = 100;

/// Deliveries that one request redelivers or drops by name.
pub const MAX_CHANGED_AT_ONCE: usize = 1_000;

/// Values of the label for kinds of owners, which come from outside. Known kinds and those with an `idle-after` come
/// first, then those with most owners and sessions. The rest are counted as `other`.
pub const MAX_KIND_LABELS: usize = 32;

/// Plugins whose calls have a label of their own. The rest are counted as `other`. A plugin that was uninstalled keeps
/// its label until the daemon exits, and with it three histograms, of about 50 series.
pub const MAX_PLUGIN_LABELS: usize = 1_000;

/// Tenants that have a label of their own, if the settings ask for it. The rest are counted as `other`.
pub const MAX_TENANT_LABELS: usize = 1_000;

/// The time that `/readyz` waits for the journal: a slower disk answers no request in time either.
pub const READY_TIMEOUT: Duration = Duration::from_secs(2);

/// How much longer than the grace ago a death may be, by the wall clock, if the owner came back within the grace by the
/// monotonic clock.
pub(crate) const WALL_CLOCK_SLACK: Duration = Duration::from_secs(1);

/// The shortest time between two writes that `/readyz` requests from the journal. A more frequent caller gets the last
/// answer.
pub const READY_PROBE_EVERY: Duration = Duration::from_secs(1);

/// How long a TLS handshake may take: two round trips to the other side of the world, on a bad day.
pub const TLS_HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a login in a browser is valid: a working day, and its evening.
pub const LOGIN_KEPT: Duration = Duration::from_secs(12 * 60 * 60);

/// Logins at once, of all tokens. Each has some hundred bytes.
pub const MAX_LOGINS: usize = 1_024;

/// Logins at once with one token; one more ends the oldest. A token is one person's, who has a few browsers.
pub const MAX_TOKEN_LOGINS: usize = 32;

/// Bytes of a form: a token, and the names of some deliveries. The sender may be a stranger.
pub const MAX_FORM_BYTES: usize = 8 * 1024;

/// Rows of each list of the page. The API and the commands show the rest.
pub const PAGE_ROWS: usize = 50;

/// The time for which the page searches a tenant's deliveries among other tenants' rows, for each state.
pub const PAGE_LIST_TIMEOUT: Duration = Duration::from_secs(1);

/// The time that the page waits for all its reads of the journal: as long as the three states take. The page's script
/// waits 10 s for an answer, so a caller may also wait for the run before its own.
pub const PAGE_LISTS_TIMEOUT: Duration = Duration::from_secs(3);

/// Characters of outside text in one place of the page.
pub const MAX_SHOWN_CHARS: usize = 160;

/// Calls of one plugin for one tenant that its health is computed from: the second slowest is the 99th percentile.
pub const RECENT_CALLS: usize = 128;

/// Pairs of tenant and plugin whose last calls are remembered: some 6 MB at most.
pub const MAX_RECENT_PAIRS: usize = 1_024;

/// Failures in a row of one plugin that make a finding. Two may be a server that restarts.
pub const FAILURES_THAT_ARE_WRONG: usize = 3;

/// Drains that are remembered, the daemon's own and those of owners that said goodbye.
pub const MAX_RECENT_DRAINS: usize = 20;

/// Remembered drains of one tenant's owners.
pub const MAX_TENANT_RECENT_DRAINS: usize = 10;

/// Dead owners that are remembered.
pub const MAX_RECENT_DEATHS: usize = 100;

/// Remembered dead owners of one tenant.
pub const MAX_TENANT_RECENT_DEATHS: usize = 50;

/// The time for which an owner's death is a finding.
pub const DEATH_IS_NEWS: Duration = Duration::from_secs(60 * 60);

/// The time that a listener waits after an error such as too many open files, before it takes the next connection.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Milliseconds without an acknowledgement of the NATS servers, although something waits, that are wrong. An election takes 4 to 9 s, and
/// from 10 s on the journal refuses starts.
pub const STREAM_SILENT: u64 = 10_000;

/// The part of its stream in percent from which a journal is nearly full. From 60 on it writes snapshots to make room, and at 90 it
/// refuses starts: 80 says that snapshots are not enough.
pub const STREAM_NEARLY_FULL_PERCENT: u64 = 80;
