//! Every limit of a call, with its unit. [`Limits`] has those of one plugin. The others are the engine's and the same for all plugins:
//! the sandbox refuses a plugin that exceeds one as it loads it, or cuts its call.

use std::time::Duration;

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;
const GIB: u64 = 1024 * MIB;

/// The limits of one call of a plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(default, deny_unknown_fields))]
pub struct Limits {
    /// Units of fuel. One is about one WebAssembly instruction, so the same plugin and the same input use the same fuel. The default, 100
    /// 000 000 000, is more than any guest uses within the default deadline, because the deadline should cut a guest that spins. Dense
    /// arithmetic takes 7 units a nanosecond. An interpreter that fills and copies memory takes 24, since each byte of that counts. Raise
    /// the fuel together with the deadline: [`default_fuel`](crate::default_fuel).
    pub fuel: u64,
    /// How long the guest may run or wait for the host, instantiation included. In JSON `deadline_ms`. Default: 500 ms.
    #[cfg_attr(feature = "serde", serde(rename = "deadline_ms", with = "lastword_events::millis"))]
    pub deadline: Duration,
    /// Bytes of all its linear memories and tables, and of host memory: handles, headers, bodies, changed keys. Default: 64 MiB.
    pub memory: u64,
    /// Bytes for all running calls together. Not counted: the first [`FREE_MEMORY_BYTES`] of each. Of the image, only [`IMAGE_PART`]
    /// counts. The limit bounds the cost of a plugin that takes its memory and then waits. A call waits for memory that other calls hold.
    /// A call that wants more than all of it has failed. Default: 2 GiB.
    pub total_memory: u64,
    /// Bytes of stdout and stderr together that become log events. Each line counts as at least [`MIN_LOG_LINE_BYTES`]. Default: 64 KiB.
    pub log_bytes: u64,
    /// Host calls, with `memory.grow` and `table.grow`. They cost no fuel, so only the deadline bounds them otherwise. A transcript of 16
    /// MiB read in pieces of 4 KiB takes 8 000. Default: 100 000.
    pub host_calls: u64,
    /// Random bytes, all calls of `wasi:random` together; a hash map takes 16. Default: 1 MiB.
    pub random_bytes: u64,
    /// Streams, timers, requests and other handles that the guest holds at once. Default: 1024.
    pub handles: u32,
    /// Outgoing HTTP requests, with the grant. Default: 16.
    pub http_requests: u32,
    /// Bytes of the bodies of outgoing requests together. Default: 1 MiB.
    pub http_request_bytes: u64,
    /// Bytes of the bodies of their responses together. Default: 4 MiB.
    pub http_response_bytes: u64,
    /// Keys of key-value storage that it changes, with the grant. The journal writes them together with its delivery, while other writes
    /// wait: some milliseconds of the one thread that writes. Default: 1 000.
    pub key_value_keys: u64,
    /// Bytes of these keys and of their new values together. They stay in memory until they are on the disk. Default: 1 MiB.
    pub key_value_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            fuel: DEFAULT_FUEL,
            deadline: DEFAULT_DEADLINE,
            memory: 64 * MIB,
            total_memory: 2 * GIB,
            log_bytes: 64 * KIB,
            host_calls: 100_000,
            random_bytes: MIB,
            handles: 1024,
            http_requests: 16,
            http_request_bytes: MIB,
            http_response_bytes: 4 * MIB,
            key_value_keys: 1000,
            key_value_bytes: MIB,
        }
    }
}

/// [`Limits::fuel`] for the default deadline.
pub const DEFAULT_FUEL: u64 = 100_000_000_000;
/// [`Limits::deadline`]: four calls fit a drain's 2 s one after the other.
pub const DEFAULT_DEADLINE: Duration = Duration::from_millis(500);

