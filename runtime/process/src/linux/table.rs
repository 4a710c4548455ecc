//! The processes of `/proc`, for the search of an agent's.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;

use super::fields::parent;
use super::proc_files;
use crate::ProcessTable;

/// The processes that `/proc` shows.
#[derive(Clone, Copy, Debug, Default)]
pub struct Proc;

impl ProcessTable for Proc {
    fn parent(&self, pid: u32) -> Option<u32> {
        proc_files::check().ok()?;
        parent(&proc_files::read(&format!("/proc/{pid}/stat")).ok()?)
    }

    fn executable(&self, pid: u32) -> Option<PathBuf> {
        fs::read_link(format!("/proc/{pid}/exe")).ok()
    }

    fn command_line(&self, pid: u32) -> Option<Vec<OsString>> {
        let bytes = proc_files::read_bytes(&format!("/proc/{pid}/cmdline")).ok()?;
        // Each word ends with a NUL.
        let words = bytes.strip_suffix(b"\0").unwrap_or(&bytes);
        Some(words.split(|byte| *byte == 0).map(|word| OsString::from_vec(word.to_vec())).collect())
    }
}
