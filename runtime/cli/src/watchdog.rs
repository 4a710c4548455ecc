//! Ends the process in time, whatever its other threads do.

use std::io;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

use crate::exit::Exit;

/// A thread that waits from the start of the program, so that nothing can fail when it is needed. It takes no lock that
/// is held for long and writes nothing, so a reader of our output cannot block it.
#[derive(Clone)]
pub(crate) struct Watchdog {
    shared: Arc<Shared>,
}

struct Shared {
    deadline: Mutex<Option<Instant>>,
    armed: Condvar,
    exit: AtomicU8,
}

impl Watchdog {
    /// Starts the thread.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(crate) fn spawn() -> io::Result<Self> {
        // Not `std::process::exit`, which waits for a thread that is inside it already, and runs the exit handlers of
        // libraries.
        Self::spawn_with(|code| signal_hook::low_level::exit(i32::from(code)))
    }

    fn spawn_with(end: impl FnOnce(u8) + Send + 'static) -> io::Result<Self> {
        let exit = AtomicU8::new(Exit::Internal.code());
        let shared = Arc::new(Shared { deadline: Mutex::new(None), armed: Condvar::new(), exit });
        let watchdog = Self { shared: Arc::clone(&shared) };
        thread::Builder::new().name("watchdog".to_owned()).spawn(move || {
            shared.wait();
            end(shared.exit.load(Ordering::Relaxed));
        })?;
        Ok(watchdog)
    }

    /// Ends the process at `deadline` at the latest. The earliest deadline counts.
    pub(crate) fn arm(&self, deadline: Instant) {
        let mut current = self.shared.lock();
        *current = Some(current.map_or(deadline, |current| current.min(deadline)));
        self.shared.armed.notify_one();
    }

    /// Sets the exit code for the case that the watchdog ends the process: the best code known so far.
    pub(crate) fn expect(&self, exit: Exit) {
        self.shared.exit.store(exit.code(), Ordering::Relaxed);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Option<Instant>> {
        self.deadline.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait(&self) {
        let mut deadline = self.lock();
        loop {
            deadline = match *deadline {
                None => self.armed.wait(deadline).unwrap_or_else(PoisonError::into_inner),
                Some(at) => {
                    let left = at.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return;
                    }
                    self.armed.wait_timeout(deadline, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    #[test]
    fn it_ends_the_process_at_the_earliest_deadline_with_what_is_known() {
        let (ended, end) = mpsc::channel();
        let watchdog = Watchdog::spawn_with(move |code| ended.send(code).unwrap()).unwrap();
        assert!(end.try_recv().is_err(), "it waits until it is armed");
        let began = Instant::now();
        watchdog.arm(began + Duration::from_secs(3600));
        watchdog.expect(Exit::Lost);
        watchdog.arm(began + Duration::from_millis(30));
        watchdog.arm(began + Duration::from_secs(3600));
        assert_eq!(end.recv().unwrap(), Exit::Lost.code());
        assert!(began.elapsed() >= Duration::from_millis(30));
    }
}
