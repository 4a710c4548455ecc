//! The bounds and defaults of a configuration, with their units and the source of each number.

use std::time::Duration;

/// The time of a whole drain.
pub const DEFAULT_DRAIN_BUDGET: Duration = Duration::from_secs(2);

/// The shortest duration that can be configured: the ticker that cuts a guest ticks once a millisecond.
pub const MIN_DURATION: Duration = Duration::from_millis(1);

/// The longest duration that can be configured. Supervisors give a process seconds to exit, so an hour is a mistake in
/// the unit.
pub const MAX_DURATION: Duration = Duration::from_secs(60 * 60);

/// The longest silence that can be configured: 30 days. A conversation that nobody has continued for so long is over.
pub const MAX_LONG_DURATION: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// The time for which a lost owner may come back: hooks of a process that ends came up to 0.4 s after it, and nobody
/// should wait longer than seconds for the end of a session.
pub const DEFAULT_OWNER_GRACE: Duration = Duration::from_secs(2);

/// The range of a size setting, in bytes, and descriptions of its bounds for messages.
#[derive(Debug)]
pub struct Sizes {
    /// The smallest size.
    pub least: u64,
    /// The description of the smallest size, for a message.
    pub least_is: &'static str,
    /// The largest size.
    pub most: u64,
    /// The description of the largest size, or the reason for it, for a message.
    pub most_is: &'static str,
}

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;
const GIB: u64 = 1024 * MIB;

/// `limits.memory`.
pub const MEMORY: Sizes = Sizes {
    least: 64 * KIB,
    least_is: "one page of WebAssembly",
    most: 4 * GIB,
    most_is: "all that a plugin can address",
};

/// `limits.total-memory`.
pub const TOTAL_MEMORY: Sizes = Sizes {
    least: 64 * KIB,
    least_is: "one page of WebAssembly",
    most: 256 * GIB,
    most_is: "64MiB, what one call has by default, for each of 4096 calls under way",
};

/// `limits.log`. Each byte takes room in the log's queue, which has 512 KiB.
pub const LOG: Sizes =
    Sizes { least: 64, least_is: "one short line", most: 16 * MIB, most_is: "more than anybody reads of one call" };

/// `limits.random`.
pub const RANDOM: Sizes = Sizes {
    least: 16,
    least_is: "what a hash map takes when it is made",
    most: 64 * MIB,
    most_is: "as much as a plugin's memory holds by default",
};

/// `limits.http-request-bytes` and `limits.http-response-bytes`.
pub const HTTP_BODIES: Sizes = Sizes {
    least: KIB,
    least_is: "one small message",
    most: 64 * MIB,
    most_is: "as much as a plugin's memory holds by default",
};

/// `limits.keyvalue-bytes`.
pub const KEY_VALUE_WRITES: Sizes =
    Sizes { least: 64, least_is: "one counter", most: 64 * MIB, most_is: "as much as `keyvalue` can grant" };

/// `limits.keyvalue-keys`. One transaction writes them, and all other writes wait for it: this many take a tenth of a
/// second.
pub const MAX_KEY_VALUE_KEYS: u64 = 10_000;

/// `calls.memory`.
pub const ALL_CALLS_MEMORY: Sizes = Sizes {
    least: DEFAULT_MEMORY,
    least_is: "what one call of a plugin may have by default",
    most: 1024 * GIB,
    most_is: "because nobody has that much memory; leave it out for half of what the machine has",
};

/// `keyvalue.quota`, of one tenant's space. A memory journal holds all of it, and a journal on disk writes a value as a
/// whole: it is for counters and small states.
pub const KEY_VALUE_QUOTA: Sizes = Sizes {
    least: KIB,
    least_is: "one small value",
    most: 64 * MIB,
    most_is: "because a memory journal holds all of it; keep files elsewhere",
};

/// The default of `keyvalue.quota`: 10 000 counters.
pub const DEFAULT_KEY_VALUE_QUOTA: u64 = MIB;

/// `quota.keyvalue`: all spaces of one tenant together.
pub const TENANT_KEY_VALUES: Sizes = Sizes {
    least: KIB,
    least_is: "one small value",
    most: 64 * GIB,
    most_is: "because nobody has that much memory; leave it out for no limit",
};

/// `transcript.max`. Each call gets a copy, and copying counts against its deadline: 256 MiB take about 100 ms from the
/// page cache.
pub const TRANSCRIPT: Sizes = Sizes {
    least: KIB,
    least_is: "one small message",
    most: 256 * MIB,
    most_is: "because every call copies it within its deadline",
};

/// The default of `transcript.max`. Long sessions of coding agents have some MiB.
pub const DEFAULT_TRANSCRIPT_BYTES: u64 = 16 * MIB;

/// The names and values of a plugin's `config` together. A guest that asks for them gets a copy: one page of its memory
/// holds them all.
pub const MAX_GRANTED_CONFIG_BYTES: usize = 64 * 1024;

/// Destinations in a plugin's `http`. One plugin reports to a few services; an operator with more needs a proxy.
pub const MAX_HTTP_DESTINATIONS: usize = 64;

/// `limits.handles`. The host keeps some 100 bytes for each handle of each running call.
pub const MAX_HANDLES: u64 = 65_536;

/// `limits.http-requests`. Each is a connection of its own.
pub const MAX_HTTP_REQUESTS: u64 = 1_000;

/// `quota.concurrent-calls` and `calls.slots`: never more calls than this run at once.
pub const MAX_CONCURRENT_CALLS: u64 = 1_000_000;

/// The default of `limits.memory`, which is the sandbox's. Used only to check settings that must not be smaller.
pub const DEFAULT_MEMORY: u64 = 64 * MIB;

/// `jetstream.max-bytes`, of one journal's stream. The state that it stands for is in the node's memory.
pub const JETSTREAM_BYTES: Sizes = Sizes {
    least: 64 * MIB,
    least_is: "what is written before the first snapshot",
    most: 256 * GIB,
    most_is: "because what it stands for is in the node's memory",
};

/// The default of `jetstream.max-bytes`. JetStream reserves it on each server.
pub const DEFAULT_JETSTREAM_BYTES: u64 = GIB;

/// The default of `jetstream.prefix`.
pub const DEFAULT_JETSTREAM_PREFIX: &str = "LW";

/// Characters of `jetstream.prefix`: NATS recommends at most 32 for the name of a stream.
pub const MAX_JETSTREAM_PREFIX_CHARS: usize = 16;

/// The default of `jetstream.cluster-size`, and the least: a stream has three replicas.
pub const DEFAULT_NATS_SERVERS: usize = 3;

/// Servers of one cluster that can be named. Each is asked at every start.
pub const MAX_NATS_SERVERS: usize = 64;

/// Bytes of a node's name and of its address: the longest name of a host has 253.
pub const MAX_NODE_TEXT_BYTES: usize = 256;
