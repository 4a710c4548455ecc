//! How much of `/proc` is read.

/// The longest file of `/proc` that is read, in bytes. `status` is the longest, with about 1.5 KiB; a command line can be two
/// megabytes, of which only the first words are looked at. 64 KiB leaves room for what kernels add.
pub const MAX_PROC_FILE_BYTES: u64 = 64 << 10;

/// How many ancestors of a process are looked at. The deepest tree that an agent's hook was seen in has five; 64 is more than
/// anybody nests shells, and ends a circle, which processes that come and go meanwhile can feign.
pub const MAX_ANCESTORS: usize = 64;
