//! A directory that only its owner can change.

use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, fchmod, open};
use rustix::io::Errno;
use rustix::process::geteuid;
use thiserror::Error;

/// Only the owner.
const MODE: u32 = 0o700;

/// The permissions of other users, as bits of a mode.
const OTHERS: u32 = 0o077;

/// The permissions that let other users add or remove files.
const OTHERS_WRITE: u32 = 0o022;

/// The treatment of a directory of ours that other users may enter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loose {
    /// Its mode becomes 0700.
    Tighten,
    /// Refuses the directory if other users may write to it. Leaves it as it is if they may only read.
    Refuse,
}

/// Why a directory is not used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum NotPrivate {
    /// A link or a file has its name.
    #[error("it is a link, or no directory")]
    Link,
    /// Another user owns it.
    #[error("it belongs to user {0}")]
    Foreign(u32),
    /// Other users can put files there.
    #[error("others can write to it (mode {0:04o}): chmod go-w")]
    Writable(u32),
    /// It cannot be made or opened.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// Makes the directory with mode 0700 if it is missing, and opens it. Checks and changes the opened directory, so that
/// nobody can replace it meanwhile.
///
/// # Errors
/// Why it is not private to this user, or cannot be made.
pub fn open_private(directory: &Path, loose: Loose) -> Result<File, NotPrivate> {
    make(directory)?;
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::RDONLY | OFlags::CLOEXEC;
    let opened = open(directory, flags, Mode::empty()).map_err(|error| match error {
        Errno::NOTDIR | Errno::LOOP => NotPrivate::Link,
        error => NotPrivate::Io(error.into()),
    })?;
    let opened = File::from(opened);
    let metadata = opened.metadata()?;
    if metadata.uid() != geteuid().as_raw() {
        return Err(NotPrivate::Foreign(metadata.uid()));
    }
    let mode = metadata.mode() & 0o7777;
    match loose {
        Loose::Tighten if mode & OTHERS != 0 => fchmod(&opened, Mode::RWXU).map_err(io::Error::from)?,
        Loose::Refuse if mode & OTHERS_WRITE != 0 => return Err(NotPrivate::Writable(mode)),
        Loose::Tighten | Loose::Refuse => {}
    }
    Ok(opened)
}

/// Returns the directories that get a new entry when this one is made. Empty if it exists.
pub(crate) fn parents_of_missing(directory: &Path) -> Vec<PathBuf> {
    let missing = directory.ancestors().take_while(|directory| !directory.exists());
    let parents = missing.filter_map(Path::parent).map(|parent| match parent.as_os_str().is_empty() {
        true => PathBuf::from("."),
        false => parent.to_owned(),
    });
    parents.collect()
}

/// Makes the directory. A file of that name, or a dangling link, is reported when it is opened.
fn make(directory: &Path) -> io::Result<()> {
    match DirBuilder::new().recursive(true).mode(MODE).create(directory) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o777
    }

    #[test]
    fn one_that_is_made_is_private_and_a_loose_one_is_tightened_or_refused() {
        let dir = tempfile::tempdir().unwrap();
        let made = dir.path().join("a").join("b");
        open_private(&made, Loose::Refuse).unwrap();
        assert_eq!(mode(&made), 0o700);
        for (loose, refused) in [(0o755, false), (0o770, true), (0o702, true), (0o777, true)] {
            fs::set_permissions(&made, Permissions::from_mode(loose)).unwrap();
            let found = open_private(&made, Loose::Refuse);
            assert_eq!(matches!(found, Err(NotPrivate::Writable(_))), refused, "{loose:o}: {found:?}");
            assert_eq!(mode(&made), loose, "it is as it was");
            open_private(&made, Loose::Tighten).unwrap();
            assert_eq!(mode(&made), 0o700);
        }
    }

    #[test]
    fn every_directory_that_gets_a_new_name_is_known_before() {
        let dir = tempfile::tempdir().unwrap();
        let (one, two) = (dir.path().join("a"), dir.path().join("a").join("b"));
        assert_eq!(parents_of_missing(&two), [one.clone(), dir.path().to_owned()]);
        fs::create_dir(&one).unwrap();
        assert_eq!(parents_of_missing(&two), std::slice::from_ref(&one));
        assert!(parents_of_missing(&one).is_empty());
        assert_eq!(parents_of_missing(Path::new("there-is-none-of-this-name")), [Path::new(".")]);
    }

    #[test]
    fn a_link_and_a_file_are_refused_and_what_a_link_leads_to_is_not_changed() {
        let dir = tempfile::tempdir().unwrap();
        let [target, link, file] = ["target", "link", "file"].map(|name| dir.path().join(name));
        fs::create_dir(&target).unwrap();
        fs::set_permissions(&target, Permissions::from_mode(0o755)).unwrap();
        symlink(&target, &link).unwrap();
        fs::write(&file, "mine").unwrap();
        assert!(matches!(open_private(&link, Loose::Tighten), Err(NotPrivate::Link)));
        assert!(matches!(open_private(&file, Loose::Tighten), Err(NotPrivate::Link)));
        assert_eq!(mode(&target), 0o755);
    }

    /// Only a user who may give a directory away can run this.
    #[test]
    fn a_directory_of_another_user_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let theirs = dir.path().join("theirs");
        fs::create_dir(&theirs).unwrap();
        if std::os::unix::fs::chown(&theirs, Some(geteuid().as_raw() + 1), None).is_err() {
            return;
        }
        assert!(matches!(open_private(&theirs, Loose::Tighten), Err(NotPrivate::Foreign(_))));
    }
}
