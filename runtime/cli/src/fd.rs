//! Standard input and output as bare file descriptors.
//!
//! Rust's own handles share a lock, and a thread that waits for a reader would hold it; and an owner may hand us pipes
//! that do not block, which Rust's handles report as errors.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::limits::WANTED_DESCRIPTORS;

/// Takes as many descriptors as the process may have: guests' connections and transcripts are some each, and with the usual
/// soft limit of 1024 they could leave none for the others.
pub(crate) fn raise_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
    match raised.map(|()| limit.maximum) {
        Ok(Some(most)) if most < WANTED_DESCRIPTORS => {
            tracing::warn!(
                "this process may have {most} open files: raise its limit (ulimit -n) to {WANTED_DESCRIPTORS}"
            );
        }
        Ok(_) => {}
        Err(error) => tracing::warn!(%error, "the limit of open files stays as it is"),
    }
}

/// A descriptor that waits until it can be read or written, whether or not it was set to.
pub(crate) struct Blocking(OwnedFd);

impl Blocking {
    /// A descriptor of our own for the file that `stream` stands for.
    ///
    /// # Errors
    /// When there are no descriptors left.
    pub(crate) fn duplicate(stream: &impl AsFd) -> io::Result<Self> {
        Ok(Self(stream.as_fd().try_clone_to_owned()?))
    }

    fn retry(&self, ready: PollFlags, mut once: impl FnMut(&OwnedFd) -> Result<usize, Errno>) -> io::Result<usize> {
        loop {
            match once(&self.0) {
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => match poll(&mut [PollFd::new(&self.0, ready)], None) {
                    Ok(_) | Err(Errno::INTR) => {}
                    Err(error) => return Err(error.into()),
                },
                done => return Ok(done?),
            }
        }
    }
}

impl Read for Blocking {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.retry(PollFlags::IN, |fd| rustix::io::read(fd, &mut *buffer))
    }
}

impl Write for Blocking {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.retry(PollFlags::OUT, |fd| rustix::io::write(fd, bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipe_that_does_not_block_is_waited_for() {
        let (reader, writer) = io::pipe().unwrap();
        rustix::io::ioctl_fionbio(&reader, true).unwrap();
        rustix::io::ioctl_fionbio(&writer, true).unwrap();
        // More than a pipe holds, so that both sides have to wait.
        let sent: Vec<u8> = (0..1_000_000_u32).map(|i| i.to_le_bytes()[0]).collect();
        let mut received = Vec::new();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut output = Blocking::duplicate(&writer).unwrap();
                output.write_all(&sent).unwrap();
                drop(writer);
            });
            let mut input = Blocking::duplicate(&reader).unwrap();
            let mut chunk = vec![0; 4096];
            while received.len() < 1_000_000 {
                let n = input.read(&mut chunk).unwrap();
                received.extend_from_slice(&chunk[..n]);
            }
        });
        assert!(received == sent);
    }
}