/// The most memory of a call that counts neither in [`Limits::total_memory`] nor in the memory of all calls, so that thousands of small
/// guests share no counter. All calls at once may have an eighth of the machine's memory in this way ([`FREE_MEMORY_PART`]), so each has
/// less where there is little memory for many calls.
pub const FREE_MEMORY_BYTES: u64 = MIB;
/// The part of the machine's memory, an eighth, that all calls at once may have without being counted.
pub const FREE_MEMORY_PART: u64 = 8;
/// The least of [`FREE_MEMORY_BYTES`] for a call: a page of WebAssembly.
pub const MIN_FREE_MEMORY_BYTES: u64 = 64 * KIB;
/// The part of an image's bytes that counts: an eighth. A component's build has filled the image, and calls share its pages until they
/// write to them. A Python guest writes 0.4 of 4.3 MiB of image. Memory by which a call grows counts in full, and so does memory from the
/// start that has no image.
pub const IMAGE_PART: u64 = 8;
/// The most of one component's image that counts in part; the rest counts in full. Python's, the largest that we have seen, has 4.3 MiB.
/// A guest that writes to all of an image uses it in full, and this bounds the uncounted memory of such calls.
pub const MAX_IMAGE_BYTES: u64 = 8 * MIB;
/// The part of the machine's memory, or of its control group's limit, that all calls may have together by default: half. The rest is for
/// the owner, the runtime's slots and sessions, and the system.
pub const TOTAL_MEMORY_PART: u64 = 2;
/// The memory of all calls together where the machine does not report its memory.
pub const DEFAULT_TOTAL_MEMORY_BYTES: u64 = 2 * GIB;
/// The least memory of all calls together: one call of a plugin with the default [`Limits::memory`].
pub const MIN_TOTAL_MEMORY_BYTES: u64 = 64 * MIB;
/// The most calls at once by default. 10 000 Rust guests that each wait for 200 ms end in 8.1 s with 256, in 2.1 s with 1 024, and in
/// 0.84 s with 4 096; with 10 000 they take longer, because a slot that was never used costs 60 to 80 µs of page faults.
pub const MAX_DEFAULT_CALLS: u32 = 4096;
/// The fewest calls at once by default, where memory or open files would allow fewer. There are never fewer than one for each
/// processor, and so for each worker.
pub const MIN_DEFAULT_CALLS: u32 = 64;
/// The least memory of a guest that waits: one in Rust takes 59 KiB, of which 12 are page tables.
pub const WAITING_GUEST_BYTES: u64 = 64 * KIB;
/// Further memory of a waiting guest where the kernel makes every page huge that it can (`always` in
/// `/sys/kernel/mm/transparent_hugepage/enabled`) and the process has not disabled that: its table, which is one such page.
pub const HUGE_PAGE_BYTES: u64 = 2 * MIB;
/// The part of the machine's memory, or of the control group's limit, that waiting guests may take by default: a sixteenth, at
/// [`WAITING_GUEST_BYTES`] each.
pub const WAITING_MEMORY_PART: u64 = 16;
/// The part of the process's open files (9 in 16) that bounds the calls at once by default, one connection for each call. All of these
/// may be connections of one plugin.
pub const CALLS_OF_FILES: (u64, u64) = (9, 16);
/// The delay of the report of a call that was put back because the machine had no mapping, or no file, left for it. The call holds no
/// slot of the pool meanwhile, but its caller still has it under way. So such calls cost some percent of a processor, whatever their
/// number, and their plugin has no more than its share.
pub const LACK_PAUSE: Duration = Duration::from_millis(500);
/// Threads beside the workers that may poll or drop a call: tokio's, the one that drains, and an embedder's. Each may be cleaning
/// [`DECOMMIT_BATCH`] slots, which no call can have meanwhile.
pub const OTHER_THREADS: u32 = 8;
/// The most of the pool's queues of slots that wait to be cleaned. The number is wasmtime's, one for each processor.
pub const MAX_CLEANING_QUEUES: u32 = 16;
/// The pool's slots are a multiple of this where there is address space.
pub const POOL_ROUNDING: u32 = 64;
/// Mappings of the process that one slot takes: two of its stack, four of a memory with an image. They stay when the slot is free again.
/// Calls fail when no mapping is left.
pub const MAPPINGS_PER_SLOT: u64 = 6;
/// The most mappings that slots take, in percent of those that the system allows a process (`vm.max_map_count`, usually 65 530). The rest
/// is for the allocator, the threads and the journal.
pub const MAPPINGS_PERCENT: u64 = 75;
/// The highest [`Limits::memory`]. Each memory reserves 4 GiB of address space in any case, so that compiled code needs no bounds checks.
/// This bounds the memory that can be committed.
pub const DEFAULT_MAX_MEMORY_BYTES: u64 = GIB;
/// Address space of a memory in a wide slot: all that a guest can address, and wasmtime's guard of 32 MiB.
pub const WIDE_MEMORY_BYTES: u64 = 4 * GIB + 32 * MIB;

