//! The limits of reading `/proc`.

/// The longest file of `/proc` that is read, in bytes. `status` is the longest fixed one, with about 1.5 KiB. A command
/// line can have two megabytes, but only its first words are used. 64 KiB leaves room for kernels' additions.
pub const MAX_PROC_FILE_BYTES: u64 = 64 << 10;

/// Ancestors of a process that are looked up. The deepest known tree of an agent's hook has five. 64 is more than
/// anybody nests shells, and it ends a cycle that processes which start and end meanwhile can simulate.
pub const MAX_ANCESTORS: usize = 64;
