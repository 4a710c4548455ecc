//! The limits of an event's size, in bytes of UTF-8.
//!
//! They bound the cost of one active session (the active set is in memory) and the bytes that one call copies into a
//! guest. They are far above the sizes of all known owners, whose ids are UUIDs, and whose keys have less than 100
//! bytes.

/// Characters of an outside word that a message repeats.
pub const MAX_QUOTED_CHARS: usize = 64;
/// A tenant's name.
pub const MAX_TENANT_BYTES: usize = 128;
/// A session's id, as the owner gives it. Also the limit of `next-session-id`, `resumed-from` and the like.
pub const MAX_ID_BYTES: usize = 512;
/// The owner's stable name for a conversation, an agent's id, an owner's kind, the raw word of a reason, a start's source.
pub const MAX_KEY_BYTES: usize = 1024;
/// A working directory or a transcript's uri: `PATH_MAX` of Linux.
pub const MAX_PATH_BYTES: usize = 4096;
/// An attribute's name.
pub const MAX_ATTRIBUTE_NAME_BYTES: usize = 128;
/// An attribute's value.
pub const MAX_ATTRIBUTE_VALUE_BYTES: usize = 8 * 1024;
/// The number of attributes of a session, or of one event.
pub const MAX_ATTRIBUTES: usize = 64;
/// All names and values of one list of attributes together.
pub const MAX_ATTRIBUTES_BYTES: usize = 32 * 1024;
/// A plugin's name. It is part of every delivery id.
pub const MAX_PLUGIN_NAME_BYTES: usize = 64;
/// A `tracestate`: all that W3C Trace Context asks programs to pass on.
pub const MAX_TRACESTATE_BYTES: usize = 512;
/// An `op_id`: owners use UUIDs or counters.
pub const MAX_OP_ID_BYTES: usize = 256;