/// The highest [`Limits::memory`] where address space is short, and each memory has a slot of its own size: the default of [`Limits`].
pub const DEFAULT_NARROW_MEMORY_BYTES: u64 = 64 * MIB;
/// The least memory of a narrow slot. Code is compiled for the size, and most plugins have the default.
pub const MIN_NARROW_MEMORY_BYTES: u64 = 64 * MIB;
/// The unmapped space between two narrow memories: accesses at small offsets need one check rather than two. One page of WebAssembly.
pub const NARROW_GUARD_BYTES: u64 = 64 * KIB;
/// With fewer slots of 5 GiB than this the pool takes narrow ones. One plugin holds at most half of the slots, and a plugin that hangs
/// must leave enough to the others.
pub const MIN_WIDE_SLOTS: u32 = 16;
/// Address space that stays free beside the pool: for the journal's map (32 MiB), code of plugins (a Python guest's has 50 MiB, twice
/// while it is loaded), and allocations of the process as it serves.
pub const HEAD_ROOM_BYTES: u64 = 256 * MIB;
/// Further free address space for each processor, whose worker has a stack of 2 MiB and as much in an allocator that caches for each
/// thread.
pub const THREAD_BYTES: u64 = 4 * MIB;

/// A line of a guest's output counts as at least this much, so that empty lines do not make a flood of events.
pub const MIN_LOG_LINE_BYTES: u64 = 64;
/// A longer line becomes several events.
pub const MAX_LOG_LINE_BYTES: usize = 8 * 1024;
/// The most bytes that are kept of the text in `err(retry(…))` and `err(fatal(…))`, as the contract says.
pub const MAX_ANSWER_BYTES: usize = 1024;
/// The most bytes of a component's name (of an import or a function) in a message.
pub const MAX_NAME_BYTES: usize = 128;
/// The most bytes of an error's text in a report. Wasmtime adds a backtrace to some errors.
pub const MAX_MESSAGE_BYTES: usize = 4 * 1024;

/// The largest component. Python guests, the largest that we have seen, have 18 MB.
pub const MAX_COMPONENT_BYTES: u64 = 256 * MIB;
/// The depth of components within components. A composition has two or three. The compiler's time grows with the square of the depth.
pub const MAX_COMPONENT_DEPTH: u32 = 64;
/// Instances of components in one component. Toolchains make one for each exported interface, and compositions one for each part. Where
/// each makes several of the next, the number doubles with each level.
pub const MAX_COMPONENT_INSTANCES: u32 = 256;
/// Core instances of one component. Adapters, shims and each of Python's libraries are one.
pub const MAX_CORE_INSTANCES: u32 = 64;
/// Linear memories of one component, all together within [`Limits::memory`]. Toolchains make one. A composition has one for each of its
/// components.
pub const MAX_MEMORIES: u32 = 8;
/// The part of the calls at once that the pool has in memories beyond the first of each: a quarter, so that compositions cost address
/// space and not slots of other calls.
pub const EXTRA_MEMORIES_PART: u32 = 4;
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

/// Bytes that a guest may pass to the host in one host call, or as its answer. The engine's default is 128 MiB, far too much for a hook,
/// because these bytes can stay in the host for as long as the call lives.
pub const HOST_CALL_BYTES: usize = 256 * 1024;
/// Bytes that a guest with the grant `keyvalue` may pass to the host at once, because its values come in one piece.
pub const KEY_VALUE_CALL_BYTES: usize = 2 * 1024 * 1024;
/// Random bytes that a guest may ask for in one host call.
pub const MAX_RANDOM_BYTES: u64 = 64 * KIB;

