//! Remembers that the last start of a daemon has failed. Otherwise each hook would try again, and take a second of CPU
//! time and a dozen log lines each time.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::SystemTime;

use lastword_events::printable;
use rustix::fs::OFlags;

use crate::exit::Failure;
use crate::limits::SPAWN_AGAIN;

/// The file in the spool with the reason. Its age is the age of the failure.
const NAME: &str = "spawn-failed";
const MODE: u32 = 0o600;
const FLAGS: i32 = OFlags::NOFOLLOW.union(OFlags::NONBLOCK).union(OFlags::NOCTTY).bits().cast_signed();

/// Whether a start failed so recently that no daemon is started now.
pub(super) fn is_recent(spool: &Path) -> bool {
    let written = fs::symlink_metadata(spool.join(NAME)).and_then(|metadata| metadata.modified());
    // A time in the future is ignored: the clock was set.
    let age = written.ok().and_then(|written| SystemTime::now().duration_since(written).ok());
    age.is_some_and(|age| age < SPAWN_AGAIN)
}

/// Records the result of a start.
pub(super) fn note(spool: &Path, failed: Option<&Failure>) {
    let path = spool.join(NAME);
    let Some(Failure { error, .. }) = failed else {
        // The file usually does not exist.
        fs::remove_file(path).ok();
        return;
    };
    let opened = OpenOptions::new().write(true).create(true).truncate(true).mode(MODE).custom_flags(FLAGS).open(path);
    // Without the file the next hook tries again.
    opened.and_then(|mut file| writeln!(file, "{}", printable(&format!("{error:#}")))).ok();
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::time::Duration;

    use anyhow::anyhow;

    use super::*;

    #[test]
    fn a_start_that_has_failed_is_tried_again_after_a_while_and_one_that_has_not_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let failed = Failure::internal(anyhow!("the configuration is broken"));
        assert!(!is_recent(dir.path()));
        note(dir.path(), Some(&failed));
        assert!(is_recent(dir.path()));
        let path = dir.path().join(NAME);
        assert_eq!(fs::read_to_string(&path).unwrap(), "the configuration is broken\n");
        let at = |time| File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
        at(SystemTime::now() - SPAWN_AGAIN);
        assert!(!is_recent(dir.path()));
        at(SystemTime::now() + Duration::from_secs(3600));
        assert!(!is_recent(dir.path()));
        note(dir.path(), Some(&failed));
        note(dir.path(), None);
        assert!(!path.exists() && !is_recent(dir.path()));
    }
}
