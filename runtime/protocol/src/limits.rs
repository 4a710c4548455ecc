//! Every number that bounds what is read, with its unit and where it comes from.

/// One line of input, in bytes. A longer line is skipped.
pub const MAX_LINE_BYTES: usize = 1024 * 1024;

/// Characters of an owner's word that an error or the log repeats.
pub const MAX_QUOTED_CHARS: usize = 64;