/// A key of key-value storage.
pub const MAX_KEY_BYTES: usize = 1024;
/// Keys in one answer of `list-keys`: 256 KiB of them at most, and about a tenth of a [`TICK`].
pub const KEYS_PER_PAGE: usize = 256;
/// Pages from which one call can go on.
pub const MAX_KEY_PAGES: usize = 1024;
/// The deadline of a plugin that is a function, unless another one is set. It only tells a function that hangs from one whose thread waits
/// for a processor.
#[cfg(feature = "test-util")]
pub const NATIVE_DEADLINE: Duration = Duration::from_secs(60);
/// Keys of one batch. A batch is one host call for the guest, and for the host a look-up for each key, which takes some microseconds. A
/// batch of this size ends within a [`TICK`], the longest time that a guest should keep a worker.
pub const MAX_BATCH_KEYS: usize = 128;
/// The size in [`Limits::key_value_bytes`] of a number that was added to: the digits of the largest.
pub const COUNTER_BYTES: u64 = 20;
/// Bytes of a request's body that are taken from a guest at once.
pub const HTTP_CHUNK_BYTES: usize = 16 * 1024;
/// The time before its deadline at which a guest learns that its request has failed: enough to report that and to answer. Of a short
/// deadline it is a tenth.
pub const HTTP_ANSWER_RESERVE: Duration = Duration::from_millis(50);
/// Bytes of one header section of an outgoing request, in memory. Servers take 8 to 64 KiB.
pub const MAX_HTTP_FIELDS_BYTES: usize = 64 * 1024;
/// Transcripts of one plugin that are copied at once. A file system that hangs keeps a thread for each, and other plugins' files must
/// still find one.
pub const MAX_CONCURRENT_TRANSCRIPT_COPIES: usize = 8;
/// Handles that a guest with a transcript may hold at once, because each file that it opens is one of the process's own.
pub const MAX_HANDLES_WITH_FILES: u32 = 64;

/// Time between two epochs: how long a guest can keep a thread before it has to yield.
pub const TICK: Duration = Duration::from_millis(1);
/// The ticker parks when no guest has run for this many ticks.
pub const IDLE_TICKS: u32 = 20;
/// The delay of the outer cut after the guest's deadline. The inner cut, in the epoch callback, knows that the guest was running. The
/// outer one is for guests that are blocked in the host.
pub const OUTER_CUT_GRACE: Duration = Duration::from_millis(2);

/// Processor time that a compiler's process may take for one component, on all cores together.
pub const DEFAULT_COMPILE_TIME: Duration = Duration::from_secs(600);
/// The factor by which the process may take longer by the clock. It runs at a lower priority (`nice` 10), with which a busy core still
/// gives it a tenth of its time.
pub const COMPILE_TIME_STRETCH: u32 = 10;
/// Memory of a compiler's process, in bytes.
pub const DEFAULT_COMPILE_BYTES: u64 = 4 * GIB;
/// [`SandboxConfig::max_in_process_code`](crate::SandboxConfig::max_in_process_code): 1 MiB. Plugins in Rust and C have some ten to some
/// hundred KiB of code, JavaScript's and Python's interpreters several MiB. Code that is written to be slow takes 2 s of a processor for
/// 25 KiB.
pub const DEFAULT_MAX_IN_PROCESS_CODE_BYTES: u64 = MIB;
/// The part of [`SandboxConfig::max_in_process_code`](crate::SandboxConfig::max_in_process_code) that one function may have, a
/// sixteenth: the compiler's time for one grows faster than its size.
pub const IN_PROCESS_FUNCTION_PART: u64 = 16;
/// Machine code of one component, which has about three times the size of its WebAssembly.
pub const MAX_CODE_BYTES: u64 = GIB;
/// Compiled code on disk. The entries that were not used for longest go first.
pub const MAX_CODE_CACHE_BYTES: u64 = GIB;

// Host memory of a call, which counts to its memory. Measured with jemalloc: `sandbox/tests/host_memory.rs` compares.
/// Host memory of a call that does not count, because every call has some handles. So a plugin whose limit just fits its own memory is
/// not cut for its output stream.
pub const FREE_HOST_BYTES: u64 = 64 * KIB;
/// The charge of a handle: its place in the tables, and the stream, timer, body or future behind it. A timer takes 106 bytes, the two
/// ends of a body some 2.8 KiB with their request.
pub const HANDLE_BYTES: u64 = 512;
/// The charge of a handle of a guest that reads a transcript. A file's stream reads ahead, 64 KiB at most.
pub const FILE_HANDLE_BYTES: u64 = 64 * KIB + HANDLE_BYTES;
/// The charge of a request beside its header and its text: the channel of its body.
pub const HTTP_REQUEST_BYTES: u64 = 2 * KIB;
/// The charge of a request while it is out: its task, its connection with buffers in both directions, and TLS.
pub const HTTP_EXCHANGE_BYTES: u64 = 128 * KIB;
/// The charge of a piece of a request's body beside its bytes while it waits in the host. A piece of one byte takes 46.
pub const HTTP_PIECE_BYTES: u64 = 64;
/// The charge of a changed key beside the bytes of key and value.
pub const CHANGED_KEY_BYTES: u64 = 256;

