//! The program's limits, with their units and the source of each number.

use std::time::Duration;

/// Lines that were read and not yet handed to the runtime. They are not accepted yet, and each may have
/// [`MAX_LINE_BYTES`](lastword_protocol::limits::MAX_LINE_BYTES).
pub(crate) const MAX_READ_AHEAD_LINES: usize = 64;

/// Outcome lines that wait for their reader: about 50 000. Lines that do not fit are dropped and counted.
pub(crate) const MAX_QUEUED_OUTPUT_BYTES: usize = 16 * 1024 * 1024;

/// Bytes of outcome lines that may precede the drain's line. The rest that the reader has not taken by then is dropped,
/// and counted in that line. Half of a pipe's capacity: on a busy machine the reader runs a few times in the last
/// milliseconds, and takes a pipe's content each time.
pub(crate) const MAX_BYTES_BEFORE_DRAIN_LINE: usize = 32 * 1024;

/// Ranges of answers that may precede the drain's line, some 200 bytes each: as many bytes as above, and a half more.
pub(crate) const MAX_RANGES_BEFORE_DRAIN_LINE: usize = 256;

/// Answers that wait for their reader, a line each. Plain ones beyond that are written as ranges. As many as one commit
/// can answer, so that one commit alone makes no range for a reader that keeps up.
pub(crate) const MAX_SINGLE_ANSWERS: u64 = 1024;

/// Bytes of answers with a remark or an error that wait for their reader: about 25 000 errors. Beyond that they are
/// counted.
pub(crate) const MAX_KEPT_ANSWER_BYTES: usize = 4 * 1024 * 1024;

/// Ranges of lines that wait for their reader, some 60 bytes each. Only an owner whose every other line is refused or
/// ignored needs more; the rest is then one range that only counts.
pub(crate) const MAX_ANSWER_RANGES: usize = 65_536;

/// The time before the writer tries again to write to a full disk. Somebody has to make room first, so it is not
/// urgent; but a log that was truncated should lose few lines.
pub(crate) const FULL_DISK_PAUSE: Duration = Duration::from_millis(200);

/// Log lines that wait for their reader.
pub(crate) const MAX_QUEUED_LOG_BYTES: usize = 1024 * 1024;

/// Bytes of guests' output that wait for the reader of the log. The rest of the queue is reserved for our own lines.
pub(crate) const MAX_QUEUED_GUEST_LOG_BYTES: usize = MAX_QUEUED_LOG_BYTES / 2;

/// Bytes that wait for the reader of the log including errors, such as the number of lost ends. Errors are few, so they
/// are dropped last.
pub(crate) const MAX_QUEUED_ERROR_LOG_BYTES: usize = MAX_QUEUED_LOG_BYTES * 2;

/// The time for which the program, after the end of its input, waits for a signal before it takes its owner for dead. A
/// signal to a whole process group closes the pipe and reaches us at about the same time.
pub(crate) const OWNER_DIED_WAIT: Duration = Duration::from_millis(100);

/// The time for which the program, after the end of its input, waits for the signal thread if a signal has come and
/// that thread has not run yet. Only an overloaded machine needs so long.
pub(crate) const SIGNAL_THREAD_WAIT: Duration = Duration::from_secs(1);

/// The time within which a second Ctrl-C means the end: agents leave at the second Ctrl-C, and ask for it.
pub(crate) const SECOND_INTERRUPT: Duration = Duration::from_secs(2);

/// The time after a Ctrl-C within which the end of the input is the owner's answer to it. An agent that leaves first
/// saves its own state.
pub(crate) const INTERRUPT_LEADS_TO_END: Duration = Duration::from_secs(5);

/// Threads of `lastword stdio` besides those of its runtimes: `stdin`, `stdout`, `stderr`, `signals`, `watchdog`, the
/// journal's two, the one that interrupts guests and the timer thread. `--report` adds one, and so do traces.
pub(crate) const STDIO_THREADS: usize = 9;

/// Threads that run timers and the tasks that wait for the journal and the network.
pub(crate) const IO_THREADS: usize = 2;

/// The interval of returning unused memory to the system, shorter than the age that makes memory unused (10 s).
pub(crate) const GIVE_BACK_MEMORY: Duration = Duration::from_secs(2);

/// The interval while the process idles: it frees nothing new then, and each round wakes a processor.
pub(crate) const GIVE_BACK_MEMORY_IDLE: Duration = Duration::from_secs(15);

/// The CPU time between two rounds below which a process idles: that of a request or two.
pub(crate) const IDLE_CPU: Duration = Duration::from_millis(5);

/// Idle rounds in a row before the longer interval: by then all freed memory is old enough.
pub(crate) const IDLE_ROUNDS: u32 = 7;

