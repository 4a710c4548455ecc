//! Every limit of a call, with its unit. What a plugin can be given is in [`Limits`]; the rest is the engine's and the
//! same for all plugins: a plugin that exceeds it is refused when it is loaded, or cut when it is called.

use std::time::Duration;

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;
const GIB: u64 = 1024 * MIB;

/// What one call of a plugin may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Units of fuel. One is about one WebAssembly instruction, so the same plugin and the same input use the same fuel.
    /// The default, 10 000 000 000, is 1.4 s of the densest arithmetic that was measured (7 units a nanosecond): more than
    /// the deadline, which is what should cut a spinner.
    pub fuel: u64,
    /// How long the guest may run or wait for the host, instantiation included. Default: 500 ms.
    pub deadline: Duration,
    /// Bytes in all its linear memories and tables together. Default: 64 MiB.
    pub memory: u64,
    /// Bytes of stdout and stderr together that become log events, a line counting as at least
    /// [`MIN_LOG_LINE_BYTES`]. Default: 64 KiB.
    pub log_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { fuel: 10_000_000_000, deadline: Duration::from_millis(500), memory: 64 * MIB, log_bytes: 64 * KIB }
    }
}

/// Calls that may be under way at once: what the pool is sized for.
pub const DEFAULT_MAX_CONCURRENT_CALLS: u32 = 256;
/// The most that [`Limits::memory`] can ask for. Address space is reserved for 4 GiB in any case, which is what lets
/// compiled code do without bounds checks; this bounds what can be committed.
pub const DEFAULT_MAX_MEMORY_BYTES: u64 = GIB;

/// A line of a guest's output counts as at least this much, so that empty lines do not make a flood of events.
pub const MIN_LOG_LINE_BYTES: u64 = 64;
/// A longer line becomes several events.
pub const MAX_LOG_LINE_BYTES: usize = 8 * 1024;
/// What is kept of the text in `err(retry(…))` and `err(fatal(…))`, as the contract says.
pub const MAX_ANSWER_BYTES: usize = 1024;
/// What is kept of an error's text in a report: wasmtime adds a backtrace to some.
pub const MAX_MESSAGE_BYTES: usize = 4 * 1024;

/// The largest component that is read. Python guests, the largest that we have seen, have 18 MB.
pub const MAX_COMPONENT_BYTES: u64 = 256 * MIB;
/// Core instances of one component: adapters, shims and, for Python, each of its libraries is one.
pub const MAX_CORE_INSTANCES: u32 = 64;
/// Linear memories of one component. Toolchains make one.
pub const MAX_MEMORIES: u32 = 2;
/// Tables of one component: one of its own, and one for each shim that its toolchain adds.
pub const MAX_TABLES: u32 = 8;
/// Slots of one table, 8 bytes each. Large guests, which call through tables, have about 10 000.
pub const MAX_TABLE_ELEMENTS: u32 = 64 * 1024;
/// The runtime's own records of one component and its core instances.
pub const MAX_INSTANCE_BYTES: usize = 1024 * 1024;

/// Stack of a guest.
pub const GUEST_STACK_BYTES: usize = 512 * 1024;
/// Stack of a call: the guest's, and as much again for host functions, which run on top of it.
pub const CALL_STACK_BYTES: usize = 2 * GUEST_STACK_BYTES;

/// Bytes that a guest may hand to the host in one host call, or as its answer.
pub const HOST_CALL_BYTES: usize = 2 * 1024 * 1024;
/// Handles (streams, timers) that a guest may hold.
pub const MAX_HANDLES: usize = 1024;
/// Random bytes that a guest may ask for in one host call.
pub const MAX_RANDOM_BYTES: u64 = 64 * KIB;

/// Time between two epochs: how long a guest can keep a thread before it has to yield.
pub const TICK: Duration = Duration::from_millis(1);
/// The ticker parks when no guest has run for this many ticks.
pub const IDLE_TICKS: u32 = 20;
/// How much later than the guest's deadline the outer cut comes. The inner cut, in the epoch callback, is the one that
/// knows that the guest was running; the outer one is for guests that are blocked in the host.
pub const OUTER_CUT_GRACE: Duration = Duration::from_millis(2);

/// Compiled code that is kept on disk. The entries that were not used for longest go first.
pub const MAX_CODE_CACHE_BYTES: u64 = GIB;

// What stays resident of a slot that is free again. More saves page faults, at (calls at once) × this much memory.
/// Of each linear memory: more than small guests touch.
pub const MEMORY_KEEP_RESIDENT_BYTES: usize = 256 * 1024;
/// Of each table.
pub const TABLE_KEEP_RESIDENT_BYTES: usize = 16 * 1024;
/// Of each stack: what a hook-sized guest uses.
pub const STACK_KEEP_RESIDENT_BYTES: usize = 12 * 1024;
/// Slots that are cleaned by one system call.
pub const DECOMMIT_BATCH: usize = 16;
