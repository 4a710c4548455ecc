//! Every number that bounds this program, with its unit and where it comes from.

use std::time::Duration;

/// One line of input. The protocol's limit; a longer line is skipped.
pub(crate) const MAX_LINE_BYTES: usize = 1024 * 1024;

/// Lines that were read and not yet handed to the runtime. They are not accepted yet, and each may have
/// [`MAX_LINE_BYTES`].
pub(crate) const MAX_READ_AHEAD_LINES: usize = 64;

/// Events handed to the runtime whose answer is awaited. One commit of a journal on disk takes about 250 µs: this many
/// in one commit is far beyond what an owner sends, and bounds what they hold in memory.
pub(crate) const MAX_PENDING_ANSWERS: usize = 1024;

/// Output that waits for its reader: about 50 000 outcome lines. Lines that do not fit are dropped and counted.
pub(crate) const MAX_QUEUED_OUTPUT_BYTES: usize = 16 * 1024 * 1024;

/// Log lines that wait for their reader.
pub(crate) const MAX_QUEUED_LOG_BYTES: usize = 1024 * 1024;

/// The same for what guests print: a plugin that prints a lot leaves room for our own lines.
pub(crate) const MAX_QUEUED_GUEST_LOG_BYTES: usize = MAX_QUEUED_LOG_BYTES / 2;

/// The same for errors, among them how many ends are lost: they are few, and the last to be dropped.
pub(crate) const MAX_QUEUED_ERROR_LOG_BYTES: usize = MAX_QUEUED_LOG_BYTES * 2;

/// Characters of an owner's word that an error or the log repeats.
pub(crate) const MAX_QUOTED_CHARS: usize = 64;

/// How long after the end of its input the program waits for a signal before it takes its owner for dead. A signal to a
/// whole process group closes the pipe and reaches us at about the same time.
pub(crate) const OWNER_DIED_WAIT: Duration = Duration::from_millis(100);

/// A configuration; 10 000 plugins fit.
pub(crate) const MAX_CONFIG_BYTES: u64 = 1024 * 1024;

/// The time of a whole drain.
pub(crate) const DEFAULT_DRAIN_BUDGET: Duration = Duration::from_secs(2);

/// The shortest duration that can be configured: the ticker that cuts a guest ticks once a millisecond.
pub(crate) const MIN_DURATION: Duration = Duration::from_millis(1);

/// The longest duration that can be configured. Supervisors give a process seconds to leave; an hour is a mistake in the
/// unit.
pub(crate) const MAX_DURATION: Duration = Duration::from_secs(60 * 60);

/// The smallest memory limit that can be configured: one page of WebAssembly.
pub(crate) const MIN_MEMORY_BYTES: u64 = 64 * 1024;

/// The largest memory limit that can be configured: all that 32-bit addresses reach.
pub(crate) const MAX_MEMORY_BYTES: u64 = 4 * 1024 * 1024 * 1024;

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
