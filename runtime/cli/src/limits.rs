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

/// Outcome lines that may still be before the drain's line when it is written, in bytes: what its reader has not taken by then is
/// dropped beyond that, and counted in it. Half of what a pipe holds: on a busy machine its reader has the processor a few times in the
/// last milliseconds, and takes a pipe's content each time.
pub(crate) const MAX_BYTES_BEFORE_DRAIN_LINE: usize = 32 * 1024;

/// Answers that wait for their reader, a line each. Plain ones beyond that are written as ranges. As many as can come at
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
/// two, the one that interrupts guests and the one that wakes who waits for a time. With `--report` there is one more.
pub(crate) const STDIO_THREADS: usize = 9;

/// Threads that carry timers and what waits for the journal and the network.
pub(crate) const IO_THREADS: usize = 2;

/// How often memory that is not used any more is given back to the system: more often than it takes to be old enough (10 s).
pub(crate) const GIVE_BACK_MEMORY: Duration = Duration::from_secs(2);

/// How often that is when the process idles: nothing new is freed then, and each time wakes a processor.
pub(crate) const GIVE_BACK_MEMORY_IDLE: Duration = Duration::from_secs(15);

/// CPU time between two times with which a process idles: that of a request or two.
pub(crate) const IDLE_CPU: Duration = Duration::from_millis(5);

/// Times in a row after which it does so seldom: by then all that was freed is old enough.
pub(crate) const IDLE_ROUNDS: u32 = 7;

/// Threads for file systems that are started at the beginning; there are more when they are needed and the machine gives them. One
/// that waits for a server that does not answer leaves the others. Look-ups have their own, or these where there are none.
pub(crate) const BLOCKING_THREADS: usize = 4;

/// How long such a thread stays when there is nothing to do: longer than the process runs.
pub(crate) const BLOCKING_THREADS_STAY: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// How long a thread may take to begin to run on a machine that is busy.
pub(crate) const THREAD_START: Duration = Duration::from_secs(5);

/// Open files without which `lastword stdio` does not start: the streams, tokio's, the journal's, a compiler's pipes, and some
/// for each plugin and its calls.
pub(crate) const STDIO_DESCRIPTORS: usize = 48;

/// Open files that a busy process wants: 4 096 calls can then have a connection each, and the rest as many files again.
pub(crate) const WANTED_DESCRIPTORS: u64 = 8192;

/// Calls at once of `lastword run`, `check`, `test` and `compile`.
pub(crate) const COMMAND_CALLS: u32 = 64;

/// A certificate with those that it was signed with, or a key: some KiB each. Of a longer file the rest is not read.
pub(crate) const MAX_PEM_BYTES: u64 = 1024 * 1024;

/// The number of a process and a newline, as a daemon writes it beside its socket.
pub(crate) const MAX_PID_BYTES: u64 = 16;

/// How long requests that are under way when a daemon has drained may take to come to their end, in a budget that leaves so much: they
/// wait for nothing any more but their clients.
pub(crate) const CONNECTIONS_CLOSE: Duration = Duration::from_millis(500);

/// How long a daemon may take to answer a command, beside what the command itself asks it to wait for.
pub(crate) const DAEMON_ANSWERS: Duration = Duration::from_secs(30);

/// Bytes of an answer of the daemon's: a page of 1 000 deliveries has some 600 KiB, and a message in each may have 4 KiB.
pub(crate) const MAX_DAEMON_ANSWER_BYTES: usize = 16 * 1024 * 1024;

/// How long `lastword emit` may take altogether. Codex ends a hook after 1 s, and Claude Code all hooks of a session's end after 1.5 s.
pub(crate) const EMIT_BUDGET: Duration = Duration::from_millis(700);

/// How long it waits for the end of its input. Owners close it at once; the latest that was seen took 51 ms.
pub(crate) const EMIT_INPUT: Duration = Duration::from_millis(400);

/// How long it waits for more of an input that is one JSON value already, and is not closed.
pub(crate) const EMIT_INPUT_PAUSE: Duration = Duration::from_millis(100);

/// What is left of its time for the disk, when a daemon does not answer.
pub(crate) const EMIT_SPOOLING: Duration = Duration::from_millis(150);

/// Bytes that it reads of a daemon's answer. An event of a tenant with hundreds of plugins has some KiB.
pub(crate) const MAX_EMIT_ANSWER_BYTES: usize = 1024 * 1024;

/// Characters of an owner's name for an event: three times the longest that is known.
pub(crate) const MAX_EVENT_NAME_CHARS: usize = 128;

/// After how long without anything to do a daemon leaves that a hook has started: longer than people think between two prompts.
pub(crate) const SPAWNED_IDLE: &str = "10m";

/// How long the start of such a daemon may take: a plugin that is new may be compiled for a minute or two.
pub(crate) const SPAWNED_READY: Duration = Duration::from_secs(300);

/// How long an older daemon may take to leave: its drain's budget, which is an hour at most and 2 s as a rule.
pub(crate) const HAND_OVER: Duration = Duration::from_secs(30);

/// How long its journal may be in use still when its socket is free: by then only the end of the process is missing.
pub(crate) const HAND_OVER_JOURNAL: Duration = Duration::from_secs(5);

/// How often it is looked whether it has left. Nobody tells.
pub(crate) const HAND_OVER_LOOK: Duration = Duration::from_millis(50);

/// The log of such a daemon, in bytes, that the next one goes on with. A longer one is put aside first, in the place of the one before.
pub(crate) const MAX_DAEMON_LOG_BYTES: u64 = 1024 * 1024;

