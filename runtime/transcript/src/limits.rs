//! What one copy, and one start, may cost.

/// The buffer of a copy, in bytes: all the memory that a copy needs, whatever the transcript's size. Between two chunks
/// the call may be cancelled. With it 16 MiB were copied in 5 ms on the machine of the other measurements, and no faster
/// with 1 MiB.
pub const CHUNK_BYTES: usize = 64 * 1024;

/// How many names a transcript's path may have below the part of the root that the operator wrote before `{tenant}`.
/// Each costs one system call. Owners use fewer than 10; a path of 4096 bytes could have 2048.
pub const MAX_DEPTH: usize = 128;

/// How often [`Scratch::open`](crate::Scratch::open) tries again when another program that starts at the same moment
/// takes its new directory for a dead one's. Between making it and locking it lie three system calls, so that even
/// once is rare.
pub const MAX_SCRATCH_ATTEMPTS: usize = 16;

/// How many directories that look like a dead program's are examined at a start. Each costs four system calls, so a
/// start is not held up by a user who fills a shared directory with such names.
pub const MAX_LEFTOVERS: usize = 4096;
