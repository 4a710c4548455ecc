//! Opens files that the user names.
//!
//! A path of a named pipe, a socket or a directory is refused at once, with a message. Opening a pipe would wait for a
//! writer, and reading it would wait for the last one to leave, so a typing error in a path would make the program
//! hang. The check looks at the opened file, so no other process can replace the file in between.
//!
//! A descriptor is no such path: `-` is stdin, and a shell's `<(…)` is `/dev/fd/N`, a pipe whose writer the shell has
//! started.

use std::fs::{File, FileType, OpenOptions};
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::OFlags;
use rustix::io::Errno;

use crate::fd::Blocking;

/// Does not wait for a pipe's writer, and does not take a terminal as the controlling one.
const DO_NOT_WAIT: i32 = OFlags::NONBLOCK.union(OFlags::NOCTTY).bits().cast_signed();

/// The name for stdin in place of a file.
const STDIN: &str = "-";

/// Whether the name is one of a descriptor that the program was given.
pub(crate) fn is_descriptor(path: &Path) -> bool {
    let of_the_process = ["/dev/fd", "/proc/self/fd"].map(Path::new);
    [STDIN, "/dev/stdin"].iter().any(|stdin| path == Path::new(stdin))
        || path.parent().is_some_and(|parent| of_the_process.contains(&parent))
}

/// Returns the base of relative paths in the file: its directory, or for a descriptor our working directory.
pub(crate) fn directory_of(path: &Path) -> &Path {
    let directory = path.parent().filter(|_| !is_descriptor(path));
    directory.unwrap_or(Path::new(""))
}

/// Whether the name stands for a pipe, which is another one at the next start.
pub(crate) fn is_passing(path: &Path) -> bool {
    is_descriptor(path) && !path.canonicalize().is_ok_and(|file| file != path && file.is_file())
}

/// Whether `stream` is a pipe or a socket, whose other end another process holds.
pub(crate) fn is_held_by_another(stream: &impl AsFd) -> bool {
    let duplicate = stream.as_fd().try_clone_to_owned().map(File::from);
    duplicate.and_then(|file| file.metadata()).is_ok_and(|metadata| is_stream(metadata.file_type()))
}

/// Reads a text of at most `limit` bytes, or one byte more if it is longer. The source is a file, a device such as
/// `/dev/null`, or a descriptor, which is read to its end.
///
/// # Errors
/// When the source cannot be read, or is no file.
pub(crate) fn read_text(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let input = if path == Path::new(STDIN) {
        Blocking::duplicate(&io::stdin())?
    } else {
        let file = open(path)?;
        let kind = file.metadata()?.file_type();
        if kind.is_dir() || (is_stream(kind) && !is_descriptor(path)) {
            return Err(refusal(kind));
        }
        Blocking::duplicate(&file)?
    };
    let mut bytes = Vec::new();
    input.take(limit + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Reads a plain file of at most `limit` bytes, or one byte more if it is longer.
///
/// # Errors
/// When the file cannot be read, or is no plain file.
pub(crate) fn read_file(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let file = open(path)?;
    let kind = file.metadata()?.file_type();
    if !kind.is_file() {
        return Err(refusal(kind));
    }
    let mut bytes = Vec::new();
    // One extra byte shows that a file is too large, even if it grows.
    file.take(limit + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Opens the path without waiting for another process.
fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(DO_NOT_WAIT).open(path).map_err(|error| {
        // A socket cannot be opened, and the system's message for that is hard to understand.
        let socket = error.raw_os_error() == Some(Errno::NXIO.raw_os_error());
        let kind = path.metadata().ok().filter(|_| socket).map(|metadata| metadata.file_type());
        kind.filter(FileType::is_socket).map_or(error, |kind| match is_descriptor(path) {
            true => io::Error::new(
                io::ErrorKind::InvalidInput,
                "it is a socket, which has no name: give it as stdin, and say `-`",
            ),
            false => refusal(kind),
        })
    })
}

fn is_stream(kind: FileType) -> bool {
    kind.is_fifo() || kind.is_socket()
}

fn refusal(kind: FileType) -> io::Error {
    let (error, what) = match kind {
        kind if kind.is_dir() => (io::ErrorKind::IsADirectory, "it is a directory"),
        kind if kind.is_fifo() => (io::ErrorKind::InvalidInput, "it is a pipe (FIFO), and would be waited for"),
        kind if kind.is_socket() => (io::ErrorKind::InvalidInput, "it is a socket"),
        _ => (io::ErrorKind::InvalidInput, "it is a device"),
    };
    io::Error::new(error, format!("{what}: name a file"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors_are_told_from_files_by_their_names() {
        for path in ["-", "/dev/stdin", "/dev/fd/63", "/proc/self/fd/3"] {
            assert!(is_descriptor(Path::new(path)), "{path}");
        }
        for path in ["./-", "/dev/fd", "/dev/null", "/dev/fd/3/x", "fd/3"] {
            assert!(!is_descriptor(Path::new(path)), "{path}");
        }
    }

    #[test]
    fn a_pipe_and_a_socket_are_held_by_another_and_a_file_is_not() {
        let (pipe, _other) = io::pipe().unwrap();
        let (socket, _other) = std::os::unix::net::UnixStream::pair().unwrap();
        assert!(is_held_by_another(&pipe) && is_held_by_another(&socket));
        assert!(!is_held_by_another(&tempfile::tempfile().unwrap()));
        assert!(!is_held_by_another(&File::open("/dev/null").unwrap()));
    }
}
