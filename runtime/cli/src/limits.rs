//! Every number that bounds this program, with its unit and where it comes from.

use std::time::Duration;

/// Lines that were read and not yet handed to the runtime. They are not accepted yet, and each may have
/// [`MAX_LINE_BYTES`](lastword_protocol::limits::MAX_LINE_BYTES).
pub(crate) const MAX_READ_AHEAD_LINES: usize = 64;

/// Events handed to the runtime whose answer is awaited. One commit of a journal on disk takes about 250 µs: this many
/// in one commit is far beyond what an owner sends, and bounds what they hold in memory.
pub(crate) const MAX_PENDING_ANSWERS: usize = 1024;

/// Outcome lines that wait for their reader: about 50 000. Lines that do not fit are dropped and counted.
pub(crate) const MAX_QUEUED_OUTPUT_BYTES: usize = 16 * 1024 * 1024;

/// Answers that wait for their reader, a line each. Plain ones beyond that are told in ranges. As many as can come at
/// once, when a commit answers all that was pending: so one commit alone makes no range for a reader that keeps up.
pub(crate) const MAX_SINGLE_ANSWERS: u64 = 1024;

/// Answers with something to say that wait for their reader, in bytes: about 25 000 errors. Beyond that they are
/// counted.
pub(crate) const MAX_KEPT_ANSWER_BYTES: usize = 4 * 1024 * 1024;

/// Ranges of lines that wait for their reader, some 60 bytes each. Only an owner that is refused or ignored every other
/// line needs more; then the rest is one range that counts.
pub(crate) const MAX_ANSWER_RANGES: usize = 65_536;

/// How long the writer waits before it tries again to write to a full disk. Somebody has to make room first, so it is
/// not urgent; and a log that was truncated should not miss much.
pub(crate) const FULL_DISK_PAUSE: Duration = Duration::from_millis(200);

/// Log lines that wait for their reader.
pub(crate) const MAX_QUEUED_LOG_BYTES: usize = 1024 * 1024;

/// The same for what guests print: a plugin that prints a lot leaves room for our own lines.
pub(crate) const MAX_QUEUED_GUEST_LOG_BYTES: usize = MAX_QUEUED_LOG_BYTES / 2;

/// The same for errors, among them how many ends are lost: they are few, and the last to be dropped.
pub(crate) const MAX_QUEUED_ERROR_LOG_BYTES: usize = MAX_QUEUED_LOG_BYTES * 2;

/// How long after the end of its input the program waits for a signal before it takes its owner for dead. A signal to a
/// whole process group closes the pipe and reaches us at about the same time.
pub(crate) const OWNER_DIED_WAIT: Duration = Duration::from_millis(100);

/// How long after the end of its input the program waits for the thread that looks at signals, when one has come and that
/// thread has no processor: so long only on a machine that is too busy for everything else as well.
pub(crate) const SIGNAL_THREAD_WAIT: Duration = Duration::from_secs(1);

/// How long after a terminal's interrupt another one means that it is the end: agents leave when Ctrl-C is pressed
/// twice, and ask for the second press.
pub(crate) const SECOND_INTERRUPT: Duration = Duration::from_secs(2);

/// How long after a terminal's interrupt the end of the input is its owner's answer to it. An agent that leaves takes a
/// moment to save its own state first.
pub(crate) const INTERRUPT_LEADS_TO_END: Duration = Duration::from_secs(5);

/// Threads of `lastword stdio` beside those of its runtimes: `stdin`, `stdout`, `stderr`, `signals`, `watchdog`, the journal's
/// two and the one that interrupts guests.
pub(crate) const STDIO_THREADS: usize = 8;

/// Threads that carry timers and what waits for the journal and the network.
pub(crate) const IO_THREADS: usize = 2;

/// Threads for file systems and name servers that are started at the beginning; there are more when they are needed and the
/// machine gives them. One that waits for a server that does not answer leaves the others.
pub(crate) const BLOCKING_THREADS: usize = 4;

/// How long such a thread stays when there is nothing to do: longer than the process runs.
pub(crate) const BLOCKING_THREADS_STAY: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// How long a thread may take to begin to run on a machine that is busy.
pub(crate) const THREAD_START: Duration = Duration::from_secs(5);

/// Open files without which `lastword stdio` does not start: the streams, tokio's, the journal's, a compiler's pipes, and some
/// for each plugin and its calls.
pub(crate) const STDIO_DESCRIPTORS: usize = 48;

/// Open files that a busy process wants: 256 calls with 16 connections each.
pub(crate) const WANTED_DESCRIPTORS: u64 = 4096;

/// A configuration; 10 000 plugins fit.
pub(crate) const MAX_CONFIG_BYTES: u64 = 1024 * 1024;

/// The time of a whole drain.
pub(crate) const DEFAULT_DRAIN_BUDGET: Duration = Duration::from_secs(2);

/// The shortest duration that can be configured: the ticker that cuts a guest ticks once a millisecond.
pub(crate) const MIN_DURATION: Duration = Duration::from_millis(1);

/// The longest duration that can be configured. Supervisors give a process seconds to leave; an hour is a mistake in the
/// unit.
pub(crate) const MAX_DURATION: Duration = Duration::from_secs(60 * 60);

