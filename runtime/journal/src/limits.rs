//! Every number that bounds what a journal keeps, with its unit, its reason and what happens there.

use std::time::Duration;

/// Ended sessions that are remembered, the newest ones: an operator looks back. About 200 bytes each in memory and 500 in a
/// file. The generations of the others' ids go on all the same.
pub const RETAINED_ENDED_SESSIONS: usize = 100_000;
/// An owner's second report of the same end within this time is a duplicate. Owners report an end again within milliseconds
/// (Gemini CLI three times within 60), and a person needs longer to go on with a session and end it.
pub const DUPLICATE_WITHIN: Duration = Duration::from_secs(10);
/// Ends that are remembered for [`DUPLICATE_WITHIN`], the newest ones: 200 bytes each in memory and 40 in a file. A duplicate
/// of one that is forgotten counts as the end of a new session, and is delivered.
pub const RETAINED_RECENT_ENDS: usize = 65_536;
/// `op_id`s that are remembered, the newest ones. A line is sent again within seconds, not after 100 000 others.
pub const RETAINED_OP_IDS: usize = 100_000;

/// What a program of ours counts to at most, of runs, attempts, failures and the like: half of what the type has, so that
/// some of them together do not overflow. One attempt a millisecond would need 24 days to come so far.
pub const MAX_COUNT: u32 = u32::MAX / 2;

/// Tenants of whose forgotten sessions the highest generation is kept by itself: about 100 bytes each in memory and 30 in a
/// file. Of the tenants beyond it the highest of all is kept.
pub const RETAINED_GENERATION_COUNTS: usize = 65_536;
/// Dead deliveries that a journal in memory remembers, the newest ones, so that an operator can have them made again: with the
/// session and the event some kilobytes each, which the plugins of a session share, and 64 KiB where an owner gives all the
/// attributes that it may. A plugin that gives everything up would fill the memory otherwise.
pub const RETAINED_DEAD_DELIVERIES: usize = 10_000;

/// What a row counts for beside the bytes that are written into it: so long it takes, on a disk that writes 100 MB a second,
/// to find its place and to write its part of a page. So 2 000 small rows count as much as 1 MiB of values.
pub const ROW_BYTES: u64 = 512;
