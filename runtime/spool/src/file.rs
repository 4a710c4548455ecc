//! A file that is whole or not there, and private.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rustix::fs::OFlags;

const MODE: u32 = 0o600;

/// What is not there is not made through a link, and a pipe of that name is not waited for.
const FLAGS: i32 = OFlags::NOFOLLOW.union(OFlags::NONBLOCK).union(OFlags::NOCTTY).bits().cast_signed();

/// Added to a name, before and after, while its file is written.
pub(crate) const UNFINISHED: (&str, &str) = (".", ".tmp");

/// Writes it, under another name until it is whole. It is not on the disk yet: power that fails may leave a part of it,
/// which its checksum tells.
pub(crate) fn write(directory: &Path, name: &str, content: &[u8]) -> io::Result<File> {
    let unfinished = directory.join(format!("{}{name}{}", UNFINISHED.0, UNFINISHED.1));
    let written =
        write_new(&unfinished, content).and_then(|file| fs::rename(&unfinished, directory.join(name)).map(|()| file));
    if written.is_err() {
        fs::remove_file(&unfinished).ok();
    }
    written
}

fn write_new(path: &Path, content: &[u8]) -> io::Result<File> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(MODE).custom_flags(FLAGS).open(path)?;
    file.write_all(content)?;
    Ok(file)
}

/// Puts the names in a directory on the disk.
pub(crate) fn sync(directory: &Path) -> io::Result<()> {
    match File::open(directory) {
        // Who may make something there, and not look at it, has to leave that to the system.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        opened => opened?.sync_all(),
    }
}

/// Reads a plain file, and one byte more than `most` of a longer one.
pub(crate) fn read(path: &Path, most: usize) -> io::Result<Vec<u8>> {
    let file = OpenOptions::new().read(true).custom_flags(FLAGS).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is no plain file"));
    }
    let mut bytes = Vec::new();
    file.take(u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1)).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Opens a file that is locked, and makes it where it is missing.
pub(crate) fn open_lock(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(MODE).custom_flags(FLAGS).open(path)
}
