//! Reads the payload from stdin. Owners write it and close the pipe. The hook does not wait for an owner that does not
//! close it.

use std::io::{self, IsTerminal as _};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use anyhow::anyhow;
use lastword_protocol::repair::{Progress, Repair};
use lastword_spool::limits::MAX_PAYLOAD_BYTES;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, read as read_some};
use serde::de::IgnoredAny;

use crate::exit::Failure;
use crate::limits::{EMIT_INPUT, EMIT_INPUT_PAUSE};

/// Bytes that are read at once: the capacity of a pipe.
const PIECE: usize = 64 * 1024;

/// Reads the payload. If it is longer than any daemon takes, keeps the parts that `lastword stdio` would keep of such a
/// line. Reads it to its end in any case, so that the owner gets no broken pipe.
///
/// # Errors
/// When there is no payload.
pub(super) fn read(began: Instant) -> Result<Vec<u8>, Failure> {
    let stdin = io::stdin();
    if stdin.is_terminal() {
        return Err(Failure::usage(anyhow!("stdin is a terminal: an owner writes the payload of its hook there")));
    }
    let payload = read_from(&stdin, began + EMIT_INPUT).map_err(Failure::internal)?;
    if payload.trim_ascii().is_empty() {
        return Err(Failure::usage(anyhow!("there is no payload on stdin")));
    }
    Ok(payload)
}

fn read_from(input: &impl AsFd, until: Instant) -> io::Result<Vec<u8>> {
    let (mut payload, mut piece) = (Payload::default(), vec![0; PIECE]);
    loop {
        let left = until.saturating_duration_since(Instant::now());
        // Reads all available bytes at once, and parses them only when no more are available.
        if !is_readable(input, Duration::ZERO)? {
            let patience = if payload.is_whole() { left.min(EMIT_INPUT_PAUSE) } else { left };
            if !is_readable(input, patience)? {
                return Ok(payload.finish());
            }
        }
        match read_some(input, piece.as_mut_slice()) {
            Ok(0) => return Ok(payload.finish()),
            Ok(many) => payload.push(piece.get(..many).unwrap_or_default()),
            Err(Errno::INTR | Errno::AGAIN) => {}
            Err(error) => return Err(error.into()),
        }
        if left.is_zero() {
            return Ok(payload.finish());
        }
    }
}

/// Whether bytes or the end of the input come within that time.
fn is_readable(input: &impl AsFd, within: Duration) -> io::Result<bool> {
    let within = Timespec::try_from(within).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    let mut asked = [PollFd::new(input, PollFlags::IN)];
    match poll(&mut asked, Some(&within)) {
        Ok(ready) => Ok(ready > 0),
        Err(Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// The payload so far.
#[derive(Default)]
struct Payload {
    /// The bytes as they came, up to the daemon's limit.
    bytes: Vec<u8>,
    /// The kept parts of a longer payload.
    shortened: Option<Repair>,
}

impl Payload {
    fn push(&mut self, piece: &[u8]) {
        let room = MAX_PAYLOAD_BYTES.saturating_sub(self.bytes.len());
        if piece.len() > room && self.shortened.is_none() {
            let mut shortened = Repair::default();
            shortened.push(&self.bytes);
            self.shortened = Some(shortened);
        }
        if let Some(shortened) = &mut self.shortened {
            shortened.push(piece);
        }
        self.bytes.extend_from_slice(piece.get(..room).unwrap_or(piece));
    }

    fn is_whole(&self) -> bool {
        match &self.shortened {
            Some(shortened) => shortened.progress() == Progress::Whole,
            None => serde_json::from_slice::<IgnoredAny>(&self.bytes).is_ok(),
        }
    }

    /// Returns the payload. Of one that is no object, the beginning.
    fn finish(self) -> Vec<u8> {
        match self.shortened {
            Some(shortened) if shortened.progress() == Progress::Whole => shortened.json().to_vec(),
            _ => self.bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(30)
    }

    #[test]
    fn of_an_object_that_is_too_long_what_is_read_of_it_is_kept() {
        let long = "x".repeat(3 * MAX_PAYLOAD_BYTES);
        let object = format!(r#"{{"text":"{long}","session_id":"s"}}"#);
        let mut payload = Payload::default();
        object.as_bytes().chunks(PIECE).for_each(|piece| payload.push(piece));
        assert!(payload.is_whole());
        let kept: serde_json::Value = serde_json::from_slice(&payload.finish()).unwrap();
        assert_eq!(kept["session_id"], "s");
    }

    #[test]
    fn a_payload_is_read_to_its_end_and_of_one_that_is_too_long_the_beginning_is_kept() {
        for (size, kept) in [(0, 0), (3, 3), (3 * PIECE, 3 * PIECE), (MAX_PAYLOAD_BYTES + 9, MAX_PAYLOAD_BYTES)] {
            let (reader, mut writer) = io::pipe().unwrap();
            let writing = std::thread::spawn(move || writer.write_all(&vec![b'x'; size]).unwrap());
            assert_eq!(read_from(&reader, soon()).unwrap().len(), kept);
            writing.join().unwrap();
        }
    }

    #[test]
    fn a_pipe_that_is_not_closed_is_not_waited_for_once_the_payload_is_whole() {
        let (reader, mut writer) = io::pipe().unwrap();
        writer.write_all(b"{\"a\":").unwrap();
        let writing = std::thread::spawn(move || {
            writer.write_all(b"1}").unwrap();
            writer
        });
        assert_eq!(read_from(&reader, soon()).unwrap(), b"{\"a\":1}");
        drop(writing.join().unwrap());
    }

    #[test]
    fn one_that_says_nothing_is_not_waited_for_beyond_its_time() {
        let (reader, writer) = io::pipe().unwrap();
        assert_eq!(read_from(&reader, Instant::now()).unwrap(), b"");
        drop(writer);
    }
}
