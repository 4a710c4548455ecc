//! The socket's directory. The default one is private to the user.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;

use lastword_spool::{Loose, NotPrivate, open_private};

use crate::socket::SocketPlace;

/// Only the owner.
const MODE: u32 = 0o700;

/// Makes the directory if it is missing. The default one has to be ours, and becomes private. Another one is left as it
/// is: the socket itself is private.
///
/// # Errors
/// When the directory cannot be made, or the default's name is a link or belongs to another user.
pub(super) fn make(place: &SocketPlace) -> io::Result<()> {
    let Some(directory) = place.path.parent().filter(|directory| !directory.as_os_str().is_empty()) else {
        return Ok(());
    };
    if !place.is_default {
        return DirBuilder::new().recursive(true).mode(MODE).create(directory);
    }
    open_private(directory, Loose::Tighten).map(drop).map_err(|why| match why {
        NotPrivate::Io(error) => error,
        why => io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("{why}: name another socket with --socket, or set XDG_RUNTIME_DIR to a directory of this user's"),
        ),
    })
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
    use std::path::Path;

    use rustix::process::geteuid;

    use super::*;

    fn make_for(directory: &Path, is_default: bool) -> io::Result<()> {
        make(&SocketPlace { path: directory.join("lastword.sock"), is_default })
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o777
    }

    #[test]
    fn that_of_the_default_is_made_private_and_another_is_left_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let [new, open, other] = ["new", "open", "other"].map(|name| dir.path().join(name));
        for there in [&open, &other] {
            fs::create_dir(there).unwrap();
            fs::set_permissions(there, Permissions::from_mode(0o755)).unwrap();
        }
        make_for(&new, true).unwrap();
        make_for(&open, true).unwrap();
        make_for(&other, false).unwrap();
        assert_eq!([mode(&new), mode(&open), mode(&other)], [0o700, 0o700, 0o755]);
    }

    #[test]
    fn a_link_in_its_place_is_refused_and_what_it_leads_to_is_not_changed() {
        let dir = tempfile::tempdir().unwrap();
        let [target, link] = ["target", "link"].map(|name| dir.path().join(name));
        fs::create_dir(&target).unwrap();
        fs::set_permissions(&target, Permissions::from_mode(0o755)).unwrap();
        symlink(&target, &link).unwrap();
        let refused = make_for(&link, true).unwrap_err().to_string();
        assert!(refused.contains("it is a link"), "{refused}");
        assert_eq!(mode(&target), 0o755);
        make_for(&link, false).unwrap();
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
        let refused = make_for(&theirs, true).unwrap_err().to_string();
        assert!(refused.contains("it belongs to user"), "{refused}");
    }
}
