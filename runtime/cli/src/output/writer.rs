//! A thread that writes lines to a reader, and the queue before it. No other thread waits for the reader.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::io::Errno;

use crate::limits::FULL_DISK_PAUSE;

/// The most bytes that are taken from the queue at once: the capacity of a pipe.
const BATCH_BYTES: usize = 64 * 1024;

/// The most bytes that are written at once, in whole lines if they are not longer: Linux's `PIPE_BUF`. A pipe takes so
/// much completely or not yet, so a process that exits while its reader stalls leaves no partial line. Besides, with
/// larger writes a slow reader would look like one that has stalled.
const MAX_WRITE_BYTES: usize = 4096;

/// A problem of an output. Each is reported once.
#[derive(Debug)]
pub(crate) enum OutputProblem {
    /// The reader is so far behind that answers are written as ranges.
    Behind,
    /// The reader is slow, or does not read: a line did not fit.
    Slow,
    /// The output is a file on a full disk. The writer keeps trying.
    Full(io::Error),
    /// The reader went away, or the output is broken.
    Gone(io::Error),
}

/// The result of queueing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Enqueued {
    /// The item will be written as it is.
    Whole,
    /// The item became part of a range.
    InRange,
    /// The item was dropped, because there is no room.
    Dropped,
}

/// Lines that wait for a reader.
pub(crate) trait Queue: Default + Send + 'static {
    /// Whether everything was taken.
    fn is_empty(&self) -> bool;

    /// Moves the next lines to the end of `batch`, about `bytes` of them; at least one line, if there is one.
    fn take(&mut self, batch: &mut Vec<u8>, bytes: usize);

    /// Called when the taken lines are written.
    fn written(&mut self) {}

    /// Returns the number of lines left.
    fn lines(&self) -> u64;
}

/// Writes lines to a reader that no other thread waits for.
///
/// One thread writes; all others put lines into a bounded queue. A line that does not fit is dropped and counted.
pub(crate) struct Writer<Q> {
    shared: Arc<Shared<Q>>,
}

impl<Q> Clone for Writer<Q> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

struct Shared<Q> {
    on_problem: Box<dyn Fn(OutputProblem) + Send + Sync>,
    state: Mutex<State<Q>>,
    filled: Condvar,
    emptied: Condvar,
    began: Instant,
    /// When the reader last took bytes, in microseconds since `began`.
    progress_us: AtomicU64,
}

#[derive(Default)]
struct State<Q> {
    queue: Q,
    /// Whether the thread has taken a batch that is not written yet.
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
        on_problem: impl Fn(OutputProblem) + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            on_problem: Box::new(on_problem),
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

    /// Puts an item into the queue with `enqueue`.
    pub(super) fn enqueue(&self, enqueue: impl FnOnce(&mut Q) -> Enqueued) {
        let mut state = self.shared.lock();
        if state.gone {
            state.dropped += 1;
            return;
        }
        let problem = match enqueue(&mut state.queue) {
            Enqueued::Whole => None,
            Enqueued::InRange => (!std::mem::replace(&mut state.behind_told, true)).then_some(OutputProblem::Behind),
            Enqueued::Dropped => {
                state.dropped += 1;
                (!std::mem::replace(&mut state.slow_told, true)).then_some(OutputProblem::Slow)
            }
        };
        drop(state);
        self.shared.filled.notify_one();
        if let Some(problem) = problem {
            (self.shared.on_problem)(problem);
        }
    }

    /// Drops lines of the queue with `cut`, and counts them.
    pub(super) fn drop_lines(&self, cut: impl FnOnce(&mut Q) -> u64) {
        let mut state = self.shared.lock();
        state.dropped += cut(&mut state.queue);
    }

    /// Returns the number of dropped lines.
    pub(crate) fn dropped(&self) -> u64 {
        self.shared.lock().dropped
    }

    /// Waits until everything is written, or cannot be, or `until` has passed, or the reader has taken nothing for
    /// `patience`. Returns whether everything is written.
    pub(crate) fn flush(&self, until: Instant, patience: Duration) -> bool {
        self.wait(until, patience, |queue, writing| queue.is_empty() && !writing)
    }

    /// Waits as [`flush`](Self::flush) does, until `enough` returns true. Its arguments are the queue, and whether a
    /// batch is being written.
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
        // The queue is consistent at every moment, so a panic elsewhere does not spoil it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn last_progress(&self) -> Instant {
        self.began + Duration::from_micros(self.progress_us.load(Ordering::Relaxed))
    }

    fn note_progress(&self) {
        let since = u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.progress_us.store(since, Ordering::Relaxed);
    }

    /// Writes everything, or returns the offset at which it failed. `full` remembers that a full disk was reported.
    fn write_all(&self, output: &mut impl Write, bytes: &[u8], full: &mut bool) -> Result<(), (usize, io::Error)> {
        let mut done = 0;
        while let Some(rest) = bytes.get(done..).filter(|rest| !rest.is_empty()) {
            match output.write(whole_lines(rest)) {
                Ok(0) => return Err((done, io::ErrorKind::WriteZero.into())),
                Ok(n) => done += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if is_full(&error) => {
                    if !std::mem::replace(full, true) {
                        (self.on_problem)(OutputProblem::Full(error));
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
            // The buffer of a long line is freed.
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
                return (self.on_problem)(OutputProblem::Gone(error));
            }
        }
    }
}

/// Returns as many whole lines as may be written at once, or the beginning of a longer one.
fn whole_lines(bytes: &[u8]) -> &[u8] {
    let most = bytes.get(..MAX_WRITE_BYTES).unwrap_or(bytes);
    let end = most.iter().rposition(|byte| *byte == b'\n');
    end.and_then(|end| most.get(..=end)).unwrap_or(most)
}

/// Whether a file cannot grow for now.
fn is_full(error: &io::Error) -> bool {
    // EFBIG is the limit of the file size. It may be raised for a running process, and a log may be truncated.
    [Errno::NOSPC, Errno::DQUOT, Errno::FBIG].iter().any(|full| error.raw_os_error() == Some(full.raw_os_error()))
}

pub(super) fn lines_in(bytes: &[u8]) -> u64 {
    let newlines = bytes.iter().filter(|byte| **byte == b'\n').count();
    u64::try_from(newlines).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