// Memory that stays resident in free slots. More saves page faults, at (calls at once) × this much memory.
/// Resident bytes of each linear memory: more than small guests touch. With 64 KiB the TypeScript skeleton takes twice as long. With 2
/// MiB neither it nor Python takes less. Go takes a fifth less with 1 MiB (`just bench guests`).
pub const MEMORY_KEEP_RESIDENT_BYTES: usize = 256 * 1024;
/// Resident bytes of the linear memories of all slots together: with more than 2 304 slots each keeps less. With 4 288 slots, which are 4
/// 096 and those that eight processors may be cleaning, each keeps 137 KiB. A burst of calls leaves this much memory for good. A slot
/// that was never used keeps none.
pub const ALL_MEMORIES_KEEP_RESIDENT_BYTES: u64 = 576 * MIB;
/// The largest part of the machine's memory, or of the control group's limit, that they keep: a sixteenth.
pub const KEEP_RESIDENT_PART: u64 = 16;
/// The least resident bytes of each linear memory, however many slots there are: a small guest's pages.
pub const MIN_MEMORY_KEEP_RESIDENT_BYTES: usize = 16 * 1024;
/// Memory of ended calls that may wait to be cleaned, see [`DECOMMIT_BATCH`], for each thread that ends calls. With more the thread has
/// it cleaned at once. A guest takes milliseconds to touch this much, and cleaning it takes some 20 µs.
pub const MAX_UNCLEANED_BYTES: u64 = 16 * MIB;
/// The part of the memory of all calls, an eighth, that memory of ended calls may count until it is cleaned. It is
/// [`MAX_UNCLEANED_BYTES`] for each of the pool's queues, and at most this part, so that calls do not wait long for unused memory.
pub const MAX_UNFLUSHED_PART: u64 = 8;
/// The memory that the kernel frees in 50 ms when a process ends: 10 GB a second. Calls may have this much resident when a drain's budget
/// ends, or the process would end too late.
pub const MAX_RESIDENT_AT_EXIT_BYTES: u64 = 512 * MIB;
/// Host memory of all calls, beyond the free part of each: half of [`MAX_RESIDENT_AT_EXIT_BYTES`]. The free parts are the other half: 1
/// MiB ([`FREE_MEMORY_BYTES`]) of each of 256 calls, 64 KiB of each of 4 096. A call that wants more is put back.
pub const MAX_HOST_MEMORY_BYTES: u64 = MAX_RESIDENT_AT_EXIT_BYTES / 2;
/// Host memory of all calls of one plugin. One plugin leaves the other half.
pub const MAX_HOST_MEMORY_OF_PLUGIN_BYTES: u64 = MAX_HOST_MEMORY_BYTES / 2;
/// The least free host memory of a call, however many calls there are.
pub const MIN_FREE_HOST_MEMORY_BYTES: u64 = 16 * KIB;
/// Bytes that stay resident in each free table.
pub const TABLE_KEEP_RESIDENT_BYTES: usize = 16 * 1024;
/// Bytes that stay resident in each free stack: the use of a hook-sized guest.
pub const STACK_KEEP_RESIDENT_BYTES: usize = 12 * 1024;
/// The longest time that one call waits for its turn at a slot and memory, all waits together. These waits do not count against its
/// deadline, so no other limit bounds them. After that the call is *put back*: it gives up its slot and memory, and counts as no attempt.
/// Kubernetes gives a process the same time to leave. A call that has waited for so long waits for one that hangs.
pub const MAX_TURN_WAIT: Duration = Duration::from_secs(30);
/// Slots that one system call cleans. More save some time (16 instead of 1 made a drain 8 % faster on two cores), and keep the memory of
/// as many slots until the batch is full, which [`MAX_UNCLEANED_BYTES`] bounds.
pub const DECOMMIT_BATCH: usize = 8;
