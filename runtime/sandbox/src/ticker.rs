//! Makes a running guest yield every millisecond: a thread increments the engine's epoch.
//!
//! The thread costs nothing when no guest runs: after [`IDLE_TICKS`] without one it parks, and the next poll of a guest wakes it. A guest
//! that waits for the host needs no epoch and does not keep the thread awake.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use wasmtime::EngineWeak;

use crate::limits::{IDLE_TICKS, TICK};

/// Hands out [`Running`] guards. Dropping the last handle ends the thread.
pub(crate) struct Ticker {
    shared: Arc<Shared>,
}

struct Shared {
    /// Guests that are being polled at this moment.
    running: AtomicUsize,
    /// Set by the thread before it parks. Read after `running` was raised, so that one of the two sees the other.
    parked: AtomicBool,
    ticks: AtomicU64,
    /// Whether the thread should end.
    ending: Mutex<bool>,
    changed: Condvar,
}

/// A guard: while it lives, the thread increments the epoch.
pub(crate) struct Running<'a>(&'a Shared);

impl Ticker {
    /// Starts the thread. The engine is held weakly: the thread must not keep it alive.
    pub(crate) fn start(engine: EngineWeak) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            running: AtomicUsize::new(0),
            parked: AtomicBool::new(false),
            ticks: AtomicU64::new(0),
            ending: Mutex::new(false),
            changed: Condvar::new(),
        });
        let theirs = Arc::clone(&shared);
        let _detached = thread::Builder::new().name("lastword-ticker".to_owned()).spawn(move || theirs.run(&engine))?;
        Ok(Self { shared })
    }

    /// The guard to hold while a guest is polled.
    pub(crate) fn running(&self) -> Running<'_> {
        self.shared.running.fetch_add(1, Ordering::SeqCst);
        if self.shared.parked.load(Ordering::SeqCst) {
            let _ending = self.shared.lock();
            self.shared.changed.notify_all();
        }
        Running(&self.shared)
    }

    /// The number of increments of the epoch.
    pub(crate) fn ticks(&self) -> u64 {
        self.shared.ticks.load(Ordering::Relaxed)
    }

    /// Returns when the thread has parked.
    #[cfg(test)]
    fn wait_until_parked(&self) {
        let mut ending = self.shared.lock();
        while !self.shared.parked.load(Ordering::SeqCst) {
            ending = self.shared.changed.wait(ending).unwrap_or_else(PoisonError::into_inner);
        }
        drop(ending);
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        *self.shared.lock() = true;
        self.shared.changed.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, bool> {
        self.ending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, engine: &EngineWeak) {
        let mut idle = 0;
        loop {
            #[expect(clippy::disallowed_methods, reason = "this is the ticker")]
            thread::sleep(TICK);
            let Some(engine) = engine.upgrade() else { return };
            engine.increment_epoch();
            drop(engine);
            self.ticks.fetch_add(1, Ordering::Relaxed);
            idle = if self.running.load(Ordering::SeqCst) == 0 { idle + 1 } else { 0 };
            if idle >= IDLE_TICKS {
                if self.park() {
                    return;
                }
                idle = 0;
            }
        }
    }

    /// Waits for a guest. Gives whether the thread should end.
    fn park(&self) -> bool {
        let mut ending = self.lock();
        self.parked.store(true, Ordering::SeqCst);
        // Wakes `wait_until_parked`. No other code waits while the thread is awake.
        self.changed.notify_all();
        while !*ending && self.running.load(Ordering::SeqCst) == 0 {
            ending = self.changed.wait(ending).unwrap_or_else(PoisonError::into_inner);
        }
        self.parked.store(false, Ordering::SeqCst);
        *ending
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_parks_when_no_guest_runs_and_wakes_for_the_next() {
        let engine = wasmtime::Engine::default();
        let ticker = Ticker::start(engine.weak()).unwrap();
        ticker.wait_until_parked();
        let before = ticker.ticks();
        assert!(before >= u64::from(IDLE_TICKS));

        let running = ticker.running();
        while ticker.ticks() < before + 3 {
            thread::yield_now();
        }
        assert!(!ticker.shared.parked.load(Ordering::SeqCst), "it must not park under a running guest");
        drop(running);
        ticker.wait_until_parked();
    }

    #[test]
    fn it_does_not_keep_the_engine_alive() {
        let engine = wasmtime::Engine::default();
        let weak = engine.weak();
        let _ticker = Ticker::start(engine.weak()).unwrap();
        drop(engine);
        // The thread holds the engine for a moment in each tick.
        while weak.upgrade().is_some() {
            thread::yield_now();
        }
    }
}