/// File system threads that are started at the beginning. tokio starts more if they are needed and the machine allows
/// it. A thread that waits for a silent file server leaves the rest. Look-ups have their own threads, or use these
/// without them.
pub(crate) const BLOCKING_THREADS: usize = 4;

/// The time for which an idle file system thread stays: longer than the process runs.
pub(crate) const BLOCKING_THREADS_STAY: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// The time that a thread may take to start on a busy machine.
pub(crate) const THREAD_START: Duration = Duration::from_secs(5);

/// Open files without which `lastword stdio` does not start: the streams, those of tokio, the journal and the compiler,
/// and some for each plugin and its calls.
pub(crate) const STDIO_DESCRIPTORS: usize = 48;

/// Open files that a busy process wants: one for a connection of each of 4 096 calls, and as many for the rest.
pub(crate) const WANTED_DESCRIPTORS: u64 = 8192;

/// Calls at once of `lastword run`, `check`, `test` and `compile`.
pub(crate) const COMMAND_CALLS: u32 = 64;

/// Bytes of a certificate chain or a key: some KiB each. The rest of a longer file is not read.
pub(crate) const MAX_PEM_BYTES: u64 = 1024 * 1024;

/// Bytes of a process id and a newline, which a daemon writes to the file next to its socket.
pub(crate) const MAX_PID_BYTES: u64 = 16;

/// The time for requests that are under way when a daemon has drained, if the budget leaves so much: they wait only for
/// their clients.
pub(crate) const CONNECTIONS_CLOSE: Duration = Duration::from_millis(500);

/// The time for a daemon's answer to a command, without the wait that the command asks for.
pub(crate) const DAEMON_ANSWERS: Duration = Duration::from_secs(30);

/// Bytes of a daemon's answer: a page of 1 000 deliveries has some 600 KiB, and a message in each may have 4 KiB.
pub(crate) const MAX_DAEMON_ANSWER_BYTES: usize = 16 * 1024 * 1024;

/// The time of `lastword emit` in all. Codex ends a hook after 1 s, and Claude Code all hooks of a session's end after
/// 1.5 s.
pub(crate) const EMIT_BUDGET: Duration = Duration::from_millis(700);

/// The time for which `emit` waits for the end of its input. Owners close it at once; the slowest on record took 51 ms.
pub(crate) const EMIT_INPUT: Duration = Duration::from_millis(400);

/// The time for which `emit` waits for more input after a complete JSON value.
pub(crate) const EMIT_INPUT_PAUSE: Duration = Duration::from_millis(100);

/// The part of `emit`'s time that is reserved for the disk when a daemon does not answer.
pub(crate) const EMIT_SPOOLING: Duration = Duration::from_millis(150);

/// Bytes of a daemon's answer that `emit` reads. An event of a tenant with hundreds of plugins has some KiB.
pub(crate) const MAX_EMIT_ANSWER_BYTES: usize = 1024 * 1024;

/// Characters of an owner's name for an event: three times the longest known one.
pub(crate) const MAX_EVENT_NAME_CHARS: usize = 128;

/// The idle time after which a daemon that a hook has started exits: longer than people think between two prompts.
pub(crate) const SPAWNED_IDLE: &str = "10m";

/// The time for the start of such a daemon: compiling a new plugin may take a minute or two.
pub(crate) const SPAWNED_READY: Duration = Duration::from_secs(300);

/// The time for an older daemon's exit: its drain budget, which is an hour at most and usually 2 s.
pub(crate) const HAND_OVER: Duration = Duration::from_secs(30);

/// The time for which its journal may still be locked after its socket is free: only the end of the process is left.
pub(crate) const HAND_OVER_JOURNAL: Duration = Duration::from_secs(5);

/// The time for which a program that was killed may still have its journal and its socket: the system closes them after it has freed the
/// process's memory.
pub(crate) const KILLED_EXIT: Duration = Duration::from_secs(1);

/// The interval of checking whether the older daemon has exited. No event tells.
pub(crate) const HAND_OVER_LOOK: Duration = Duration::from_millis(50);

/// Bytes of a spawned daemon's log that the next one appends to. A longer log is renamed first, and replaces the
/// previous one.
pub(crate) const MAX_DAEMON_LOG_BYTES: u64 = 1024 * 1024;

/// Spooled events that are handed to the runtime at once: as many as fill a commit or two, and 64 MiB of the largest.
pub(crate) const SPOOLED_AT_ONCE: usize = 64;

/// The first wait before spooled events that could not be taken are tried again: a full disk has room when somebody has
/// made it. The wait doubles each time, because all of them are read again.
pub(crate) const SPOOL_RETRY: Duration = Duration::from_secs(1);

/// The longest such wait.
pub(crate) const SPOOL_RETRY_MOST: Duration = Duration::from_secs(60);

