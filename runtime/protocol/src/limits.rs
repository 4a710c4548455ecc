//! Every number that bounds what is read, with its unit and where it comes from.

use std::time::Duration;

use lastword_events::limits::MAX_ATTRIBUTE_VALUE_BYTES;

/// One line of input, in bytes, that is held whole. Of a longer one only what was kept is.
pub const MAX_LINE_BYTES: usize = 1024 * 1024;

// Of a line that is longer, or has to be repaired, less is kept: enough for all that anybody reads, and with whatever is in
// it below MAX_LINE_BYTES.

/// Its own fields, in bytes of JSON. What comes after them is passed over.
pub const MAX_LINE_FIELDS_BYTES: usize = 640 * 1024;

/// An object in it, in bytes of JSON: 32 KiB of attributes at most are kept of an event, and some paths.
pub const MAX_FIELDS_BYTES: usize = 128 * 1024;

/// An object in that, in bytes of JSON, e.g. of a transcript.
pub const MAX_INNER_FIELDS_BYTES: usize = 16 * 1024;

/// Anything deeper, and any list, in bytes of JSON: the first elements are all that is read of one.
pub const MAX_OTHERS_BYTES: usize = 8 * 1024;

/// One text in it, in bytes of UTF-8: what no field takes, an attribute neither.
pub const MAX_TEXT_BYTES: usize = MAX_ATTRIBUTE_VALUE_BYTES;

/// One name in it, in bytes of JSON; an attribute's has 128 bytes at most.
pub const MAX_NAME_BYTES: usize = 1024;

/// One number in it. The digits of a number of any use are 17, and its exponent's 3.
pub const MAX_NUMBER_BYTES: usize = 1024;

/// Objects and lists in each other. The deepest field that is read is the fourth.
pub const MAX_DEPTH: usize = 16;

/// The beginning of a line is kept in a buffer of this size, in bytes; what a longer line needed is given back.
pub const KEPT_BUFFER_BYTES: usize = 64 * 1024;

/// How long the rest of a line that stops in the middle is waited for. An owner that writes its parts as one does so in
/// microseconds; and owners do not wait for the answer much longer.
pub const REST_WAIT: Duration = Duration::from_secs(2);

/// Dropped fields that an answer names; the others are counted.
pub const MAX_NAMED_DROPPED: usize = 64;
