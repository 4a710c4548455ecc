//! Every number that bounds the writing of a journal, with its unit, its reason and its effect.

use std::time::Duration;

/// Owners' lines that may wait for the disk. The journal refuses one more, because an owner that sends faster than the disk writes has to
/// learn it. (`lastword stdio` stops reading lines long before that: it waits for the answers to 1 024 of them.)
pub const MAX_QUEUED_WRITES: usize = 65_536;

/// The first size of a group, in the bytes of [`ROW_BYTES`](lastword_journal::state::ROW_BYTES). It holds until the speed of the disk is
/// known.
pub(crate) const FIRST_GROUP_BYTES: u64 = 1 << 20;
/// The smallest size of a group: 500 rows are worth a sync on every disk.
pub(crate) const MIN_GROUP_BYTES: u64 = 256 << 10;
/// The largest size of a group: a fast disk may become slow within one group.
pub(crate) const MAX_GROUP_BYTES: u64 = 8 << 20;
/// The time to work on a group before its sync. An owner's line waits for the group that is being written, perhaps for a group with
/// outcomes that did not fit beside lines, and then for its own. On a disk with slower syncs, a group takes as long as a sync.
pub(crate) const GROUP_TIME: Duration = Duration::from_millis(16);
/// The longest sync that counts in full, so that one delay of a disk does not make all groups large.
pub(crate) const MAX_SYNC: Duration = Duration::from_millis(100);

/// The time to gather outcomes of a drain before they are written, unless they fill a group. No caller waits for one of them, and each
/// wake of the writer takes a processor from a worker. After a crash within that time the plugins get these deliveries again.
pub(crate) const GATHER: Duration = Duration::from_millis(10);
/// The wait of outcomes that could not be written before the next try, unless somebody asks before.
pub(crate) const RETRY: Duration = Duration::from_secs(1);

/// Groups of outcomes, each of another tenant, that may fail before the next group waits for [`RETRY`]. A nearly full disk may have no
/// room for one tenant's outcomes alone, and each try on a full disk takes some milliseconds.
pub(crate) const MAX_FAILED_TRIES: u32 = 8;

/// Writes that were set aside and stay in the file, the newest of them: some hundred bytes each. They are for people, and 1 000 defects
/// of one kind say no more than one.
pub const RETAINED_SET_ASIDE: u32 = 1_000;
