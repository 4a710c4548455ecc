//! A thread that writes lines to a reader that nothing ever waits for, and the queue in front of it.

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

/// A problem of an output. Each is told once.
#[derive(Debug)]
pub(crate) enum OutputProblem {
    /// Its reader is so far behind that lines are told in short.
    Behind,
    /// Its reader reads too slowly, or not at all: a line did not fit.
    Slow,
    /// It is a file, and there is no room for more of it. The writer goes on trying.
    Full(io::Error),
    /// Its reader went away, or it is broken.
    Gone(io::Error),
}

/// What became of something that was put into a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Enqueued {
    /// It will be written as it is.
    Whole,
    /// It will be told together with others.
    InRange,
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
/// A thread of its own writes; everyone else puts lines into a queue that has its limits. A line that does not fit is
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
    on_problem: Box<dyn Fn(OutputProblem) + Send + Sync>,
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

    /// Has `enqueue` put something into the queue.
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

    /// Waits as [`flush`](Self::flush) does until it is `enough`, which is told the queue, and whether a batch of it is being written.
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
                return (self.on_problem)(OutputProblem::Gone(error));
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
mod tests;
