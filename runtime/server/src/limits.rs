//! Every number that bounds the server, with its unit and where it comes from.

use std::time::Duration;

/// How long after an owner's death its sessions end. The last hooks of real agents came up to 0.4 s after their agent's process was gone.
pub const DEFAULT_GRACE: Duration = Duration::from_secs(2);

/// How long an owner's drain waits: as long as the whole daemon's by default.
pub const DEFAULT_OWNER_DRAIN: Duration = Duration::from_secs(2);

/// How long a lease may be. An owner that is away for longer is dead for all that its users can tell.
pub const MAX_LEASE: Duration = Duration::from_secs(24 * 60 * 60);

/// How short a lease may be: an owner has to renew it, over a network that has hiccups.
pub const MIN_LEASE: Duration = Duration::from_secs(1);

/// Owners with a name that are registered at once. Each has some hundred bytes, and each process that is watched a file descriptor.
pub const MAX_OWNERS: usize = 100_000;

/// Owners of one tenant that are registered at once: a fifth of all, so that one tenant leaves the others most of them.
pub const MAX_TENANT_OWNERS: usize = 20_000;

/// Raw connections that are owners, alive or in their grace: as many of the latter as there may be connections.
pub const MAX_CONNECTION_OWNERS: usize = 2 * MAX_CONNECTIONS;

/// How long an owner without sessions, of whose death nothing tells, is kept after it was heard of: longer than a program takes from its
/// registration to its first session.
pub const UNWATCHED_OWNER_KEPT: Duration = Duration::from_secs(10 * 60);

/// An owner's name, in bytes of UTF-8: that of a tenant or a host fits, with a number.
pub const MAX_OWNER_NAME_BYTES: usize = 256;

/// An owner's kind, in bytes of UTF-8.
pub const MAX_OWNER_KIND_BYTES: usize = 64;

/// How long the ends of an owner's sessions wait that could not be written down, because the disk is full for instance.
pub const END_RETRY: Duration = Duration::from_secs(1);

/// Ends of dead owners' sessions that are asked for at once: as many as fill some commits of the journal. The journal takes 65 536 requests
/// at once, and others have to be answered meanwhile.
pub const ENDS_AT_ONCE: usize = 256;

/// Sessions of the last run that are started again at once: many, because the runtime's grace passes meanwhile, and a quarter of what the
/// journal takes.
pub const RESUMES_AT_ONCE: usize = 16_384;

/// Connections at once to Unix sockets, and as many over TCP: each may have a buffer of 64 KiB when it is busy, and a file descriptor
/// always.
pub const MAX_CONNECTIONS: usize = 16_384;

/// Connections over TCP at once that have not shown a valid token yet. Whoever has one shows it with the first request, so these are
/// handshakes, probes of load balancers, and strangers.
pub const MAX_STRANGERS: usize = 512;

/// Open files of the process for each connection to a Unix socket: so it and one over TCP leave as many to the journal, to plugins
/// and to the owners whose processes are watched.
pub const FILES_FOR_A_CONNECTION: u64 = 4;

/// Connections at once with tokens of one tenant: so one tenant leaves the others most of them.
pub const MAX_TENANT_CONNECTIONS: usize = 1_024;

/// Requests a second with one token. A gateway with a thousand sessions sends some ten a second.
pub const MAX_REQUESTS_PER_SECOND: u32 = 1_000;

/// Bytes of a request's body: the longest line that stdio takes.
pub const MAX_BODY_BYTES: usize = lastword_protocol::limits::MAX_LINE_BYTES;

/// Bytes of the body of `POST /v1/events`: some ten thousand lines.
pub const MAX_EVENTS_BODY_BYTES: usize = 16 * 1024 * 1024;

/// Bytes of all bodies that are held at once: sixteen of the largest.
pub const MAX_BODIES_BYTES: usize = 256 * 1024 * 1024;

/// Bytes of the bodies of one tenant's tokens that are held at once, so that one tenant leaves the others most of them.
pub const MAX_TENANT_BODIES_BYTES: usize = 64 * 1024 * 1024;

/// Events of one body: twenty seconds' worth of what a token may send, each with an answer that is held until all are there.
pub const MAX_EVENTS_IN_A_BODY: usize = 20_000;

/// Bytes of a body that are read as lines before others have their turn: less than a millisecond's work.
pub const BODY_PIECE_BYTES: usize = 64 * 1024;

/// Deliveries of one request that are waited for at once. The others are asked for as those are settled.
pub const WAITS_AT_ONCE: usize = 1_024;

/// Requests at once of one tenant's tokens that wait for deliveries, or that watch the stream. A client that is gone is noticed only
/// when it is answered, so such a request may hold its place for as long as [`MAX_WAIT`].
pub const MAX_TENANT_WAITS: usize = 256;

/// How long a list of one tenant's deliveries is looked for among those of others, before who asks is told to narrow it: some million rows.
pub const LIST_TIMEOUT: Duration = Duration::from_secs(5);

/// Events of one body whose answer is awaited at once, as on stdio.
pub const MAX_PENDING_ANSWERS: usize = 1024;

/// Bytes of a request's head: four times what browsers send.
pub const MAX_HEAD_BYTES: usize = 32 * 1024;

/// Header fields of a request.
pub const MAX_HEADERS: usize = 64;

/// The time for a request's head, and for which a connection may be idle.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// The time for a request's body: 16 MiB at 4 Mbit/s.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// The time for which a client may take nothing of what is written to it.
pub const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// The longest time for which `?wait=delivered` waits: some seconds less than the 60 s after which proxies give up.
pub const MAX_WAIT: Duration = Duration::from_secs(55);

