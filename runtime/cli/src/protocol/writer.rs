use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::io::Errno;

use crate::limits::FULL_DISK_PAUSE;

/// The most that is taken from the queue at once: what a pipe holds.
const BATCH_BYTES: usize = 64 * 1024;

/// The most that is written at once, in whole lines if they are not longer: `PIPE_BUF` of Linux. So much a pipe takes as a
/// whole or not yet, so a process that leaves while its reader stalls leaves no half line behind. And a larger write
/// would make a reader that reads, but slowly, look like one that has stalled.
const MAX_WRITE_BYTES: usize = 4096;

/// What happened to an output. Each is told once.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// Its reader is so far behind that lines are told in short.
    Behind,
    /// Its reader reads too slowly, or not at all: a line did not fit.
    Slow,
    /// It is a file, and there is no room for more of it. The writer goes on trying.
    Full(io::Error),
    /// Its reader went away, or it is broken.
    Gone(io::Error),
}

/// What became of something that was left in a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    /// It will be written as it is.
    Whole,
    /// Others tell it as well.
    InShort,
    /// There is no room for it.
    Dropped,
}

/// Lines that wait for their reader.
pub(crate) trait Queue: Default + Send + 'static {
    /// Whether everything was taken.
    fn is_empty(&self) -> bool;

    /// Moves the lines that come next to the end of `batch`, about `bytes` of them; at least one, if there is one.
    fn take(&mut self, batch: &mut Vec<u8>, bytes: usize);

    /// What was taken is written.
    fn written(&mut self) {}

    /// How many lines it would still give.
    fn lines(&self) -> u64;
}

/// Carries lines to a reader that nothing ever waits for.
///
/// A thread of its own writes; everyone else leaves lines in a queue that has its limits. A line that does not fit is
/// dropped and counted.
pub(crate) struct Writer<Q> {
    shared: Arc<Shared<Q>>,
}

impl<Q> Clone for Writer<Q> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

struct Shared<Q> {
    on_trouble: Box<dyn Fn(Trouble) + Send + Sync>,
    state: Mutex<State<Q>>,
    filled: Condvar,
    emptied: Condvar,
    began: Instant,
    /// When the reader last took something, in microseconds since `began`.
    progress_us: AtomicU64,
}

#[derive(Default)]
struct State<Q> {
    queue: Q,
    /// The thread has taken a batch that is not written yet.
    writing: bool,
    gone: bool,
    dropped: u64,
    behind_told: bool,
    slow_told: bool,
}

