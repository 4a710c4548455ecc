//! The interfaces by the names under which wasmtime-wasi-http 48 links them. Guests' imports are matched by version.

/// The interface of the types.
pub(super) const TYPES: &str = "wasi:http/types@0.2.12";
/// The interface that sends requests.
pub(super) const HANDLER: &str = "wasi:http/outgoing-handler@0.2.12";
