//! A bounded copy that can be cancelled.

use std::io::{ErrorKind, Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::TranscriptError;
use crate::limits::CHUNK_BYTES;

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Copied {
    pub(crate) bytes: u64,
    /// Whether there was more.
    pub(crate) cut: bool,
}

/// Copies the first `max` bytes. A file's size is not asked for: it may be wrong by now, and files of `/proc` say 0.
pub(crate) fn copy(
    from: &mut impl Read,
    to: &mut impl Write,
    max: u64,
    cancelled: &AtomicBool,
) -> Result<Copied, TranscriptError> {
    let mut buffer = vec![0; CHUNK_BYTES];
    let mut bytes = 0;
    loop {
        go_on(cancelled)?;
        let left = max - bytes;
        // With nothing left, one byte more tells whether the file goes on.
        let want = usize::try_from(left.max(1)).map_or(CHUNK_BYTES, |left| left.min(CHUNK_BYTES));
        let read = match from.read(buffer.get_mut(..want).unwrap_or_default()) {
            Ok(0) => return Ok(Copied { bytes, cut: false }),
            Ok(_) if left == 0 => return Ok(Copied { bytes, cut: true }),
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(TranscriptError::io("read the transcript")(error)),
        };
        to.write_all(buffer.get(..read).unwrap_or_default()).map_err(TranscriptError::io("write the copy"))?;
        bytes += read as u64;
    }
}

/// Nothing else is told by the flag, so it needs no order.
pub(crate) fn go_on(cancelled: &AtomicBool) -> Result<(), TranscriptError> {
    if cancelled.load(Ordering::Relaxed) { Err(TranscriptError::Cancelled) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    /// Goes on for ever, and notes what is asked of it.
    #[derive(Default)]
    struct Endless<'a> {
        reads: u64,
        largest: usize,
        handed_out: u64,
        cancel_at: Option<(u64, &'a AtomicBool)>,
    }

    impl Read for Endless<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.reads += 1;
            self.largest = self.largest.max(buffer.len());
            if let Some((at, flag)) = self.cancel_at
                && self.reads == at
            {
                flag.store(true, Ordering::Relaxed);
            }
            buffer.fill(b'x');
            self.handed_out += buffer.len() as u64;
            Ok(buffer.len())
        }
    }

    static NEVER: AtomicBool = AtomicBool::new(false);

    #[test]
    fn a_file_without_an_end_is_cut_at_the_limit() {
        for max in [0, 1, 65_535, 65_536, 65_537, 1_000_000] {
            let (mut from, mut to) = (Endless::default(), Vec::new());
            let copied = copy(&mut from, &mut to, max, &NEVER).unwrap();
            assert_eq!(copied, Copied { bytes: max, cut: true });
            assert_eq!(to.len() as u64, max);
            assert_eq!(from.handed_out, max + 1);
            assert!(from.largest <= 64 * 1024, "a buffer of {} bytes", from.largest);
        }
    }

    #[test]
    fn a_file_that_ends_at_the_limit_is_whole() {
        for len in [0, 1, 99, 100] {
            let mut to = Vec::new();
            let copied = copy(&mut &vec![7; len][..], &mut to, 100, &NEVER).unwrap();
            assert_eq!(copied, Copied { bytes: len as u64, cut: false });
            assert_eq!(to, vec![7; len]);
        }
        let copied = copy(&mut &[7; 101][..], &mut Vec::new(), 100, &NEVER).unwrap();
        assert_eq!(copied, Copied { bytes: 100, cut: true });
        let copied = copy(&mut &[7; 101][..], &mut Vec::new(), u64::MAX, &NEVER).unwrap();
        assert_eq!(copied, Copied { bytes: 101, cut: false });
    }

    #[test]
    fn the_flag_is_looked_at_for_each_chunk() {
        let flag = AtomicBool::new(false);
        let (mut from, mut to) = (Endless { cancel_at: Some((3, &flag)), ..Endless::default() }, Vec::new());
        assert!(matches!(copy(&mut from, &mut to, 100 * CHUNK_BYTES as u64, &flag), Err(TranscriptError::Cancelled)));
        assert_eq!((from.reads, to.len()), (3, 3 * CHUNK_BYTES));
    }

    #[test]
    fn a_signal_during_a_read_is_no_failure_and_a_real_one_is_told_with_its_side() {
        struct Fails(Vec<ErrorKind>);
        impl Read for Fails {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                self.0.pop().map_or(Ok(0), |kind| Err(kind.into()))
            }
        }
        assert!(copy(&mut Fails(vec![ErrorKind::Interrupted; 3]), &mut Vec::new(), 9, &NEVER).is_ok());
        let failed = copy(&mut Fails(vec![ErrorKind::Other]), &mut Vec::new(), 9, &NEVER).unwrap_err();
        assert!(failed.to_string().contains("read the transcript"), "{failed}");
        let full = copy(&mut &[1; 9][..], &mut &mut [0; 4][..], 9, &NEVER).unwrap_err();
        assert!(full.to_string().contains("write the copy"), "{full}");
    }
}
