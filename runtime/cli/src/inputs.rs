//! Files that a person names for us to read.
//!
//! A name that stands for a named pipe, a socket or a directory is refused at once, with a sentence. Opening a pipe
//! would wait until somebody writes to it, and reading it until nobody does: a typing error in a path would be a
//! program that hangs. What was opened is what is looked at, so nobody can put another file there in between.
//!
//! A descriptor is no such name: `-` is stdin, and a shell's `<(…)` is `/dev/fd/N`, a pipe whose other end it has
//! started.

use std::fs::{File, FileType, OpenOptions};
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::OFlags;
use rustix::io::Errno;

use crate::fd::Blocking;

/// For a pipe's writer; and a terminal that is read does not become ours.
const DO_NOT_WAIT: i32 = OFlags::NONBLOCK.union(OFlags::NOCTTY).bits().cast_signed();

/// stdin, where a file is named.
const STDIN: &str = "-";

/// Whether the name stands for a descriptor that the program was given, rather than for a file.
pub(crate) fn is_descriptor(path: &Path) -> bool {
    let of_the_process = ["/dev/fd", "/proc/self/fd"].map(Path::new);
    [STDIN, "/dev/stdin"].iter().any(|stdin| path == Path::new(stdin))
        || path.parent().is_some_and(|parent| of_the_process.contains(&parent))
}

/// What paths in the file are relative to: its directory, or for a descriptor our own.
pub(crate) fn directory_of(path: &Path) -> &Path {
    let directory = path.parent().filter(|_| !is_descriptor(path));
    directory.unwrap_or(Path::new(""))
}

/// Whether the name stands for something else at the next start: a pipe.
pub(crate) fn is_passing(path: &Path) -> bool {
    is_descriptor(path) && !path.canonicalize().is_ok_and(|file| file != path && file.is_file())
}

/// Whether `stream` is a pipe or a socket, of which another process has the other end.
pub(crate) fn is_held_by_another(stream: &impl AsFd) -> bool {
    let duplicate = stream.as_fd().try_clone_to_owned().map(File::from);
    duplicate.and_then(|file| file.metadata()).is_ok_and(|metadata| is_stream(metadata.file_type()))
}

/// Reads a text of at most `limit` bytes, and one byte more of a longer one: from a file, a device such as `/dev/null`,
/// or a descriptor, that one to its end.
///
/// # Errors
/// When it cannot be read, or the name stands for what is no file.
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

/// Reads a plain file of at most `limit` bytes, and one byte more of a longer one.
///
/// # Errors
/// When it cannot be read, or is no plain file.
pub(crate) fn read_file(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let file = open(path)?;
    let kind = file.metadata()?.file_type();
    if !kind.is_file() {
        return Err(refusal(kind));
    }
    let mut bytes = Vec::new();
    // One byte more than fits tells a file that is too large, also one that grows.
    file.take(limit + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Opens what is there without waiting for another process.
fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(DO_NOT_WAIT).open(path).map_err(|error| {
        // A socket cannot be opened at all, and what the system says of that nobody understands.
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
