//! Reading `/proc`.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::sync::OnceLock;

use super::fields::numbers_in_namespaces;
use crate::ProcessError;
use crate::limits::MAX_PROC_FILE_BYTES;

const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// Reads a file of `/proc`, at most [`MAX_PROC_FILE_BYTES`] of it.
pub(super) fn read_bytes(path: &str) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_PROC_FILE_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Reads a file of `/proc`. Program names in it may contain any bytes.
pub(super) fn read(path: &str) -> io::Result<String> {
    Ok(String::from_utf8_lossy(&read_bytes(path)?).into_owned())
}

/// Reads a file of `/proc` that every user can read.
pub(super) fn read_always(path: &str) -> Result<String, ProcessError> {
    read(path).map_err(|source| ProcessError::Io { during: format!("read {path}"), source })
}

/// Returns the id that distinguishes this boot from every other one.
pub(crate) fn boot_id() -> Result<&'static str, ProcessError> {
    static READ: OnceLock<String> = OnceLock::new();
    if let Some(read) = READ.get() {
        return Ok(read);
    }
    check()?;
    let read = read_always(BOOT_ID)?;
    Ok(READ.get_or_init(|| read.trim().to_owned()))
}

/// Whether the pids in `/proc` are those of this process's pid namespace. Checked once: a process never leaves its pid
/// namespace.
pub(super) fn check() -> Result<(), ProcessError> {
    static CHECKED: OnceLock<()> = OnceLock::new();
    if CHECKED.get().is_some() {
        return Ok(());
    }
    fs::symlink_metadata("/proc/self").map_err(|_| ProcessError::NoProc)?;
    // The link has no target if `/proc` belongs to a namespace that this process is not in.
    fs::read_link("/proc/self").map_err(|_| ProcessError::ForeignProc)?;
    // In the `/proc` of a namespace above, this process has a different pid.
    match numbers_in_namespaces(&read_always("/proc/self/status")?) {
        Some(numbers) if numbers.len() > 1 => Err(ProcessError::ForeignProc),
        _ => {
            CHECKED.get_or_init(|| ());
            Ok(())
        }
    }
}
