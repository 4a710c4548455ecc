use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Batches larger than this are not kept for reuse once they are written.
const KEPT_BATCH_BYTES: usize = 64 * 1024;

/// The most that is written at once: what a pipe holds. A write comes back when all of it is taken, so a larger one would
/// make a reader that reads, but slowly, look like one that has stalled.
const MAX_WRITE_BYTES: usize = 64 * 1024;

/// What a reader did to its output. Each is told once.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// It reads too slowly, or not at all: a line did not fit.
    Slow,
    /// It went away.
    Gone(io::Error),
}

/// Carries lines to a reader that nothing ever waits for.
///
/// A thread of its own writes; everyone else leaves lines in a queue with a limit. A line that does not fit is dropped
/// and counted. The queue and the batch that is being written together hold at most twice the limit.
#[derive(Clone)]
pub(crate) struct LineWriter {
    shared: Arc<Shared>,
}

struct Shared {
    limit: usize,
    on_trouble: Box<dyn Fn(Trouble) + Send + Sync>,
    queue: Mutex<Queue>,
    filled: Condvar,
    emptied: Condvar,
    began: Instant,
    /// When the reader last took something, in microseconds since `began`.
    progress_us: AtomicU64,
}

#[derive(Default)]
struct Queue {
    pending: Vec<u8>,
    /// The thread has taken a batch that is not written yet.
    writing: bool,
    gone: bool,
    dropped: u64,
    slow_told: bool,
}

