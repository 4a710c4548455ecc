//! What hooks have said while no daemon answered.

use std::fs;
use std::path::Path;

use lastword_events::text::printable_path;

use super::finding::Finding;
use crate::directories;

const CHECK: &str = "spool";

/// Whether something waits in the spool.
pub(super) fn look(has_daemon: bool) -> Finding {
    let Some(folder) = directories::state().map(|state| state.join("lastword").join("spool")) else {
        return Finding::open(None, CHECK, "where the spool would be is not known");
    };
    match waiting(&folder) {
        0 => Finding::good(None, CHECK, "nothing waits in the spool"),
        files => {
            let files = if files == 1 { "1 file waits".to_owned() } else { format!("{files} files wait") };
            let says = format!("{files} in the spool, {}", printable_path(&folder));
            let hint = match has_daemon {
                true => "the daemon takes them in; if they are still there in a minute, look into its log",
                false => "they are taken in when the daemon starts",
            };
            Finding::open(None, CHECK, says).hint(hint)
        }
    }
}

/// How many files there are; none where there is no such folder.
fn waiting(folder: &Path) -> usize {
    let files = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    files.filter(|file| file.file_type().is_ok_and(|kind| kind.is_file())).count()
}
