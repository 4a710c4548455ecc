//! The limits of reading, with their units and the source of each number.

use std::time::Duration;

use lastword_events::limits::MAX_ATTRIBUTE_VALUE_BYTES;

/// One line of input, in bytes, that is held as a whole. Of a longer line only the kept fields are held.
pub const MAX_LINE_BYTES: usize = 1024 * 1024;

// The following limits hold for a line that is longer, or has to be repaired: enough for all fields that are read, and
// together below MAX_LINE_BYTES.

/// Its own fields, in bytes of JSON. Later fields are skipped.
pub const MAX_LINE_FIELDS_BYTES: usize = 640 * 1024;

/// An object in it, in bytes of JSON: an event keeps at most 32 KiB of attributes, and some paths.
pub const MAX_FIELDS_BYTES: usize = 128 * 1024;

/// An object in that, in bytes of JSON, e.g. of a transcript.
pub const MAX_INNER_FIELDS_BYTES: usize = 16 * 1024;

/// Deeper values and lists, in bytes of JSON: only the first elements of a list are read.
pub const MAX_OTHERS_BYTES: usize = 8 * 1024;

/// One text in it, in bytes of UTF-8. No field or attribute takes a longer one.
pub const MAX_TEXT_BYTES: usize = MAX_ATTRIBUTE_VALUE_BYTES;

/// One name in it, in bytes of JSON. An attribute's name has 128 bytes at most.
pub const MAX_NAME_BYTES: usize = 1024;

/// One number in it. A useful number has at most 17 digits, and an exponent of 3.
pub const MAX_NUMBER_BYTES: usize = 1024;

/// The depth of nested objects and lists. The deepest field that is read is at depth four.
pub const MAX_DEPTH: usize = 16;

/// The buffer for the beginning of a line, in bytes. A buffer that a longer line needed is freed.
pub const KEPT_BUFFER_BYTES: usize = 64 * 1024;

/// The wait for the rest of a line that stops in the middle. An owner that writes a line in parts takes microseconds,
/// and owners do not wait much longer for the answer.
pub const REST_WAIT: Duration = Duration::from_secs(2);

/// Dropped fields that an answer names. The rest is counted.
pub const MAX_NAMED_DROPPED: usize = 64;
