//! How large an event may be. Sizes are in bytes of UTF-8.
//!
//! They bound what one active session can cost (the set is held in memory) and what one call copies into a guest, and
//! are far above what any owner we have seen sends: their ids are UUIDs, their keys under 100 bytes.

/// Characters of a word of others that a message repeats.
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
/// How many attributes a session, or one event, may have.
pub const MAX_ATTRIBUTES: usize = 64;
/// All names and values of one list of attributes together.
pub const MAX_ATTRIBUTES_BYTES: usize = 32 * 1024;
/// A plugin's name. It is part of every delivery id.
pub const MAX_PLUGIN_NAME_BYTES: usize = 64;
/// An `op_id`: owners use UUIDs or counters.
pub const MAX_OP_ID_BYTES: usize = 256;
