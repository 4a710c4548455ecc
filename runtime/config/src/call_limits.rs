//! `limits` of a plugin: the limits of each of its calls.

use std::time::Duration;

use super::reader::{Reader, Table, Value};
use crate::limits::{
    DEFAULT_MEMORY, HTTP_BODIES, KEY_VALUE_WRITES, LOG, MAX_HANDLES, MAX_HTTP_REQUESTS, MAX_KEY_VALUE_KEYS, MEMORY,
    RANDOM, TOTAL_MEMORY,
};
use crate::units;

/// The limits of a plugin's calls. A missing one is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LimitSettings {
    /// Units of fuel.
    pub fuel: Option<u64>,
    /// The time in which a guest runs or waits.
    pub deadline: Option<Duration>,
    /// Bytes of all memories and tables of a call.
    pub memory: Option<u64>,
    /// Bytes of all running calls together.
    pub total_memory: Option<u64>,
    /// Bytes of output that become log events.
    pub log_bytes: Option<u64>,
    /// Host calls.
    pub host_calls: Option<u64>,
    /// Random bytes.
    pub random_bytes: Option<u64>,
    /// Handles at once.
    pub handles: Option<u32>,
    /// Outgoing requests.
    pub http_requests: Option<u32>,
    /// Bytes of all requests' bodies.
    pub http_request_bytes: Option<u64>,
    /// Bytes of all responses' bodies.
    pub http_response_bytes: Option<u64>,
    /// Keys that a call writes to key-value storage.
    pub key_value_keys: Option<u64>,
    /// Bytes that a call writes to key-value storage.
    pub key_value_bytes: Option<u64>,
}

const KEYS: [&str; 13] = [
    "fuel",
    "deadline",
    "memory",
    "total-memory",
    "log",
    "host-calls",
    "random",
    "handles",
    "http-requests",
    "http-request-bytes",
    "http-response-bytes",
    "keyvalue-keys",
    "keyvalue-bytes",
];

/// Reads `limits`. A missing one stays `None`.
pub(super) fn read(reader: &Reader<'_>, value: &Value<'_>) -> LimitSettings {
    let Some(table) = reader.table("limits", value) else { return LimitSettings::default() };
    let table = Table::new(reader, "limits", table, &KEYS);
    let size = |key, sizes| table.get(key).and_then(|v| reader.size(key, v, sizes));
    let count = |key, most| table.get(key).and_then(|v| reader.count(key, v, most));
    let small = |key, most| count(key, most).and_then(|n| u32::try_from(n).ok());
    let deadline = |v| reader.parsed::<Duration, _>("deadline", "a string such as \"500ms\"", v, units::duration);
    let (memory, total_memory) = (size("memory", &MEMORY), size("total-memory", &TOTAL_MEMORY));
    let of_one = memory.unwrap_or(DEFAULT_MEMORY);
    if let Some(value) = table.get("total-memory").filter(|_| total_memory.is_some_and(|total| total < of_one)) {
        let message = format!(
            "total-memory: it is less than the {} that one call may have: write at least that, or lower \"memory\"",
            units::write_bytes(of_one)
        );
        reader.mistake(value.span(), message);
    }
    LimitSettings {
        fuel: count("fuel", u64::MAX),
        deadline: table.get("deadline").and_then(deadline),
        memory,
        total_memory,
        log_bytes: size("log", &LOG),
        host_calls: count("host-calls", u64::MAX),
        random_bytes: size("random", &RANDOM),
        handles: small("handles", MAX_HANDLES),
        http_requests: small("http-requests", MAX_HTTP_REQUESTS),
        http_request_bytes: size("http-request-bytes", &HTTP_BODIES),
        http_response_bytes: size("http-response-bytes", &HTTP_BODIES),
        key_value_keys: count("keyvalue-keys", MAX_KEY_VALUE_KEYS),
        key_value_bytes: size("keyvalue-bytes", &KEY_VALUE_WRITES),
    }
}
