//! Every number that the runtime has by default, with its reason.

use std::time::Duration;

/// The wall-clock time of a drain. Owners give their plugins a few seconds at exit (Claude Code cancels a hook after
/// 2.1 s, Kubernetes kills after 30 s), so 2 s fits into all of them.
pub const DEFAULT_DRAIN_BUDGET: Duration = Duration::from_secs(2);
/// The longest budget. A longer one would in effect never end, and no supervisor waits for that.
pub const MAX_DRAIN_BUDGET: Duration = Duration::from_secs(60 * 60);
/// Kept back at the end of a drain for the journal's last commit and for leaving, but never more than a quarter of the budget. A commit
/// with an fsync takes under 1 ms on a healthy disk, and up to 100 ms on another.
pub const MAX_DRAIN_RESERVE: Duration = Duration::from_millis(150);
/// How long a shutdown, or a detach, waits for a worker to leave once none of the worker's calls matters any more. A guest yields at every
/// millisecond. So a worker that takes longer is held up by the host: by a file that cannot be read, or by an observer that waits.
pub const WORKERS_LEAVE_WITHIN: Duration = Duration::from_secs(1);
/// How long a shutdown, or a detach, waits at its end for the journal to write the rest and to release its file. A healthy disk takes some
/// milliseconds. SQLite waits for 5 s for another program that writes to the file, and then reports an error.
pub const JOURNAL_RELEASED_WITHIN: Duration = Duration::from_secs(10);
/// A plugin whose calls are cut at their own deadline, or trap, this many times in a row is skipped for the rest of the drain.
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
/// How long a drain waits for writes and reads under way, before its snapshot and for a failure's record: some commits of a slow disk. Of a
/// short budget it is an eighth.
pub(crate) fn max_entry_wait(budget: Duration) -> Duration {
    Duration::from_millis(100).min(budget / 8)
}
/// Ends of sessions that are written down as one group, where there may be a million: the group takes some milliseconds.
pub(crate) const RECORDS_AT_ONCE: usize = 1_000;
/// Deliveries that an operator changes with one write. One write takes the writer some milliseconds. Requests of others are written in
/// between.
pub(crate) const CHANGES_AT_ONCE: usize = 250;
/// Deliveries that a worker takes from a queue at once however many workers there are, so that several deliveries share the cost of the
/// lock and of the journal's group.
pub(crate) const MIN_BATCH: u32 = 16;
/// How long a suspect, which may take the process down, waits for a moment in which no other delivery is ready. On a busy gateway such a
/// moment may never come. After this time the suspect is called all the same, and others wait for this one call.
pub(crate) const MAX_SUSPECT_WAIT: Duration = Duration::from_secs(10);
/// How long other deliveries wait for a suspect: four of the deadlines that calls have by default.
pub(crate) const MAX_SUSPECT_ALONE: Duration = Duration::from_secs(2);
/// How many bytes the plugins of one tenant may have stored that the journal has not written yet, as
/// [`Completion::unwritten_bytes`](lastword_journal::Completion::unwritten_bytes) counts them. At so many no further call of the tenant
/// begins until some are written. It is four values of the largest size, or 7 000 small ones. A disk writes so much in the time that a
/// drain keeps back for its last commit, and the next call is over before that.
pub(crate) const MAX_UNWRITTEN_BYTES_OF_TENANT: u64 = 4 << 20;
/// How many bytes the plugins of all tenants together may have stored that the journal has not written yet. Each tenant has an equal part.
/// A tenant that has nothing stored begins calls all the same, and what calls under way store then comes on top.
pub(crate) const MAX_UNWRITTEN_BYTES: u64 = 128 << 20;
/// Bytes that are handed to the journal at once, counted in the same way. They are one piece of a transaction, behind which requests wait.
/// What a queue's calls have stored is handed over in pieces of this size. A single call is never split.
pub(crate) const MAX_HANDED_OVER_BYTES: u64 = 256 << 10;
/// Deferrals of which a worker notifies the observer at once. One takes some microseconds, and the worker's guests wait meanwhile.
pub(crate) const MAX_NOTIFICATIONS: usize = 256;
/// Deliveries that a worker takes from a queue at once. At 3 µs a call they take a fifth of a slice, and the cost of the lock and of the
/// journal's group is negligible.
pub(crate) const MAX_BATCH: u32 = 64;
/// Tenants that are remembered although they are owed nothing. Each takes about 300 bytes for each plugin.
pub(crate) const MAX_IDLE_TENANTS: usize = 1024;
/// (Tenant, plugin) pairs that have a line of their own in a drain's report. A line takes a few hundred bytes. The other pairs share one
/// line for each plugin.
pub(crate) const MAX_REPORTED: usize = 1_000;
/// How many pairs a drain's report warns of by name: the pairs with the most undelivered ends.
pub(crate) const MAX_WARNINGS: usize = 20;
/// Fuel that is charged for a nanosecond of a guest that did not return: the densest arithmetic that was measured, see
/// [`Limits::fuel`](lastword_sandbox::Limits::fuel).
pub(crate) const DENSEST_FUEL_PER_NANOSECOND: u64 = 7;
/// A plugin's next call reserves the most memory that any of its last so many calls took. They are enough that one large call of a
/// hundred is remembered, and few enough that it is soon forgotten.
pub(crate) const REMEMBERED_CALLS: u64 = 100;
/// So often in a row a call that has run may be put back, which costs no attempt. The next time the call has failed with `failed(memory)`,
/// and its delivery waits for its retry. It is enough for a shortage that passes, and few enough that a call which never fits does not
/// repeat its requests for ever.
pub(crate) const MAX_PUT_BACKS: u32 = 7;
/// This part of the slots (one in sixteen), and at least one for each worker, is only for queues that hold no slot. Calls that wait for
/// their servers can hold all other slots, and a queue that becomes ready then still begins.
pub(crate) const FIRST_SLOTS_DIVISOR: u32 = 16;
/// The reserved slots are never more than this part of all slots (one in four). With fewer slots than workers, most slots have to be for
/// whatever queue has work.
pub(crate) const MAX_FIRST_SLOTS_DIVISOR: u32 = 4;
/// Ordinary calls leave this part of the slots (one in four) to a drain. So a plugin whose calls take their whole deadline cannot make the
/// first ends of a drain wait.
pub(crate) const DRAIN_SLOTS_DIVISOR: u32 = 4;
