//! Exchanges data with a process within a time, on the caller's own thread: input, answer, and the beginning of the error output.

use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::process::{ChildStderr, ChildStdin, ChildStdout};
use std::time::{Duration, Instant};

use lastword_events::printable;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, ioctl_fionbio};

use crate::limits::MAX_CODE_BYTES;

/// The bytes that are kept of the process's error output: enough for a panic's message.
const MAX_ERROR_OUTPUT_BYTES: usize = 2048;
/// Bytes of one read: the size of a pipe.
const PIECE_BYTES: usize = 64 * 1024;

/// The reason why an exchange was stopped.
pub(super) enum Stopped {
    TimeIsUp,
    Pipe(io::Error),
}

impl From<io::Error> for Stopped {
    fn from(error: io::Error) -> Self {
        Self::Pipe(error)
    }
}

impl From<Errno> for Stopped {
    fn from(error: Errno) -> Self {
        Self::Pipe(error.into())
    }
}

/// The pipes of a process, each until it is closed.
pub(super) struct Exchange<'b> {
    input: Option<ChildStdin>,
    /// The rest of the input.
    unsent: [&'b [u8]; 2],
    output: Option<ChildStdout>,
    answer: Vec<u8>,
    errors: Option<ChildStderr>,
    said: Vec<u8>,
}

impl<'b> Exchange<'b> {
    /// Makes an exchange with the pipes of a process and its input.
    pub(super) fn new(
        (input, output, errors): (ChildStdin, ChildStdout, ChildStderr),
        unsent: [&'b [u8]; 2],
    ) -> Result<Self, Stopped> {
        for pipe in [input.as_fd(), output.as_fd(), errors.as_fd()] {
            ioctl_fionbio(pipe, true)?;
        }
        let (input, output, errors) = (Some(input), Some(output), Some(errors));
        Ok(Self { input, unsent, output, answer: Vec::new(), errors, said: Vec::new() })
    }

    /// Writes the input, and reads until the process has closed its pipes. Gives the answer, and the beginning of the error output on one line.
    pub(super) fn run(mut self, time: Duration) -> Result<(Vec<u8>, String), Stopped> {
        let began = Instant::now();
        let mut piece = vec![0; PIECE_BYTES];
        while self.output.is_some() || self.errors.is_some() {
            let left = time.saturating_sub(began.elapsed());
            if left.is_zero() {
                return Err(Stopped::TimeIsUp);
            }
            self.wait(left)?;
            self.write();
            self.read_answer(&mut piece)?;
            self.read_error_output(&mut piece)?;
        }
        let said = String::from_utf8_lossy(&self.said);
        let lines: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        Ok((self.answer, printable(&lines.join("; ")).into_owned()))
    }

    fn wait(&self, left: Duration) -> Result<(), Stopped> {
        let input = self.input.iter().map(|pipe| PollFd::new(pipe, PollFlags::OUT));
        let output = self.output.iter().map(|pipe| PollFd::new(pipe, PollFlags::IN));
        let errors = self.errors.iter().map(|pipe| PollFd::new(pipe, PollFlags::IN));
        let mut pipes: Vec<_> = input.chain(output).chain(errors).collect();
        // A time too long for the system means no limit.
        match poll(&mut pipes, Timespec::try_from(left).ok().as_ref()) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Writes input. When the process has died, the pipe is broken, and the exit status tells how it died.
    fn write(&mut self) {
        while let Some(pipe) = &mut self.input {
            let Some(rest) = self.unsent.iter_mut().find(|rest| !rest.is_empty()) else {
                self.input = None;
                return;
            };
            match pipe.write(rest) {
                Ok(written) => *rest = rest.get(written..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => self.input = None,
            }
        }
    }

    fn read_answer(&mut self, piece: &mut [u8]) -> Result<(), Stopped> {
        let answer = &mut self.answer;
        let open = read_ready(&mut self.output, piece, |bytes| answer.extend_from_slice(bytes))?;
        // An answer that is too long is not read to its end.
        if !open || u64::try_from(answer.len()).unwrap_or(u64::MAX) > MAX_CODE_BYTES {
            self.output = None;
        }
        Ok(())
    }

    /// Reads all error output, and keeps the beginning. A process with a full pipe would not end.
    fn read_error_output(&mut self, piece: &mut [u8]) -> Result<(), Stopped> {
        let said = &mut self.said;
        let keep = |bytes: &[u8]| {
            let room = MAX_ERROR_OUTPUT_BYTES.saturating_sub(said.len()).min(bytes.len());
            said.extend_from_slice(bytes.get(..room).unwrap_or_default());
        };
        if !read_ready(&mut self.errors, piece, keep)? {
            self.errors = None;
        }
        Ok(())
    }
}

/// Reads one piece, if there is one. Gives whether more may follow.
fn read_ready(pipe: &mut Option<impl Read>, piece: &mut [u8], take: impl FnOnce(&[u8])) -> Result<bool, Stopped> {
    let Some(pipe) = pipe else { return Ok(false) };
    match pipe.read(piece) {
        Ok(0) => return Ok(false),
        Ok(bytes) => take(piece.get(..bytes).unwrap_or_default()),
        Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(true)
}
