use std::time::Duration;

use lastword_sandbox::Limits;
use lastword_sandbox::limits::default_fuel;

use super::reader::{Reader, Table, Value};
use crate::limits::{HTTP_BODIES, LOG, MAX_HANDLES, MAX_HTTP_REQUESTS, MEMORY, RANDOM, TOTAL_MEMORY};
use crate::units;

const KEYS: [&str; 11] = [
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
];

/// `limits`: what it does not name stays at its default.
pub(super) fn read(reader: &Reader<'_>, value: &Value<'_>) -> Limits {
    let default = Limits::default();
    let Some(table) = reader.table("limits", value) else { return default };
    let table = Table::new(reader, "limits", table, &KEYS);
    let size = |key, sizes| table.get(key).and_then(|v| reader.size(key, v, sizes));
    let count = |key, most| table.get(key).and_then(|v| reader.count(key, v, most));
    let small = |key, most| count(key, most).and_then(|n| u32::try_from(n).ok());
    let deadline = |v| reader.parsed::<Duration, _>("deadline", "a string such as \"500ms\"", v, units::duration);
    let memory = size("memory", &MEMORY).unwrap_or(default.memory);
    let total_memory = size("total-memory", &TOTAL_MEMORY);
    if let Some(value) = table.get("total-memory").filter(|_| total_memory.is_some_and(|total| total < memory)) {
        let message = format!(
            "total-memory: it is less than the {} that one call may have: write at least that, or lower \"memory\"",
            units::write_bytes(memory)
        );
        reader.mistake(value.span(), message);
    }
    let deadline = table.get("deadline").and_then(deadline).unwrap_or(default.deadline);
    Limits {
        fuel: count("fuel", u64::MAX).unwrap_or_else(|| default_fuel(deadline)),
        deadline,
        memory,
        total_memory: total_memory.unwrap_or(default.total_memory.max(memory)),
        log_bytes: size("log", &LOG).unwrap_or(default.log_bytes),
        host_calls: count("host-calls", u64::MAX).unwrap_or(default.host_calls),
        random_bytes: size("random", &RANDOM).unwrap_or(default.random_bytes),
        handles: small("handles", MAX_HANDLES).unwrap_or(default.handles),
        http_requests: small("http-requests", MAX_HTTP_REQUESTS).unwrap_or(default.http_requests),
        http_request_bytes: size("http-request-bytes", &HTTP_BODIES).unwrap_or(default.http_request_bytes),
        http_response_bytes: size("http-response-bytes", &HTTP_BODIES).unwrap_or(default.http_response_bytes),
    }
}
