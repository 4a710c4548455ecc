//! The limits of a spool, with their units and the source of each number.

use std::time::Duration;

/// Events that wait at once. An agent in daily use has some hundred relevant hooks a day, so this is weeks without a
/// daemon. Reading all names takes some ten milliseconds.
pub const MAX_EVENTS: usize = 20_000;

/// Bytes of all events that wait at once: 20 000 payloads of 13 KiB, or 256 of the largest.
pub const MAX_EVENTS_BYTES: u64 = 256 * 1024 * 1024;

/// Bytes of one event's payload: the longest line of stdio, and the largest body of the daemon.
pub const MAX_PAYLOAD_BYTES: usize = 1024 * 1024;

/// Characters of one text besides the payload: an owner, an event, a reason. A longer text is cut.
pub const MAX_TEXT_CHARS: usize = 1024;

/// Bytes of the texts besides the payload: three such texts, with every character escaped, and the other fields.
pub const MAX_HEADER_BYTES: usize = 32 * 1024;

/// Events that one writer writes before it counts again. Each concurrent process may exceed [`MAX_EVENTS`] by this
/// many.
pub const COUNT_EVERY: usize = 64;

/// Damaged files that are kept. Writers leave none behind, so they come from a disk error or a power failure.
pub const MAX_DAMAGED: usize = 1_000;

/// Refused events that are kept. Many have the same cause, which the first ones show.
pub const MAX_REFUSED: usize = 1_000;

/// Bytes of the kept damaged files, and of the refused ones: a quarter of the bound for waiting events.
pub const MAX_KEPT_BYTES: u64 = 64 * 1024 * 1024;

/// The age from which an unreadable event counts as damaged. A younger one is left for the next pass: on some network
/// file systems a name is visible before its file.
pub const YOUNG: Duration = Duration::from_secs(3);

/// The time for which a file with disk errors is retried before it is set aside: later events wait for it.
pub const DISK_PATIENCE: Duration = Duration::from_secs(60);

/// The age from which an unfinished file counts as left by a killed writer. A hook lives for a second.
pub const UNFINISHED_KEPT: Duration = Duration::from_secs(10 * 60);

/// Attempts of a daemon to take the lock of the spool. Hooks test the lock by taking it for some microseconds.
pub const LOCK_TRIES: u32 = 20;

/// The pause between these attempts.
pub const LOCK_PAUSE: Duration = Duration::from_millis(20);
