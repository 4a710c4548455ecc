//! Every number that the runtime has by default, with its reason.

use std::time::Duration;

/// The wall-clock time of a drain. Owners give their plugins a few seconds at exit (Claude Code cancels a hook after
/// 2.1 s, Kubernetes kills after 30 s), so 2 s fits into all of them.
pub const DEFAULT_DRAIN_BUDGET: Duration = Duration::from_secs(2);
/// The longest budget. Whoever asks for more means never to leave, and a supervisor will not wait for that.
pub const MAX_DRAIN_BUDGET: Duration = Duration::from_secs(60 * 60);
/// Kept back at the end of a drain for the journal's last commit and for leaving, but never more than a quarter of the
/// budget. A commit with an fsync takes under 1 ms on a disk that is well, and up to 100 ms on one that is not.
pub const MAX_DRAIN_RESERVE: Duration = Duration::from_millis(150);
/// How long a shutdown, or a detach, waits for a worker to leave once nothing of it is waited for any more. A guest yields at every
/// millisecond, so a worker that takes longer is held up by the host: by a file that is not read, or an observer that waits.
pub const WORKERS_LEAVE_WITHIN: Duration = Duration::from_secs(1);
/// How long a shutdown, or a detach, waits at its end for the journal to write what is left and to let go of its file. On a disk that is
/// well it takes some milliseconds. SQLite waits for 5 s for another program that writes to the file, and then tells of an error.
pub const JOURNAL_RELEASED_WITHIN: Duration = Duration::from_secs(10);
/// Cut at its own deadline, or trapped, this many times in a row, a plugin is passed over for the rest of the drain.
pub const DEFAULT_BREAKER_THRESHOLD: u32 = 5;
/// Recorded failures after which a delivery is dead.
pub const DEFAULT_MAX_FAILURES: u32 = 8;
/// Pause after the first failure; it doubles with each further one.
pub const DEFAULT_FIRST_RETRY: Duration = Duration::from_secs(1);
/// The longest pause between two attempts.
pub const DEFAULT_MAX_RETRY: Duration = Duration::from_secs(5 * 60);
/// The longest pause that a policy may ask for.
pub const LONGEST_RETRY: Duration = Duration::from_secs(24 * 60 * 60);
/// How long a worker serves one queue before it looks at the others: the epoch tick, at which a spinning guest yields.
pub(crate) const SLICE: Duration = Duration::from_millis(1);
/// What is kept back of a budget, see [`MAX_DRAIN_RESERVE`].
pub(crate) fn drain_reserve(budget: Duration) -> Duration {
    MAX_DRAIN_RESERVE.min(budget / 4)
}
/// How long a drain waits for what is being written down or read, before its snapshot and for a failure's record: some commits of a
/// slow disk, and of short budgets an eighth.
pub(crate) fn max_entry_wait(budget: Duration) -> Duration {
    Duration::from_millis(100).min(budget / 8)
}
/// Ends of sessions that are written down as one group, where there may be a million: some milliseconds.
pub(crate) const RECORDS_AT_ONCE: usize = 1_000;
/// Deliveries that an operator's change is written for at once: some milliseconds of the writer, between which others' requests find
/// room.
pub(crate) const CHANGES_AT_ONCE: usize = 250;
/// Deliveries that a worker takes from a queue at once however many workers there are, so that the cost of the lock and of
/// the journal's group is shared by some.
pub(crate) const MIN_BATCH: u32 = 16;
/// How long a delivery that may take the process down waits for a moment in which nothing else wants to be made. On a busy gateway
/// such a moment may never come. After this time it is made all the same, and others wait for the one call.
pub(crate) const MAX_SUSPECT_WAIT: Duration = Duration::from_secs(10);
/// How long others wait for it then: four of the deadlines that calls have by default.
pub(crate) const MAX_SUSPECT_ALONE: Duration = Duration::from_secs(2);
/// Bytes that the plugins of one tenant have stored and the journal has not written yet, as
/// [`Completion::unwritten_bytes`](lastword_journal::Completion::unwritten_bytes) counts them: with so many nothing more of it
/// begins, until some are written. Four values of the largest size, or 7 000 small ones: a disk takes so much in the time that a
/// drain keeps back for its last commit, and the next call is over before that.
pub(crate) const MAX_UNWRITTEN_BYTES_OF_TENANT: u64 = 4 << 20;
/// Bytes that the plugins of all tenants together have stored and the journal has not written yet. Each tenant has an equal part. One
/// that has nothing stored begins all the same, and what its calls under way then store comes on top.
pub(crate) const MAX_UNWRITTEN_BYTES: u64 = 128 << 20;
/// Bytes that are handed over to the journal at once, counted in the same way: they are one piece of a transaction, behind which
/// lines wait. What a queue's calls have stored is handed over in pieces of this size; one call's is never in two.
pub(crate) const MAX_HANDED_OVER_BYTES: u64 = 256 << 10;
/// Deferrals of which a worker notifies the observer at once. One takes some microseconds, and its guests wait meanwhile.
pub(crate) const MAX_NOTIFICATIONS: usize = 256;
/// Deliveries that a worker takes from a queue at once. At 3 µs a call that is a fifth of a slice, and it makes the cost
/// of the lock and of the journal's group negligible.
pub(crate) const MAX_BATCH: u32 = 64;
/// Tenants that are remembered although they are owed nothing. About 300 bytes each, for each plugin.
pub(crate) const MAX_IDLE_TENANTS: usize = 1024;
/// (Tenant, plugin) pairs of which a drain's report has a line of their own: a few hundred bytes each. The others are one line
/// for each plugin.
pub(crate) const MAX_REPORTED: usize = 1_000;
/// Of how many pairs a drain's report warns by name, those that most was not delivered of.
pub(crate) const MAX_WARNINGS: usize = 20;
/// What a guest that did not come back pays for a nanosecond: the densest arithmetic that was measured, see
/// [`Limits::fuel`](lastword_sandbox::Limits::fuel).
pub(crate) const DENSEST_FUEL_PER_NANOSECOND: u64 = 7;
/// Calls of a plugin after whose most the next one reserves its memory. Enough that one large call of a hundred is remembered,
/// few enough that it is soon forgotten.
pub(crate) const REMEMBERED_CALLS: u64 = 100;
/// So often in a row a call that has run may be put back, which costs no attempt. The next time it has failed: `failed(memory)`, and
/// it waits as other failures do before it is made again. Enough for whatever passes, few enough that what never fits does not go
/// round for ever and send its requests each time.
pub(crate) const MAX_PUT_BACKS: u32 = 7;
/// This part of the slots (one in sixteen), and one for each worker at least, is only for queues that hold none: calls that wait for
/// their servers can hold all others, and a queue that comes then still begins.
pub(crate) const FIRST_SLOTS_DIVISOR: u32 = 16;
/// It is never more than this part of the slots (one in four): where there are fewer slots than workers, most of them have to
/// be for whoever has work.
pub(crate) const MAX_FIRST_SLOTS_DIVISOR: u32 = 4;
/// Ordinary calls leave this part of the slots to a drain (one in four), so that a plugin which holds its calls for its
/// whole deadline cannot make the first ends of a drain wait for it.
pub(crate) const DRAIN_SLOTS_DIVISOR: u32 = 4;
