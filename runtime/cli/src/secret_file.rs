//! Secret files: a key, and the list of tokens. Warns if other users may change or read them.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use lastword_events::text::printable_path;

/// Write permission of the group and of everybody.
const OTHERS_WRITE: u32 = 0o022;
/// Read permission of everybody. Read permission of the group is usually intended: root may own a key that a group of
/// daemons reads.
const ALL_READ: u32 = 0o004;

/// Warns if a file is not private enough. The daemon serves with it all the same.
pub(crate) fn warn_if_open(path: &Path) {
    // If its metadata cannot be read, the file cannot be read either, which is reported elsewhere.
    let Ok(metadata) = path.metadata() else { return };
    if !metadata.is_file() {
        return;
    }
    if let Some(what) = openness(metadata.permissions().mode()) {
        let path = printable_path(path);
        tracing::warn!("{path} {what} {path}");
    }
}

/// Returns the permissions of other users, and the beginning of a command that removes them.
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
