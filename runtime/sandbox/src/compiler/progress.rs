//! Logs that long work goes on.

use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use lastword_events::PluginName;

/// The time before the first message. Shorter work logs nothing.
const QUIET: Duration = Duration::from_secs(1);
/// The time between two messages after that.
const EVERY: Duration = Duration::from_secs(10);

/// Logs that a component is being compiled, until it is dropped.
pub(super) struct Progress {
    _done: Option<Sender<()>>,
}

impl Progress {
    /// Begins. `is_kept`: the next start finds the code in the cache.
    pub(super) fn begin(name: Option<&PluginName>, bytes: usize, is_kept: bool) -> Self {
        let (done, wait) = mpsc::channel();
        let how_often = if is_kept { "once" } else { "as at every start, because the code is kept nowhere" };
        let (plugin, size) = (name.map_or_else(|| "the component".to_owned(), ToString::to_string), mebibytes(bytes));
        // A subscriber of this thread's events gets those of the helper thread.
        let listener = tracing::dispatcher::get_default(Clone::clone);
        let tell = move || {
            let began = Instant::now();
            let mut pause = QUIET;
            while wait.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
                let seconds = began.elapsed().as_secs();
                tracing::dispatcher::with_default(&listener, || {
                    tracing::info!(
                        "compiling {plugin} ({size}), {how_often}: {seconds} s so far; a large plugin takes a minute or two"
                    );
                });
                pause = EVERY;
            }
        };
        // Without a thread there are no messages, and the work goes on.
        let started = thread::Builder::new().name("lastword-progress".to_owned()).spawn(tell);
        Self { _done: started.is_ok().then_some(done) }
    }
}

/// A size in MiB, with one digit after the point.
fn mebibytes(bytes: usize) -> String {
    let tenths = bytes.saturating_mul(10) >> 20;
    format!("{}.{} MiB", tenths / 10, tenths % 10)
}
