//! Files on which it depends who is let in: a key, and the list of tokens. Whoever else may change or read them is told of.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use lastword_events::text::printable_path;

/// A group, and everybody.
const OTHERS_WRITE: u32 = 0o022;
/// Everybody. A group that may read is somebody's intention: a key is often root's, and read by a group of daemons.
const ALL_READ: u32 = 0o004;

/// Warns of a file that is not as private as it should be. It serves all the same.
pub(crate) fn warn_if_open(path: &Path) {
    // What cannot be looked at cannot be read either, and that is told elsewhere.
    let Ok(metadata) = path.metadata() else { return };
    if !metadata.is_file() {
        return;
    }
    if let Some(what) = openness(metadata.permissions().mode()) {
        let path = printable_path(path);
        tracing::warn!("{path} {what} {path}");
    }
}

/// What others may do, and how a command begins that takes it from them.
fn openness(mode: u32) -> Option<String> {
    let mode = mode & 0o7777;
    match (mode & OTHERS_WRITE != 0, mode & ALL_READ != 0) {
        (true, _) => {
            Some(format!("can be changed by others (mode {mode:04o}), who could let themselves in: chmod go-w,o-r"))
        }
        (false, true) => Some(format!("can be read by everybody (mode {mode:04o}): chmod o-r")),
        (false, false) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_others_can_change_or_all_can_read_is_told_of() {
        for mode in [0o600, 0o400, 0o640, 0o100_600] {
            assert_eq!(openness(mode), None, "{mode:o}");
        }
        for (mode, said) in [
            (0o644, "can be read by everybody (mode 0644): chmod o-r"),
            (0o100_660, "can be changed by others (mode 0660)"),
            (0o602, "can be changed by others (mode 0602)"),
            (0o666, "chmod go-w,o-r"),
        ] {
            assert!(openness(mode).is_some_and(|told| told.contains(said)), "{mode:o}");
        }
    }
}