/// Events of a spool that are handed to the runtime at once: as many as fill a commit or two, and 64 MiB of the largest.
pub(crate) const SPOOLED_AT_ONCE: usize = 64;

/// When events of a spool are tried again that could not be taken: a disk has room again when somebody has made it. Each time it takes
/// twice as long, because all of them are read again.
pub(crate) const SPOOL_RETRY: Duration = Duration::from_secs(1);

/// So long at most.
pub(crate) const SPOOL_RETRY_MOST: Duration = Duration::from_secs(60);

/// How often a spool is asked for that another daemon takes in. Nobody tells when that one leaves.
pub(crate) const SPOOL_RETAKE: Duration = Duration::from_secs(5);

/// How long no daemon is started after a start that has failed: what is wrong with it a person has to mend.
pub(crate) const SPAWN_AGAIN: Duration = Duration::from_secs(60);

/// How often a spool is looked at where the system does not tell of changes in a directory.
pub(crate) const SPOOL_LOOK: Duration = Duration::from_secs(5);

/// How often in its time a daemon that leaves when it is idle looks whether it is.
pub(crate) const IDLE_LOOKS: u32 = 4;

/// How often `lastword status --watch` looks again.
pub(crate) const STATUS_EVERY: Duration = Duration::from_secs(2);

/// A configuration; 10 000 plugins fit.
pub(crate) const MAX_CONFIG_BYTES: u64 = 1024 * 1024;

/// Settings of an owner: those of people have some KiB, and an editor opens this much.
pub(crate) const MAX_SETTINGS_BYTES: u64 = 16 * 1024 * 1024;

/// Links that lead to settings, one to the next; Linux follows as many.
pub(crate) const MAX_LINKS: u32 = 40;

/// How long `codex app-server` may take for everything that it is asked: it starts in less than a second.
pub(crate) const CODEX_ANSWERS: Duration = Duration::from_secs(15);

/// Bytes that `codex app-server` may say meanwhile: a list of hooks has some KiB, and it tells of other things as well.
pub(crate) const MAX_CODEX_BYTES: u64 = 16 * 1024 * 1024;

/// How long `hermes plugins list` may take: it does so in half a second, and in some on a machine that has not read it yet.
pub(crate) const HERMES_ANSWERS: Duration = Duration::from_secs(15);

/// Bytes that it may say: some hundred for a plugin.
pub(crate) const MAX_HERMES_BYTES: u64 = 4 * 1024 * 1024;

/// Files of one session each that `lastword doctor` reads; a person has some dozens of sessions open.
pub(crate) const MAX_SESSION_FILES: usize = 4096;

/// Bytes of such a file: it has ten short fields.
pub(crate) const MAX_SESSION_FILE_BYTES: u64 = 64 * 1024;

/// Characters of a stored value that `lastword run` shows.
pub(crate) const MAX_SHOWN_VALUE_CHARS: usize = 200;

/// Pairs of tenant and plugin that the picture of a drain counts each by itself, some 3 KiB for each kind of outcome: as many as a drain has
/// lines for.
pub(crate) const MAX_PICTURED_PAIRS: usize = 1_000;

/// Ends under way of which it is kept when they began, some 150 bytes each: many times the slots that there are.
pub(crate) const MAX_PICTURED_CALLS: usize = 4_096;

/// Owners that go at once and have a picture each, and how many sessions each of them may have: the identities take some 100 bytes.
pub(crate) const MAX_PICTURED_GOODBYES: usize = 8;
/// Of these, those of one tenant's owners, and of connections.
pub(crate) const MAX_TENANT_PICTURED_GOODBYES: usize = MAX_PICTURED_GOODBYES / 2;
pub(crate) const MAX_PICTURED_SESSIONS: usize = 10_000;

/// Pictures of owners' drains that wait for a disk. Those that come then are left out.
pub(crate) const MAX_WAITING_PICTURES: usize = 4;

/// Files of drains that one run keeps where each drain has its own: some MiB. Then the oldest goes of the tenant that has most.
pub(crate) const MAX_KEPT_PICTURES: usize = 100;

/// Keys that `lastword run` shows.
pub(crate) const MAX_SHOWN_KEYS: usize = 50;

// The end of the process, counted from the end of the budget. All of it must fit into the 100 ms that the budget may be
// overrun by, with room for the kernel to take the process apart.

/// How long the picture of a drain is waited for when nothing else is to be done, in a budget that leaves so much. It takes some
/// milliseconds on a disk that is well.
pub(crate) const PICTURE_WAIT: Duration = Duration::from_secs(1);

/// So long before the end of the budget no more lines are taken, or a quarter of a short budget: what is accepted then has time
/// to be written down and answered. A line that is not taken was never accepted. As long as a drain keeps back for its last commit.
pub(crate) const LAST_LINE_BEFORE_END: Duration = Duration::from_millis(150);

/// So long before the end of the budget the drain's line is written at the latest, if there is a report: answers to the owner's lines
/// that have not come by then are not waited for, and neither is a reader that is behind.
pub(crate) const DRAIN_LINE_BEFORE_END: Duration = Duration::from_millis(20);

/// How long it is tried to count what a drain has come to that has not returned. It takes microseconds, once nobody has the
/// dispatcher's lock.
pub(crate) const COUNTING_WAIT: Duration = Duration::from_millis(10);

/// A drain that has not returned by then is left to itself.
pub(crate) const DRAIN_OVERRUN: Duration = Duration::from_millis(20);

/// What it may take to free a million deliveries that were not made, and to close the journal. Where the budget leaves less, that is
/// the system's to do.
pub(crate) const FREEING: Duration = Duration::from_millis(200);

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
