//! Finds journals beside a new one that still owe deliveries. A program that begins anew beside them may have the wrong path.

use std::fs;
use std::path::{Path, PathBuf};

use crate::file::JournalFile;
use crate::ownership::open_file::OpenFile;
use crate::paths::resolved;

/// The most files to look at. A larger directory has other files as well.
const MAX_LOOKED_AT: usize = 256;

/// A journal that no program uses, and that still owes deliveries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfinished {
    /// The file.
    pub path: PathBuf,
    /// Active sessions, without those that a drain has ended.
    pub sessions: u64,
    /// Deliveries that are still owed, with the ends that a drain left.
    pub deliveries: u64,
}

/// Journals that owe deliveries, in the directory of the one at `path`, without that one. It leaves out those in use, where the operating
/// system says so, and files that cannot be read, because the list is only a hint to a person.
#[must_use]
pub fn unfinished_beside(path: &Path) -> Vec<Unfinished> {
    let path = resolved(path);
    let Ok(entries) = fs::read_dir(path.parent().unwrap_or(Path::new("."))) else { return Vec::new() };
    let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|file| file.extension() == path.extension() && *file != path);
    files.sort_unstable();
    files.truncate(MAX_LOOKED_AT);
    files.into_iter().filter_map(unfinished).collect()
}

fn unfinished(path: PathBuf) -> Option<Unfinished> {
    if is_in_use(&path) {
        return None;
    }
    let (sessions, deliveries) = JournalFile::look(&path).ok()?.unfinished().ok()?;
    (sessions + deliveries > 0).then_some(Unfinished { path, sessions, deliveries })
}

#[cfg(target_os = "linux")]
fn is_in_use(path: &Path) -> bool {
    let file = OpenFile::open(path).ok().flatten();
    file.is_none_or(|file| file.is_locked_here() || crate::ownership::lock::holder(file.id()).is_some())
}

#[cfg(not(target_os = "linux"))]
fn is_in_use(path: &Path) -> bool {
    OpenFile::open(path).ok().flatten().is_none_or(|file| file.is_locked_here())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use lastword_events::{Event, Session, SessionStart};

    use super::*;
    use crate::SqliteJournal;
    use lastword_journal::{Journal as _, JournalOp};

    #[tokio::test]
    async fn only_journals_that_nobody_uses_and_that_are_not_done_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| fs::canonicalize(dir.path()).unwrap().join(name);
        drop(SqliteJournal::open(&at("done.db")).unwrap());
        fs::write(at("diary.db"), "dear diary").unwrap();
        fs::create_dir(at("directory.db")).unwrap();
        let start = |id: &str| JournalOp::Start {
            session: Arc::new(Session::new("t", id)),
            event: Arc::new(Event::Start(SessionStart::default())),
            owed: vec![],
            op_id: None,
        };
        let left = SqliteJournal::open(&at("left.db")).unwrap();
        left.recover().unwrap();
        left.append(start("s1")).await.unwrap();
        assert_eq!(unfinished_beside(&at("new.db")), [], "somebody uses it");
        drop(left);
        let found = Unfinished { path: at("left.db"), sessions: 1, deliveries: 0 };
        assert_eq!(unfinished_beside(&at("new.db")), [found]);
        assert_eq!(unfinished_beside(&at("left.db")), []);
    }
}