/// Settled deliveries that are remembered, for who asks what became of one that was made before the question: some 16 MB at most.
pub const MAX_RECENT_SETTLEMENTS: usize = 65_536;

/// Settled deliveries of one tenant that are remembered: nearly as many as one body of `POST /v1/events` may have events.
pub const MAX_TENANT_RECENT_SETTLEMENTS: usize = 16_384;

/// Events that a reader of `/v1/stream` may be behind. It is told how many it missed.
pub const MAX_STREAM_BEHIND: usize = 4_096;

/// Events that a reader of one tenant's stream may be behind. Each tenant that is watched has a ring of so many, some 64 KiB.
pub const MAX_TENANT_STREAM_BEHIND: usize = 1_024;

/// How often a stream on which nothing happens says that it is alive: proxies cut what is silent for 30 s or more.
pub const STREAM_KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Lines that wait for the reader of a raw connection. Outcomes that do not fit are dropped and counted, and answers hold up reading.
pub const MAX_RAW_LINES_BEHIND: usize = 4_096;

/// Bytes that a raw connection is read in at once: some twenty lines. Each connection has such a buffer, also while nothing comes.
pub const RAW_READ_BYTES: usize = 8 * 1024;

/// How long after the end of its input a raw connection stays open for the outcomes of its last ends, counted from when they were made.
pub const RAW_LAST_OUTCOMES: Duration = Duration::from_secs(10);

/// Deliveries of a session that a raw connection remembers as settled before the answer that says that they are owed: many times as many as
/// plugins have it told of one event. Those of requests that were not the connection's are among them.
pub(crate) const MAX_EARLY_OUTCOMES: usize = 256;

/// How long what became of a delivery is waited for that the journal does not have any more: a worker tells of it right behind its
/// hand-over, which takes microseconds, unless others have the processor.
pub const TOLD_BEHIND_RECORD: Duration = Duration::from_millis(200);

/// Rows of a page by default.
pub const DEFAULT_PAGE_ROWS: usize = 100;

/// Deliveries that one request redelivers or drops by name.
pub const MAX_CHANGED_AT_ONCE: usize = 1_000;

/// Values of a metric's label that come from outside: the kinds of owners, those first that are known or have an `idle-after`, and then those
/// with most owners and sessions. Others are counted as `other`.
pub const MAX_KIND_LABELS: usize = 32;

/// Plugins whose calls have a label of their own. Others are counted as `other`: a plugin that was uninstalled keeps its label until the
/// daemon leaves, and with it three histograms, of about 50 series.
pub const MAX_PLUGIN_LABELS: usize = 1_000;

/// Tenants that have a label of their own, where that was asked for. Others are counted as `other`.
pub const MAX_TENANT_LABELS: usize = 1_000;

/// How long `/readyz` waits for the journal: a disk that takes longer answers no request in time either.
pub const READY_TIMEOUT: Duration = Duration::from_secs(2);

/// How much longer than the grace ago a death may be, by the wall clock, of an owner that came back within it by the monotonic one.
pub(crate) const WALL_CLOCK_SLACK: Duration = Duration::from_secs(1);

/// The shortest time between two writes that `/readyz` asks the journal for. Whoever asks more often gets the last answer.
pub const READY_PROBE_EVERY: Duration = Duration::from_secs(1);

/// How long a TLS handshake may take: two round trips to the other side of the world, on a bad day.
pub const TLS_HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a login in a browser is valid: a working day, and its evening.
pub const LOGIN_KEPT: Duration = Duration::from_secs(12 * 60 * 60);

/// Logins at once, of all tokens. Each has some hundred bytes.
pub const MAX_LOGINS: usize = 1_024;

/// Logins at once with one token; one more ends the oldest. A token is one person's, who has a few browsers.
pub const MAX_TOKEN_LOGINS: usize = 32;

/// Bytes of a form: a token, and the names of some deliveries. Whoever sends one may be a stranger.
pub const MAX_FORM_BYTES: usize = 8 * 1024;

/// Rows of each list of the page. What is beyond them the API and the commands have.
pub const PAGE_ROWS: usize = 50;

/// How long the page looks for a tenant's deliveries among those of others, for each state.
pub const PAGE_LIST_TIMEOUT: Duration = Duration::from_secs(1);

/// How long the page waits for all that it reads of the journal: as long as the three states take. The page's script waits 10 s for an
/// answer, in which who asks may wait for the one before.
pub const PAGE_LISTS_TIMEOUT: Duration = Duration::from_secs(3);

/// Characters of others' text in one place of the page.
pub const MAX_SHOWN_CHARS: usize = 160;

/// Calls of one plugin for one tenant that its health is told by: so the slowest but one is its 99th percentile.
pub const RECENT_CALLS: usize = 128;

/// Pairs of tenant and plugin whose last calls are remembered: some 6 MB at most.
pub const MAX_RECENT_PAIRS: usize = 1_024;

/// Failures in a row of one plugin after which that is said to be wrong. Two may be a server that is started anew.
pub const FAILURES_THAT_ARE_WRONG: usize = 3;

/// Drains that are remembered, the daemon's own and those of owners that said goodbye.
pub const MAX_RECENT_DRAINS: usize = 20;

/// Of these, those of one tenant's owners.
pub const MAX_TENANT_RECENT_DRAINS: usize = 10;

/// Owners that died and are remembered.
pub const MAX_RECENT_DEATHS: usize = 100;

/// Of these, those of one tenant.
pub const MAX_TENANT_RECENT_DEATHS: usize = 50;

/// For how long the death of an owner is among what an operator should look at.
pub const DEATH_IS_NEWS: Duration = Duration::from_secs(60 * 60);

/// How long a listener waits after an error such as too many open files, before it takes the next connection.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