impl LineWriter {
    /// Starts the thread that writes to `output`. `limit` bounds what waits, in bytes.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub(crate) fn spawn(
        name: &str,
        output: impl Write + Send + 'static,
        limit: usize,
        on_trouble: impl Fn(Trouble) + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            limit,
            on_trouble: Box::new(on_trouble),
            queue: Mutex::default(),
            filled: Condvar::new(),
            emptied: Condvar::new(),
            began: Instant::now(),
            progress_us: AtomicU64::new(0),
        });
        let writer = Self { shared: Arc::clone(&shared) };
        thread::Builder::new().name(name.to_owned()).spawn(move || shared.write_for_ever(output))?;
        Ok(writer)
    }

    /// Leaves a line, which ends with its newline, in the queue. If it does not fit it is dropped and counted.
    pub(crate) fn push(&self, line: &[u8]) {
        self.leave(line, self.shared.limit);
    }

    /// As [`push`](Self::push), with a limit of its own, in bytes: lines that matter less than others leave them room.
    pub(crate) fn push_up_to(&self, limit: usize, line: &[u8]) {
        self.leave(line, limit);
    }

    /// As [`push`](Self::push), for the few lines that must not be lost to a queue full of others.
    pub(crate) fn push_past_limit(&self, line: &[u8]) {
        self.leave(line, usize::MAX);
    }

    fn leave(&self, line: &[u8], limit: usize) {
        let mut queue = self.shared.lock();
        if queue.gone || queue.pending.len().saturating_add(line.len()) > limit {
            queue.dropped += 1;
            let tell = !queue.gone && !std::mem::replace(&mut queue.slow_told, true);
            drop(queue);
            if tell {
                (self.shared.on_trouble)(Trouble::Slow);
            }
            return;
        }
        queue.pending.extend_from_slice(line);
        drop(queue);
        self.shared.filled.notify_one();
    }

    /// Lines that were dropped so far.
    pub(crate) fn dropped(&self) -> u64 {
        self.shared.lock().dropped
    }

    /// Waits until everything is written, or cannot be, or the time is up, or the reader takes nothing for as long as
    /// `patience`. Says whether everything is written.
    pub(crate) fn flush(&self, until: Instant, patience: Duration) -> bool {
        let began = Instant::now();
        let mut queue = self.shared.lock();
        loop {
            if queue.gone {
                return false;
            }
            if queue.pending.is_empty() && !queue.writing {
                return true;
            }
            let left =
                until.min(self.shared.last_progress().max(began) + patience).saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            queue = self.shared.emptied.wait_timeout(queue, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        // The queue is whole at every moment, so a panic elsewhere does not spoil it.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn last_progress(&self) -> Instant {
        self.began + Duration::from_micros(self.progress_us.load(Ordering::Relaxed))
    }

    fn note_progress(&self) {
        let since = u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.progress_us.store(since, Ordering::Relaxed);
    }

    /// Writes everything, or says from which byte on it could not.
    fn write_all(&self, output: &mut impl Write, bytes: &[u8]) -> Result<(), (usize, io::Error)> {
        let mut done = 0;
        while let Some(rest) = bytes.get(done..).filter(|rest| !rest.is_empty()) {
            match output.write(rest.get(..MAX_WRITE_BYTES).unwrap_or(rest)) {
                Ok(0) => return Err((done, io::ErrorKind::WriteZero.into())),
                Ok(n) => done += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err((done, error)),
            }
            self.note_progress();
        }
        Ok(())
    }

    fn write_for_ever(&self, mut output: impl Write) {
        let mut batch = Vec::new();
        loop {
            let mut queue = self.lock();
            while queue.pending.is_empty() {
                queue = self.filled.wait(queue).unwrap_or_else(PoisonError::into_inner);
            }
            batch.clear();
            if batch.capacity() > KEPT_BATCH_BYTES {
                batch = Vec::new();
            }
            std::mem::swap(&mut batch, &mut queue.pending);
            queue.writing = true;
            drop(queue);

            let written = self.write_all(&mut output, &batch);

            let mut queue = self.lock();
            queue.writing = false;
            let failed = written.err().map(|(rest, error)| {
                queue.gone = true;
                queue.dropped += lines_in(batch.get(rest..).unwrap_or_default()) + lines_in(&queue.pending);
                queue.pending = Vec::new();
                error
            });
            drop(queue);
            self.emptied.notify_all();
            if let Some(error) = failed {
                return (self.on_trouble)(Trouble::Gone(error));
            }
        }
    }
}

fn lines_in(bytes: &[u8]) -> u64 {
    let newlines = bytes.iter().filter(|byte| **byte == b'\n').count();
    u64::try_from(newlines).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::sync::mpsc;

    /// Long enough that only a failure takes it.
    const LONG: Duration = Duration::from_secs(10);

    fn soon() -> Instant {
        Instant::now() + LONG
    }

    fn ignore(_: Trouble) {}

    #[test]
    fn lines_arrive_whole_and_in_order() {
        let (mut reader, pipe) = io::pipe().unwrap();
        let writer = LineWriter::spawn("test", pipe, 1 << 20, ignore).unwrap();
        let expected: String = (0..1000).map(|i| format!("line {i}\n")).collect();
        for i in 0..1000 {
            writer.push(format!("line {i}\n").as_bytes());
        }
        let mut received = vec![0; expected.len()];
        reader.read_exact(&mut received).unwrap();
        assert_eq!(String::from_utf8(received).unwrap(), expected);
        assert!(writer.flush(soon(), LONG));
        assert_eq!(writer.dropped(), 0);
    }

    #[test]
    fn a_reader_that_stalls_holds_up_nobody_and_what_it_misses_is_counted() {
        let (mut reader, pipe) = io::pipe().unwrap();
        let (told, trouble) = mpsc::channel();
        let writer = LineWriter::spawn("test", pipe, 1000, move |t| told.send(format!("{t:?}")).unwrap()).unwrap();
        let line = [vec![b'x'; 99], vec![b'\n']].concat();
        // The pipe fills up, then the thread gets stuck, then the queue fills up, and the rest is dropped.
        while writer.flush(soon(), Duration::from_millis(20)) {
            writer.push(&line);
        }
        for _ in 0..100 {
            writer.push(&line);
        }
        assert_eq!(trouble.recv().unwrap(), "Slow");
        assert_eq!(writer.dropped(), 90, "ten lines of 100 bytes fit into 1000");
        writer.push_past_limit(b"last\n");
        drop(std::thread::spawn(move || {
            let mut all = String::new();
            reader.read_to_string(&mut all).unwrap();
        }));
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
        let writer = LineWriter::spawn("test", Sizes(told), 1 << 20, ignore).unwrap();
        let line = [vec![b'x'; 299_999], vec![b'\n']].concat();
        writer.push(&line);
        assert!(writer.flush(soon(), LONG));
        let sizes: Vec<usize> = sizes.try_iter().collect();
        assert_eq!(sizes.iter().sum::<usize>(), line.len());
        assert!(sizes.iter().all(|size| *size <= MAX_WRITE_BYTES), "{sizes:?}");
    }

    #[test]
    fn a_reader_that_goes_away_is_told_of_once() {
        let (reader, pipe) = io::pipe().unwrap();
        let (told, trouble) = mpsc::channel();
        let writer = LineWriter::spawn("test", pipe, 1000, move |t| told.send(format!("{t:?}")).unwrap()).unwrap();
        drop(reader);
        writer.push(b"one\n");
        assert!(trouble.recv().unwrap().contains("BrokenPipe"));
        assert!(!writer.flush(soon(), LONG));
        writer.push(b"two\n");
        assert_eq!(writer.dropped(), 2);
        assert!(trouble.try_recv().is_err());
    }
}
