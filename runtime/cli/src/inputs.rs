//! What the program reads.

use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::fs::FileTypeExt as _;

/// Whether `stream` is a pipe or a socket, of which another process has the other end.
pub(crate) fn is_held_by_another(stream: &impl AsFd) -> bool {
    let duplicate = stream.as_fd().try_clone_to_owned().map(File::from);
    let kind = duplicate.and_then(|file| file.metadata()).map(|metadata| metadata.file_type());
    kind.is_ok_and(|kind| kind.is_fifo() || kind.is_socket())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipe_and_a_socket_are_held_by_another_and_a_file_is_not() {
        let (pipe, _other) = std::io::pipe().unwrap();
        let (socket, _other) = std::os::unix::net::UnixStream::pair().unwrap();
        assert!(is_held_by_another(&pipe) && is_held_by_another(&socket));
        assert!(!is_held_by_another(&tempfile::tempfile().unwrap()));
        assert!(!is_held_by_another(&File::open("/dev/null").unwrap()));
    }
}
