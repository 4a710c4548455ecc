//! Lines arrive whole, a slow reader blocks nobody, and dropped lines are counted.

use std::io::Read;
use std::sync::mpsc;

use super::*;
use crate::output::line_queue::LineWriter;

/// Only a failure takes this long.
const LONG: Duration = Duration::from_secs(10);

fn soon() -> Instant {
    Instant::now() + LONG
}

fn ignore(_: OutputProblem) {}

#[test]
fn lines_arrive_whole_and_in_order() {
    let (mut reader, pipe) = io::pipe().unwrap();
    let writer = LineWriter::spawn("test", pipe, ignore).unwrap();
    let expected: String = (0..1000).map(|i| format!("line {i}\n")).collect();
    for i in 0..1000 {
        writer.push_up_to(1 << 20, format!("line {i}\n").as_bytes());
    }
    let mut received = vec![0; expected.len()];
    reader.read_exact(&mut received).unwrap();
    assert_eq!(String::from_utf8(received).unwrap(), expected);
    assert!(writer.flush(soon(), LONG));
    assert_eq!(writer.dropped(), 0);
}

#[test]
fn a_reader_that_stalls_holds_up_nobody_and_what_it_misses_is_counted() {
    /// Reports a write, and blocks it until it is released.
    struct Stalls(mpsc::Sender<()>, mpsc::Receiver<()>);
    impl Write for Stalls {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.send(()).ok();
            self.1.recv().ok();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let ((begin, began), (go, wait)) = (mpsc::channel(), mpsc::channel());
    let (told, problem) = mpsc::channel();
    let output = Stalls(begin, wait);
    let writer = LineWriter::spawn("test", output, move |t| told.send(format!("{t:?}")).unwrap()).unwrap();
    let line = [vec![b'x'; 99], vec![b'\n']].concat();
    // The thread blocks, then the queue fills, and further lines are dropped.
    writer.push_up_to(1000, &line);
    began.recv().unwrap();
    for _ in 0..100 {
        writer.push_up_to(1000, &line);
    }
    assert!(!writer.flush(soon(), Duration::from_millis(20)));
    assert_eq!(problem.recv().unwrap(), "Slow");
    assert_eq!(writer.dropped(), 90, "ten lines of 100 bytes fit into 1000");
    writer.push_up_to(usize::MAX, b"last\n");
    drop(go);
    assert!(writer.flush(soon(), LONG), "a reader that wakes up gets what was kept");
    assert_eq!(writer.dropped(), 90);
    assert!(problem.try_recv().is_err(), "told once");
}

#[test]
fn no_write_is_so_large_that_a_slow_reader_looks_like_a_stalled_one() {
    struct Sizes(mpsc::Sender<usize>);
    impl Write for Sizes {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.send(bytes.len()).unwrap();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let (told, sizes) = mpsc::channel();
    let writer = LineWriter::spawn("test", Sizes(told), ignore).unwrap();
    let line = [vec![b'x'; 299_999], vec![b'\n']].concat();
    writer.push_up_to(1 << 20, &line);
    assert!(writer.flush(soon(), LONG));
    let sizes: Vec<usize> = sizes.try_iter().collect();
    assert_eq!(sizes.iter().sum::<usize>(), line.len());
    assert!(sizes.iter().all(|size| *size <= MAX_WRITE_BYTES), "{sizes:?}");
}

#[test]
fn a_reader_that_stalls_finds_no_half_line_when_the_process_has_left() {
    let (mut reader, pipe) = io::pipe().unwrap();
    let theirs = pipe.try_clone().unwrap();
    let writer = LineWriter::spawn("test", pipe, ignore).unwrap();
    for n in 0..10_000 {
        writer.push_up_to(1 << 20, format!("{n:040}\n").as_bytes());
    }
    // The content of the pipe when the process exits: the pipe is full.
    let held = || usize::try_from(rustix::io::ioctl_fionread(&theirs).unwrap()).unwrap();
    let mut before = 0;
    let held = loop {
        assert!(!writer.flush(soon(), Duration::from_millis(20)));
        match std::mem::replace(&mut before, held()) {
            last if last == before && last > MAX_WRITE_BYTES => break last,
            _ => {}
        }
    };
    rustix::io::ioctl_fionbio(&reader, true).unwrap();
    let mut left = vec![0; 1 << 20];
    reader.read_exact(&mut left[..held]).unwrap();
    assert!(held > MAX_WRITE_BYTES && left[..held].ends_with(b"\n"));
}

#[test]
fn a_reader_that_goes_away_is_told_of_once() {
    let (reader, pipe) = io::pipe().unwrap();
    let (told, problem) = mpsc::channel();
    let writer = LineWriter::spawn("test", pipe, move |t| told.send(format!("{t:?}")).unwrap()).unwrap();
    drop(reader);
    writer.push_up_to(1000, b"one\n");
    assert!(problem.recv().unwrap().contains("BrokenPipe"));
    assert!(!writer.flush(soon(), LONG));
    writer.push_up_to(1000, b"two\n");
    assert_eq!(writer.dropped(), 2);
    assert!(problem.try_recv().is_err());
}

#[test]
fn a_full_disk_is_told_of_once_and_nothing_is_lost_when_there_is_room_again() {
    /// Takes three bytes between refusals.
    struct Filling(mpsc::Sender<Vec<u8>>, bool);
    impl Write for Filling {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.1 = !self.1;
            if self.1 {
                return Err(Errno::FBIG.into());
            }
            self.0.send(bytes[..bytes.len().min(3)].to_vec()).unwrap();
            Ok(bytes.len().min(3))
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let (take, taken) = mpsc::channel();
    let (told, problem) = mpsc::channel();
    let output = Filling(take, false);
    let writer = LineWriter::spawn("test", output, move |t| told.send(format!("{t:?}")).unwrap()).unwrap();
    writer.push_up_to(1000, b"one\ntwo\n");
    assert!(writer.flush(soon(), LONG));
    assert_eq!(taken.try_iter().flatten().collect::<Vec<u8>>(), b"one\ntwo\n");
    assert!(problem.recv().unwrap().starts_with("Full("));
    assert!(problem.try_recv().is_err() && writer.dropped() == 0);
}