/// The interval of asking for a spool that another daemon takes in. No event tells when that daemon exits.
pub(crate) const SPOOL_RETAKE: Duration = Duration::from_secs(5);

/// The time without another start after a failed start of a daemon: a person has to fix the cause.
pub(crate) const SPAWN_AGAIN: Duration = Duration::from_secs(60);

/// The interval of looking into a spool on a system that does not report changes of a directory.
pub(crate) const SPOOL_LOOK: Duration = Duration::from_secs(5);

/// Checks for idleness within the idle time of a daemon that exits when idle.
pub(crate) const IDLE_LOOKS: u32 = 4;

/// The interval of `lastword status --watch`.
pub(crate) const STATUS_EVERY: Duration = Duration::from_secs(2);

/// Bytes of a configuration; 10 000 plugins fit.
pub(crate) const MAX_CONFIG_BYTES: u64 = 1024 * 1024;

/// Bytes of an owner's settings: usually some KiB, and an editor still opens this much.
pub(crate) const MAX_SETTINGS_BYTES: u64 = 16 * 1024 * 1024;

/// Links in a row that lead to settings; Linux follows as many.
pub(crate) const MAX_LINKS: u32 = 40;

/// The time for all answers of `codex app-server`: it starts in less than a second.
pub(crate) const CODEX_ANSWERS: Duration = Duration::from_secs(15);

/// Bytes of output of `codex app-server` in that time: a list of hooks has some KiB, and the server sends other
/// messages too.
pub(crate) const MAX_CODEX_BYTES: u64 = 16 * 1024 * 1024;

/// The time for `hermes plugins list`: half a second, and some seconds on a machine that has not cached it yet.
pub(crate) const HERMES_ANSWERS: Duration = Duration::from_secs(15);

/// Bytes of its output: some hundred for a plugin.
pub(crate) const MAX_HERMES_BYTES: u64 = 4 * 1024 * 1024;

/// Files of one session each that `lastword doctor` reads; a person has some dozens of sessions open.
pub(crate) const MAX_SESSION_FILES: usize = 4096;

/// Bytes of such a file: it has ten short fields.
pub(crate) const MAX_SESSION_FILE_BYTES: u64 = 64 * 1024;

/// Characters of a stored value that `lastword run` shows.
pub(crate) const MAX_SHOWN_VALUE_CHARS: usize = 200;

/// Pairs of tenant and plugin that the picture of a drain counts one by one, some 3 KiB for each kind of outcome: as
/// many as a drain reports lines for.
pub(crate) const MAX_PICTURED_PAIRS: usize = 1_000;

/// Running ends whose beginning is remembered, some 150 bytes each: many times the number of slots.
pub(crate) const MAX_PICTURED_CALLS: usize = 4_096;

/// Owners whose simultaneous goodbyes have a picture each, and the sessions of each of them: an identity takes some 100
/// bytes.
pub(crate) const MAX_PICTURED_GOODBYES: usize = 8;
/// Of these, the owners of one tenant, and the connections.
pub(crate) const MAX_TENANT_PICTURED_GOODBYES: usize = MAX_PICTURED_GOODBYES / 2;
pub(crate) const MAX_PICTURED_SESSIONS: usize = 10_000;

/// Pictures of owners' drains that wait for a disk. Further ones are omitted.
pub(crate) const MAX_WAITING_PICTURES: usize = 4;

/// Files of drains that one run keeps if each drain has its own: some MiB. Beyond that, the oldest file of the tenant
/// with most files is removed.
pub(crate) const MAX_KEPT_PICTURES: usize = 100;

/// Keys that `lastword run` shows.
pub(crate) const MAX_SHOWN_KEYS: usize = 50;

// The times of the process's end, counted from the end of the budget. All of them must fit into the 100 ms that the
// budget may be exceeded by, with room for the kernel to free the process.

/// The time for the picture of a drain when no other work is left, if the budget leaves so much. A picture takes some
/// milliseconds on a healthy disk.
pub(crate) const PICTURE_WAIT: Duration = Duration::from_secs(1);

/// The time for the spans that no collector has yet, if the budget leaves so much. A collector on the same machine takes a batch in
/// milliseconds.
#[cfg(feature = "otlp")]
pub(crate) const TRACES_WAIT: Duration = Duration::from_millis(100);

/// The time before the end of the budget from which no more lines are taken, or a quarter of a short budget: events
/// that are accepted by then have time to be written and answered. A line that is not taken was never accepted. As long
/// as a drain reserves for its last commit.
pub(crate) const LAST_LINE_BEFORE_END: Duration = Duration::from_millis(150);

/// The time before the end of the budget by which the drain's line is written, if there is a report. It does not wait
/// for later answers, nor for a reader that is behind.
pub(crate) const DRAIN_LINE_BEFORE_END: Duration = Duration::from_millis(20);

