//! How this program is started once more, whatever has become of its file since.

use std::ffi::OsString;
use std::path::PathBuf;

/// The program's file, and what it is given before any arguments of its own. None when nobody knows.
#[cfg(target_os = "linux")]
pub(crate) fn command() -> Option<(PathBuf, Vec<OsString>)> {
    // Not the path behind it: the file may have been replaced by another version, or be gone.
    let running = PathBuf::from("/proc/self/exe");
    running.metadata().is_ok().then(|| (running, loader_arguments().unwrap_or_default()))
}

/// The program's file, and what it is given before any arguments of its own. None when nobody knows.
#[cfg(not(target_os = "linux"))]
pub(crate) fn command() -> Option<(PathBuf, Vec<OsString>)> {
    Some((std::env::current_exe().ok()?, Vec::new()))
}

/// When the program was started through a dynamic loader (`ld-linux-x86-64.so.2 --library-path L ./lastword …`) the
/// running file is the loader, which takes its own arguments and our path off the front: what the system has and we
/// have not.
#[cfg(target_os = "linux")]
fn loader_arguments() -> Option<Vec<OsString>> {
    use std::os::unix::ffi::OsStringExt as _;
    let all = std::fs::read("/proc/self/cmdline").ok()?;
    let all: Vec<&[u8]> = all.strip_suffix(b"\0")?.split(|byte| *byte == 0).collect();
    // Ours begin with the program's path, which the loader wants as well.
    let taken = all.len().checked_sub(std::env::args_os().count())?;
    Some(all.get(1..=taken)?.iter().map(|argument| OsString::from_vec(argument.to_vec())).collect())
}
