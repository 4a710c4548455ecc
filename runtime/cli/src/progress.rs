//! Long work shows that it goes on.

use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use crate::units::show_bytes;

/// What is done by then needs no words.
const QUIET: Duration = Duration::from_secs(1);
/// How often it is told after that.
const EVERY: Duration = Duration::from_secs(10);

/// Logs that a plugin is being compiled, until it is dropped.
pub(crate) struct Progress {
    _done: Option<Sender<()>>,
}

impl Progress {
    pub(crate) fn of(plugin: &str, bytes: usize) -> Self {
        let (done, wait) = mpsc::channel();
        let (plugin, size) = (plugin.to_owned(), show_bytes(u64::try_from(bytes).unwrap_or(u64::MAX)));
        let tell = move || {
            let began = Instant::now();
            let mut pause = QUIET;
            while wait.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
                let seconds = began.elapsed().as_secs();
                tracing::info!(
                    "compiling {plugin} ({size}), once: {seconds} s so far; a large plugin takes up to a minute"
                );
                pause = EVERY;
            }
        };
        // Without a thread nothing is told, and the work goes on.
        let started = thread::Builder::new().name("lastword-progress".to_owned()).spawn(tell);
        Self { _done: started.is_ok().then_some(done) }
    }
}