/// The time for counting the results of a drain that has not returned. Counting takes microseconds, once the
/// dispatcher's lock is free.
pub(crate) const COUNTING_WAIT: Duration = Duration::from_millis(10);

/// After this the program stops waiting for a drain that has not returned.
pub(crate) const DRAIN_OVERRUN: Duration = Duration::from_millis(10);

/// The time for freeing a million undelivered deliveries and closing the journal. If the budget leaves less, the system
/// does it.
pub(crate) const FREEING: Duration = Duration::from_millis(200);

/// After this, output that its reader has not taken is lost.
pub(crate) const OUTPUT_OVERRUN: Duration = Duration::from_millis(25);

/// After this the watchdog ends the process. The rest of the 100 ms that an exit may be late is for the system: it ends each
/// thread and frees what is resident, which takes twice as long where others use the processors as well.
pub(crate) const WATCHDOG_OVERRUN: Duration = Duration::from_millis(40);

/// At the end, the program stops waiting for a reader that has taken nothing for this long: a live one reads 64 KiB in
/// far less. The rest of the budget is a bound as well.
pub(crate) const STALLED_READER: Duration = Duration::from_millis(100);

/// Names of ignored events that are counted one by one; an owner's hooks have about 30.
pub(crate) const MAX_NAMED_EVENTS: usize = 64;

/// The time for the log's last lines after a signal before `ready`: exiting at once comes first.
pub(crate) const LAST_LINES_WAIT: Duration = Duration::from_millis(40);

/// The part of the slots that is for adopted journals: a quarter. A drain of the own sessions has the rest.
pub(crate) const ADOPTED_SLOTS_DIVISOR: u32 = 4;

/// The part of these slots that is kept for journals that there may be, in equal parts: an eighth. A journal that comes has its part at
/// once, whatever the calls of others do, and one that is alone has the other seven.
pub(crate) const KEPT_SLOTS_DIVISOR: u32 = 8;

/// Journals of others that a node has at once, and as many again in which only an operator can do anything. The state of each is in memory.
pub(crate) const MAX_ADOPTED_JOURNALS: u32 = 16;

/// Threads that run guests for an adopted journal. The own sessions come first.
#[cfg(feature = "jetstream")]
pub(crate) const ADOPTED_WORKERS: std::num::NonZeroUsize = std::num::NonZeroUsize::MIN;

/// The interval of looking whether anything is left to do in an adopted journal, and of dividing the slots among those in which there
/// is. No event tells.
#[cfg(feature = "jetstream")]
pub(crate) const ADOPTED_LOOK: Duration = Duration::from_secs(1);

/// The time for a node to be in the registry with a journal that has begun. JetStream's elections take 4 to 9 s, and two may
/// follow each other. A node whose name another one has, and keeps for so long, is refused.
#[cfg(feature = "jetstream")]
pub(crate) const JOIN_WITHIN: Duration = Duration::from_secs(40);

/// The time for a node that cannot begin to take its entry out of the registry. Otherwise others do that.
#[cfg(feature = "jetstream")]
pub(crate) const NOT_JOINED_LEAVES: Duration = Duration::from_secs(3);

/// The time before the registry and the heartbeats are listened to again.
#[cfg(feature = "jetstream")]
pub(crate) const LISTEN_AGAIN: Duration = Duration::from_secs(1);

/// The interval of letting the registry forget which journals were deleted more than a day ago.
#[cfg(feature = "jetstream")]
pub(crate) const SWEEP_EVERY: Duration = Duration::from_secs(60 * 60);

/// What a node's driver may have to hear at once: a heartbeat of each of a thousand nodes.
#[cfg(feature = "jetstream")]
pub(crate) const MAX_HEARD: usize = 1_024;

/// The time for owners of a node whose journal was taken over to read their answers. They are refused meanwhile.
pub(crate) const TAKEN_OVER_LEAVES: Duration = Duration::from_millis(500);

/// What is left of a drain's budget when a node lets go of its adopted journals at the latest. What their calls have done is recorded
/// then, which takes a round trip to the servers: 1 ms on an idle machine, tens of ms on a busy one. Ends of their sessions are taken
/// until then.
pub(crate) const DETACHING_ADOPTED: Duration = Duration::from_millis(200);

/// The least time for the registry to learn that this node leaves, also behind a drain that took its whole budget. An update of the
/// registry takes 1 to 3 ms. Behind it the log's last lines have the time until [`OUTPUT_OVERRUN`].
pub(crate) const LEAVING: Duration = Duration::from_millis(10);

/// The time before something long that a command does is shown to a person at a terminal, and between two changes of that line.
#[cfg(feature = "jetstream")]
pub(crate) const PROGRESS_EVERY: Duration = Duration::from_millis(500);
