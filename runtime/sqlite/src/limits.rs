//! Every number that bounds the writing of a journal, with its unit, its reason and what happens there.

use std::time::Duration;

/// Owners' lines that may wait for the disk. One more is refused: whoever sends faster than the disk takes has to hear it.
/// (`lastword stdio` reads no more lines long before that: it waits for the answers to 1 024 of them.)
pub const MAX_QUEUED_WRITES: usize = 65_536;

/// What a group of writes takes at first, in the bytes that [`ROW_BYTES`](lastword_journal::state::ROW_BYTES) says: until it
/// is known how fast this disk is.
pub(crate) const FIRST_GROUP_BYTES: u64 = 1 << 20;
/// A group is never made smaller than this: 500 rows are worth a sync on every disk.
pub(crate) const MIN_GROUP_BYTES: u64 = 256 << 10;
/// Nor larger: a disk that has been fast may become slow within one group.
pub(crate) const MAX_GROUP_BYTES: u64 = 8 << 20;
/// How long a group is to be worked on, before its sync: an owner's line waits for the group that is being written, perhaps for one
/// with outcomes that did not fit beside lines, and then for its own. On a disk whose sync takes longer than this, as long as that.
pub(crate) const GROUP_TIME: Duration = Duration::from_millis(16);
/// A sync that takes longer is taken for this long, so that one hiccup of a disk does not make all groups large.
pub(crate) const MAX_SYNC: Duration = Duration::from_millis(100);

/// How long outcomes of a drain are gathered before they are written, unless they fill a group. Nobody waits for one of them,
/// and each time the writer wakes it takes a processor from a worker; those that a crash takes within that time are delivered
/// again.
pub(crate) const GATHER: Duration = Duration::from_millis(10);
/// How long outcomes that could not be written wait for the next try, unless somebody asks before.
pub(crate) const RETRY: Duration = Duration::from_secs(1);

/// Groups of outcomes, each of another tenant, that are tried and fail before the next one waits for [`RETRY`]: one tenant's may be
/// what a nearly full disk has no room for, and of a full one each try takes some milliseconds.
pub(crate) const MAX_FAILED_TRIES: u32 = 8;

/// What was set aside and is remembered, the newest of it: some hundred bytes each. It is for people, and 1 000 defects of one
/// kind say no more than one.
pub const RETAINED_SET_ASIDE: u32 = 1_000;