impl<Q: Queue> Writer<Q> {
    /// Starts the thread that writes to `output`.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub(crate) fn spawn(
        name: &str,
        output: impl Write + Send + 'static,
        on_trouble: impl Fn(Trouble) + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            on_trouble: Box::new(on_trouble),
            state: Mutex::default(),
            filled: Condvar::new(),
            emptied: Condvar::new(),
            began: Instant::now(),
            progress_us: AtomicU64::new(0),
        });
        let writer = Self { shared: Arc::clone(&shared) };
        thread::Builder::new().name(name.to_owned()).spawn(move || shared.write_for_ever(output))?;
        Ok(writer)
    }

    /// Has `leave` leave something in the queue.
    pub(super) fn leave(&self, leave: impl FnOnce(&mut Q) -> Left) {
        let mut state = self.shared.lock();
        if state.gone {
            state.dropped += 1;
            return;
        }
        let trouble = match leave(&mut state.queue) {
            Left::Whole => None,
            Left::InShort => (!std::mem::replace(&mut state.behind_told, true)).then_some(Trouble::Behind),
            Left::Dropped => {
                state.dropped += 1;
                (!std::mem::replace(&mut state.slow_told, true)).then_some(Trouble::Slow)
            }
        };
        drop(state);
        self.shared.filled.notify_one();
        if let Some(trouble) = trouble {
            (self.shared.on_trouble)(trouble);
        }
    }

    /// Has `cut` drop lines of the queue, and counts them.
    pub(super) fn drop_lines(&self, cut: impl FnOnce(&mut Q) -> u64) {
        let mut state = self.shared.lock();
        state.dropped += cut(&mut state.queue);
    }

    /// Lines that were dropped so far.
    pub(crate) fn dropped(&self) -> u64 {
        self.shared.lock().dropped
    }

    /// Waits until everything is written, or cannot be, or the time is up, or the reader takes nothing for as long as
    /// `patience`. Says whether everything is written.
    pub(crate) fn flush(&self, until: Instant, patience: Duration) -> bool {
        self.wait(until, patience, |queue, writing| queue.is_empty() && !writing)
    }

    /// The same until it is `enough`, which is told the queue, and whether a batch of it is being written.
    pub(super) fn wait(&self, until: Instant, patience: Duration, enough: impl Fn(&Q, bool) -> bool) -> bool {
        let began = Instant::now();
        let mut state = self.shared.lock();
        loop {
            if state.gone {
                return false;
            }
            if enough(&state.queue, state.writing) {
                return true;
            }
            let left =
                until.min(self.shared.last_progress().max(began) + patience).saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            state = self.shared.emptied.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl<Q: Queue> Shared<Q> {
    fn lock(&self) -> MutexGuard<'_, State<Q>> {
        // The queue is whole at every moment, so a panic elsewhere does not spoil it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn last_progress(&self) -> Instant {
        self.began + Duration::from_micros(self.progress_us.load(Ordering::Relaxed))
    }

    fn note_progress(&self) {
        let since = u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.progress_us.store(since, Ordering::Relaxed);
    }

    /// Writes everything, or says from which byte on it could not. `full` remembers that a full disk was told of.
    fn write_all(&self, output: &mut impl Write, bytes: &[u8], full: &mut bool) -> Result<(), (usize, io::Error)> {
        let mut done = 0;
        while let Some(rest) = bytes.get(done..).filter(|rest| !rest.is_empty()) {
            match output.write(whole_lines(rest)) {
                Ok(0) => return Err((done, io::ErrorKind::WriteZero.into())),
                Ok(n) => done += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if is_full(&error) => {
                    if !std::mem::replace(full, true) {
                        (self.on_trouble)(Trouble::Full(error));
                    }
                    thread::park_timeout(FULL_DISK_PAUSE);
                    continue;
                }
                Err(error) => return Err((done, error)),
            }
            self.note_progress();
        }
        Ok(())
    }

    fn write_for_ever(&self, mut output: impl Write) {
        let mut batch = Vec::new();
        let mut full = false;
        loop {
            let mut state = self.lock();
            while state.queue.is_empty() {
                state = self.filled.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            batch.clear();
            state.queue.take(&mut batch, BATCH_BYTES);
            state.writing = true;
            drop(state);

            let written = self.write_all(&mut output, &batch, &mut full);
            // A long line is not kept for the sake of its buffer.
            batch.shrink_to(2 * BATCH_BYTES);

            let mut state = self.lock();
            state.writing = false;
            state.queue.written();
            let failed = written.err().map(|(rest, error)| {
                state.gone = true;
                state.dropped += lines_in(batch.get(rest..).unwrap_or_default()) + state.queue.lines();
                state.queue = Q::default();
                error
            });
            drop(state);
            self.emptied.notify_all();
            if let Some(error) = failed {
                return (self.on_trouble)(Trouble::Gone(error));
            }
        }
    }
}

/// As many lines as may be written at once, or of a longer one its beginning.
fn whole_lines(bytes: &[u8]) -> &[u8] {
    let most = bytes.get(..MAX_WRITE_BYTES).unwrap_or(bytes);
    let end = most.iter().rposition(|byte| *byte == b'\n');
    end.and_then(|end| most.get(..=end)).unwrap_or(most)
}

/// A file that may not grow any more, for now.
fn is_full(error: &io::Error) -> bool {
    // EFBIG: the limit of a file's size. It may be raised for a process that runs, and a log may be truncated.
    [Errno::NOSPC, Errno::DQUOT, Errno::FBIG].iter().any(|full| error.raw_os_error() == Some(full.raw_os_error()))
}

pub(super) fn lines_in(bytes: &[u8]) -> u64 {
    let newlines = bytes.iter().filter(|byte| **byte == b'\n').count();
    u64::try_from(newlines).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::sync::mpsc;

    use super::*;
    use crate::protocol::line_queue::LineWriter;

    /// Long enough that only a failure takes it.
    const LONG: Duration = Duration::from_secs(10);

    fn soon() -> Instant {
        Instant::now() + LONG
    }

    fn ignore(_: Trouble) {}

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
        /// Says that somebody writes, and takes what it is until it is let go.
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
        let (told, trouble) = mpsc::channel();
        let output = Stalls(begin, wait);
        let writer = LineWriter::spawn("test", output, move |t| told.send(format!("{t:?}")).unwrap()).unwrap();
        let line = [vec![b'x'; 99], vec![b'\n']].concat();
        // The thread gets stuck, then the queue fills up, and the rest is dropped.
        writer.push_up_to(1000, &line);
        began.recv().unwrap();
        for _ in 0..100 {
            writer.push_up_to(1000, &line);
        }
        assert!(!writer.flush(soon(), Duration::from_millis(20)));
        assert_eq!(trouble.recv().unwrap(), "Slow");
        assert_eq!(writer.dropped(), 90, "ten lines of 100 bytes fit into 1000");
        writer.push_up_to(usize::MAX, b"last\n");
        drop(go);
        assert!(writer.flush(soon(), LONG), "a reader that wakes up gets what was kept");
        assert_eq!(writer.dropped(), 90);
        assert!(trouble.try_recv().is_err(), "told once");
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
        // What the pipe holds when the process leaves: it is full, and nothing more comes.
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
        let (told, trouble) = mpsc::channel();
        let writer = LineWriter::spawn("test", pipe, move |t| told.send(format!("{t:?}")).unwrap()).unwrap();
        drop(reader);
        writer.push_up_to(1000, b"one\n");
        assert!(trouble.recv().unwrap().contains("BrokenPipe"));
        assert!(!writer.flush(soon(), LONG));
        writer.push_up_to(1000, b"two\n");
        assert_eq!(writer.dropped(), 2);
        assert!(trouble.try_recv().is_err());
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
        let (told, trouble) = mpsc::channel();
        let output = Filling(take, false);
        let writer = LineWriter::spawn("test", output, move |t| told.send(format!("{t:?}")).unwrap()).unwrap();
        writer.push_up_to(1000, b"one\ntwo\n");
        assert!(writer.flush(soon(), LONG));
        assert_eq!(taken.try_iter().flatten().collect::<Vec<u8>>(), b"one\ntwo\n");
        assert!(trouble.recv().unwrap().starts_with("Full("));
        assert!(trouble.try_recv().is_err() && writer.dropped() == 0);
    }
}
