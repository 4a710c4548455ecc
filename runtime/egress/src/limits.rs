//! What one guest call may send and receive.
//!
//! A hook reports a session's end: a few requests of some kilobytes each. The defaults are far above that, and far
//! below what would hurt the host when every slot for calls is in use at once.

/// Requests that one call may make, refused ones included.
///
/// Enough for a look-up, a write and some retries at several services; a guest that loops over `send` is stopped before
/// it becomes a scanner.
pub const MAX_REQUESTS: u32 = 16;

/// Bytes of request bodies that one call may send in sum. A summary or a flushed memory is some kilobytes.
pub const MAX_REQUEST_BODY_BYTES: u64 = 1024 * 1024;

/// Bytes of response bodies that one call may receive in sum. They end up in the guest's memory, 64 MiB by default.
pub const MAX_RESPONSE_BODY_BYTES: u64 = 4 * 1024 * 1024;

/// Bytes of a response until the end of its header, informational (1xx) responses included.
///
/// Common servers and proxies send at most 8 to 32 KiB.
pub const MAX_RESPONSE_HEADER_BYTES: usize = 64 * 1024;

/// Header fields of a response. hyper's own default, written down because that one may change.
pub const MAX_RESPONSE_HEADERS: usize = 100;

/// System look-ups at a time, in the whole process.
///
/// A look-up holds a thread that nothing can interrupt, also when the call that wanted it is gone. tokio has 512 such
/// threads, and files and storage need them too.
pub const MAX_CONCURRENT_LOOKUPS: usize = 64;

/// System look-ups of one name at a time. An answer comes in milliseconds, or the name's server is not there.
pub const MAX_LOOKUPS_OF_ONE_NAME: usize = 8;

/// Bytes read from a connection at a time, one buffer for each connection. hyper's own first buffer is as large.
pub(crate) const READ_BUFFER_BYTES: usize = 8 * 1024;

/// The smallest buffer that hyper accepts, in bytes: a smaller limit on the header is kept by the head gate alone.
pub(crate) const MIN_HYPER_BUFFER_BYTES: usize = 8 * 1024;

/// The limits of one guest call. `Default` gives the constants of this module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Requests, refused ones included.
    pub max_requests: u32,
    /// Bytes of all request bodies together.
    pub max_request_body_bytes: u64,
    /// Bytes of all response bodies together, as they are on the wire without chunk framing: nothing is decompressed.
    pub max_response_body_bytes: u64,
    /// Bytes of one response until the end of its header, informational responses included.
    pub max_response_header_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_requests: MAX_REQUESTS,
            max_request_body_bytes: MAX_REQUEST_BODY_BYTES,
            max_response_body_bytes: MAX_RESPONSE_BODY_BYTES,
            max_response_header_bytes: MAX_RESPONSE_HEADER_BYTES,
        }
    }
}