/// The sizes that a setting takes, in bytes, and for whoever goes beyond them what the bounds are.
pub(crate) struct Sizes {
    pub(crate) least: u64,
    pub(crate) least_is: &'static str,
    pub(crate) most: u64,
    pub(crate) most_is: &'static str,
}

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;
const GIB: u64 = 1024 * MIB;

/// `limits.memory`.
pub(crate) const MEMORY: Sizes = Sizes {
    least: 64 * KIB,
    least_is: "one page of WebAssembly",
    most: 4 * GIB,
    most_is: "all that a plugin can address",
};

/// `limits.total-memory`.
pub(crate) const TOTAL_MEMORY: Sizes = Sizes {
    least: 64 * KIB,
    least_is: "one page of WebAssembly",
    most: 256 * GIB,
    most_is: "1GiB for each of the 256 calls that are under way at most",
};

/// `limits.log`. Each byte of it takes a place in the log's queue, which has [`MAX_QUEUED_GUEST_LOG_BYTES`].
pub(crate) const LOG: Sizes =
    Sizes { least: 64, least_is: "one short line", most: 16 * MIB, most_is: "more than anybody reads of one call" };

/// `limits.random`.
pub(crate) const RANDOM: Sizes = Sizes {
    least: 16,
    least_is: "what a hash map takes when it is made",
    most: 64 * MIB,
    most_is: "as much as a plugin's memory holds by default",
};

/// `limits.http-request-bytes` and `limits.http-response-bytes`.
pub(crate) const HTTP_BODIES: Sizes = Sizes {
    least: KIB,
    least_is: "one small message",
    most: 64 * MIB,
    most_is: "as much as a plugin's memory holds by default",
};

/// `keyvalue.quota`, of one tenant's space. A memory journal holds all of it, and a journal on disk writes a value as a
/// whole: it is for counters and small states.
pub(crate) const KEY_VALUE_QUOTA: Sizes = Sizes {
    least: KIB,
    least_is: "one small value",
    most: 64 * MIB,
    most_is: "because a memory journal holds all of it; keep files elsewhere",
};

/// `keyvalue.quota` when it is not said: 10 000 counters.
pub(crate) const DEFAULT_KEY_VALUE_QUOTA: u64 = MIB;

/// `quota.keyvalue`: all spaces of one tenant together.
pub(crate) const TENANT_KEY_VALUES: Sizes = Sizes {
    least: KIB,
    least_is: "one small value",
    most: 64 * GIB,
    most_is: "because nobody has that much memory; leave it out for no limit",
};

/// `transcript.max`. A copy is made for each call, and the copying counts against its deadline: 256 MiB take about
/// 100 ms when they are in the page cache.
pub(crate) const TRANSCRIPT: Sizes = Sizes {
    least: KIB,
    least_is: "one small message",
    most: 256 * MIB,
    most_is: "because every call copies it within its deadline",
};

/// `transcript.max` when it is not said. Long sessions of coding agents have some MiB.
pub(crate) const DEFAULT_TRANSCRIPT_BYTES: u64 = 16 * MIB;

/// The names and values of a plugin's `config` together. They are copied into the guest when it asks for them: a page of
/// its memory holds them all.
pub(crate) const MAX_GRANTED_CONFIG_BYTES: usize = 64 * 1024;

/// Destinations in a plugin's `http`. One plugin reports to a few services; who lists more wants a proxy.
pub(crate) const MAX_HTTP_DESTINATIONS: usize = 64;

/// `limits.handles`. The host keeps some 100 bytes for each, and that for each call that is under way.
pub(crate) const MAX_HANDLES: u64 = 65_536;

/// `limits.http-requests`. Each is a connection of its own.
pub(crate) const MAX_HTTP_REQUESTS: u64 = 1_000;

/// `quota.concurrent-calls`: more than this many calls are never under way at once.
pub(crate) const MAX_CONCURRENT_CALLS: u64 = 1_000_000;

/// Characters of a stored value that `lastword run` shows.
pub(crate) const MAX_SHOWN_VALUE_CHARS: usize = 200;

/// Keys that `lastword run` shows.
pub(crate) const MAX_SHOWN_KEYS: usize = 50;

// The end of the process, counted from the end of the budget. All of it must fit into the 100 ms that the budget may be
// overrun by, with room for the kernel to take the process apart.

/// A drain that has not returned by then is left to itself.
pub(crate) const DRAIN_OVERRUN: Duration = Duration::from_millis(20);

/// Output that its reader has not taken by then is lost.
pub(crate) const OUTPUT_OVERRUN: Duration = Duration::from_millis(40);

/// The watchdog ends the process.
pub(crate) const WATCHDOG_OVERRUN: Duration = Duration::from_millis(60);

/// At the end a reader that takes nothing for this long is not waited for any longer: one that is alive reads 64 KiB in
/// far less. What is left of the budget bounds it in any case.
pub(crate) const STALLED_READER: Duration = Duration::from_millis(100);

/// Different names of events that are not ours and are counted one by one; an owner's hooks have about 30.
pub(crate) const MAX_NAMED_EVENTS: usize = 64;

/// How long the log's last lines may take when a signal came before `ready`: leaving at once comes first.
pub(crate) const LAST_LINES_WAIT: Duration = Duration::from_millis(40);
