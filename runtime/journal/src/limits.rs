//! Every number that bounds what a journal keeps, with its unit, its reason and what happens at the bound.

use std::time::Duration;

/// Ended sessions that are remembered, the newest ones, because an operator looks back. Each takes about 200 bytes in memory and 500 in a
/// file. The generations of forgotten ids are continued all the same.
pub const RETAINED_ENDED_SESSIONS: usize = 100_000;
/// An owner's second report of the same end within this time is a duplicate. Owners report an end again within milliseconds (Gemini CLI
/// three times within 60), and a person needs longer to go on with a session and end it.
pub const DUPLICATE_WITHIN: Duration = Duration::from_secs(10);
/// Ends that are remembered for [`DUPLICATE_WITHIN`], the newest ones. Each takes 200 bytes in memory and 40 in a file. A duplicate of a
/// forgotten end counts as the end of a new session, and is delivered.
pub const RETAINED_RECENT_ENDS: usize = 65_536;
/// `op_id`s that are remembered, the newest ones. A request is sent again within seconds, not after 100 000 others.
pub const RETAINED_OP_IDS: usize = 100_000;

/// The highest number of runs, attempts, failures and the like: half of the type's range, so that sums of some of them do not overflow.
/// With one attempt a millisecond it would take 24 days to get so far.
pub const MAX_COUNT: u32 = u32::MAX / 2;

/// Tenants that have a count of their own for the highest generation of their forgotten sessions. Each takes about 100 bytes in memory and
/// 30 in a file. The other tenants share one count.
pub const RETAINED_GENERATION_COUNTS: usize = 65_536;
/// Dead deliveries that a journal in memory remembers, the newest ones, so that an operator can redeliver them. Session and event take some
/// kilobytes for each, shared by the plugins of a session, and 64 KiB if an owner gives all the attributes that it may. A plugin that gives
/// up everything would fill the memory otherwise.
pub const RETAINED_DEAD_DELIVERIES: usize = 10_000;

/// The cost of a row beside its bytes. A disk that writes 100 MB a second writes so many bytes in the time in which it finds the row's
/// place and writes its part of a page. So 2 000 small rows count as much as 1 MiB of values.
pub const ROW_BYTES: u64 = 512;
