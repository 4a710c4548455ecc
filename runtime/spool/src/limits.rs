//! Every number that bounds a spool, with its unit and where it comes from.

use std::time::Duration;

/// Events that wait at once. An agent that is used all day has some hundred hooks that matter, so this is weeks without
/// a daemon; and all names are read in some ten milliseconds.
pub const MAX_EVENTS: usize = 20_000;

/// Bytes of all events that wait at once: 20 000 payloads of 13 KiB, or 256 of the largest.
pub const MAX_EVENTS_BYTES: u64 = 256 * 1024 * 1024;

/// Bytes of one event's payload: the longest line that stdio takes, and the largest body that the daemon does.
pub const MAX_PAYLOAD_BYTES: usize = 1024 * 1024;

/// Characters of one text that is said beside a payload: an owner, an event, a reason. What is longer is cut.
pub const MAX_TEXT_CHARS: usize = 1024;

/// Bytes of what is said beside a payload: three such texts, with every character escaped, and the rest.
pub const MAX_HEADER_BYTES: usize = 32 * 1024;

/// Events that one writer writes before it counts again. So many more than [`MAX_EVENTS`] may wait for each process
/// that writes at once.
pub const COUNT_EVERY: usize = 64;

/// Damaged files that are kept. Writers leave none behind, so they come of a disk or of power that failed.
pub const MAX_DAMAGED: usize = 1_000;

/// Refused events that are kept. Many are of one mistake, which the first ones show.
pub const MAX_REFUSED: usize = 1_000;

/// Bytes of the damaged files that are kept, and of the refused ones: a quarter of what may wait.
pub const MAX_KEPT_BYTES: u64 = 64 * 1024 * 1024;

/// How old an event is at least when its file counts as damaged. A younger one is left for the next look: on some file
/// systems of a network a name is seen before what it names.
pub const YOUNG: Duration = Duration::from_secs(3);

/// How long a file on which the disk fails is tried again before it is put aside: others wait for it.
pub const DISK_PATIENCE: Duration = Duration::from_secs(60);

/// After how long a file that was being written counts as left by a writer that was killed. A hook lives for a second.
pub const UNFINISHED_KEPT: Duration = Duration::from_secs(10 * 60);

/// How often a daemon tries to take the lock of the spool. Hooks look at it by taking it for some microseconds.
pub const LOCK_TRIES: u32 = 20;

/// How long it waits in between.
pub const LOCK_PAUSE: Duration = Duration::from_millis(20);
