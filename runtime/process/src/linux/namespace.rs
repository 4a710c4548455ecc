//! The pid namespace of this process.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

/// Returns the inode of the namespace's file. Two live namespaces have different ones, and that of the machine itself
/// is the same in every boot.
pub(crate) fn pid_namespace() -> Option<u64> {
    Some(fs::metadata("/proc/self/ns/pid").ok()?.ino())
}
