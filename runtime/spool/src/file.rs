//! Private files that are written completely or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rustix::fs::OFlags;

const MODE: u32 = 0o600;

/// Creates no file through a link, and does not wait for a pipe of that name.
const FLAGS: i32 = OFlags::NOFOLLOW.union(OFlags::NONBLOCK).union(OFlags::NOCTTY).bits().cast_signed();

/// Added before and after a file's name while the file is written.
pub(crate) const UNFINISHED: (&str, &str) = (".", ".tmp");

/// Writes a file, under another name until it is complete. The file is not synced: after a power failure a part of it
/// may be left, which its checksum reveals.
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

/// Syncs the names in a directory.
pub(crate) fn sync(directory: &Path) -> io::Result<()> {
    match File::open(directory) {
        // A user who may create files there, but not read the directory, leaves this to the system.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        opened => opened?.sync_all(),
    }
}

/// Reads a plain file. Returns one byte more than `most` of a longer one.
pub(crate) fn read(path: &Path, most: usize) -> io::Result<Vec<u8>> {
    let file = OpenOptions::new().read(true).custom_flags(FLAGS).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is no plain file"));
    }
    let mut bytes = Vec::new();
    file.take(u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1)).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Opens a lock file, and creates it if it is missing.
pub(crate) fn open_lock(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(MODE).custom_flags(FLAGS).open(path)
}
