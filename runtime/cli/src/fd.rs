//! Standard input and output as bare file descriptors.
//!
//! Rust's own handles share a lock, and a thread that waits for a reader would hold it. Besides, an owner may pass
//! non-blocking pipes, which Rust's handles report as errors.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use anyhow::anyhow;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::exit::Failure;
use crate::limits::{STDIO_DESCRIPTORS, WANTED_DESCRIPTORS};

/// Raises the soft limit of open files to the hard limit. Each connection and each transcript of a guest takes some
/// descriptors, and the usual soft limit of 1024 could leave too few. If the system refuses, the limit stays.
pub(crate) fn raise_limit() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).ok();
}

/// Returns the limit of open files of this process. `None`: only the system bounds it.
pub(crate) fn limit() -> Option<u64> {
    getrlimit(Resource::Nofile).current
}

/// Logs a limit that is lower than a busy process needs.
pub(crate) fn tell_limit() {
    if let Some(most) = limit().filter(|most| *most < WANTED_DESCRIPTORS) {
        tracing::warn!("this process may have {most} open files: raise its limit (ulimit -n) to {WANTED_DESCRIPTORS}");
    }
}

/// Checks that `lastword stdio` and `lastword serve` can open the descriptors that they need.
///
/// # Errors
/// When they cannot. The message names the limit and the number.
pub(crate) fn check_for_serving() -> Result<(), Failure> {
    let opened: io::Result<Vec<OwnedFd>> =
        (0..STDIO_DESCRIPTORS).map(|_| io::stderr().as_fd().try_clone_to_owned()).collect();
    let limit = limit().map_or_else(|| "without a limit of its own".to_owned(), |limit| format!("now {limit}"));
    opened.map(drop).map_err(|error| {
        Failure::usage(anyhow!(
            "{STDIO_DESCRIPTORS} files have to be opened beside those that are open already, and cannot be ({error}): raise the \
             limit of open files (`ulimit -n`, {limit}; LimitNOFILE= of systemd)"
        ))
    })
}

/// A descriptor whose reads and writes wait, even if it is non-blocking.
pub(crate) struct Blocking(OwnedFd);

impl Blocking {
    /// Duplicates the descriptor of `stream`.
    ///
    /// # Errors
    /// When there are no descriptors left.
    pub(crate) fn duplicate(stream: &impl AsFd) -> io::Result<Self> {
        Ok(Self(stream.as_fd().try_clone_to_owned()?))
    }

    /// Waits until there are bytes or the end of the input. Returns false after `wait`. Returns true if the system
    /// cannot tell.
    pub(crate) fn readable_within(&self, wait: Duration) -> bool {
        let until = Instant::now() + wait;
        loop {
            let left = Timespec::try_from(until.saturating_duration_since(Instant::now())).ok();
            match poll(&mut [PollFd::new(&self.0, PollFlags::IN)], left.as_ref()) {
                Ok(ready) => return ready > 0,
                Err(Errno::INTR) => {}
                Err(_) => return true,
            }
        }
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
    fn bytes_and_an_end_are_readable_and_silence_is_not() {
        let (reader, mut writer) = io::pipe().unwrap();
        let input = Blocking::duplicate(&reader).unwrap();
        assert!(!input.readable_within(Duration::ZERO));
        writer.write_all(b"x").unwrap();
        assert!(input.readable_within(Duration::ZERO));
        (&reader).read_exact(&mut [0]).unwrap();
        assert!(!input.readable_within(Duration::ZERO));
        drop(writer);
        assert!(input.readable_within(Duration::from_secs(60)));
    }

    #[test]
    fn a_pipe_that_does_not_block_is_waited_for() {
        let (reader, writer) = io::pipe().unwrap();
        rustix::io::ioctl_fionbio(&reader, true).unwrap();
        rustix::io::ioctl_fionbio(&writer, true).unwrap();
        // More than a pipe holds, so both sides have to wait.
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
