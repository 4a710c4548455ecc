//! SIGTERM, SIGINT and SIGHUP: the first one begins the drain, those after it are logged and ignored.

use std::future::Future;
use std::io;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals as Waiting;
use tokio::sync::watch;

/// A signal that was received.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Received {
    pub(crate) name: &'static str,
    pub(crate) at: Instant,
}

/// What a signal means just now.
enum Phase {
    /// Nothing was accepted yet: leave at once.
    Starting(Box<dyn FnOnce(Received) + Send>),
    /// It begins the drain; this is told at once, on the signal thread.
    Serving(Box<dyn FnOnce(Received) + Send>),
    /// The drain has begun.
    Leaving,
}

/// A thread that waits for signals. It belongs to no tokio runtime, so that nothing that keeps one busy delays it.
pub(crate) struct Signals {
    phase: Arc<Mutex<Phase>>,
    first: watch::Receiver<Option<Received>>,
}

impl Signals {
    /// Begins to wait. A signal that comes before [`serve`](Self::serve) is handed to `early`, which ends the process.
    ///
    /// # Errors
    /// When the handlers cannot be installed or the thread cannot be started.
    pub(crate) fn install(early: impl FnOnce(Received) + Send + 'static) -> io::Result<Self> {
        let mut waiting = Waiting::new([SIGTERM, SIGINT, SIGHUP])?;
        let phase = Arc::new(Mutex::new(Phase::Starting(Box::new(early))));
        let (tell, first) = watch::channel(None);
        let signals = Self { phase: Arc::clone(&phase), first };
        thread::Builder::new().name("signals".to_owned()).spawn(move || {
            for signal in waiting.forever() {
                received(Received { name: name(signal), at: Instant::now() }, &phase, &tell);
            }
        })?;
        Ok(signals)
    }

    /// From now on a signal is told to `first`, on the signal thread, and then begins the drain. Does not come back while
    /// the process leaves for an earlier signal.
    pub(crate) fn serve(&self, first: impl FnOnce(Received) + Send + 'static) {
        *lock(&self.phase) = Phase::Serving(Box::new(first));
    }

    /// From now on signals are ignored: the drain has begun for another reason.
    pub(crate) fn ignore(&self) {
        *lock(&self.phase) = Phase::Leaving;
    }

    /// Resolves at the first signal that came while serving.
    pub(crate) fn first(&self) -> impl Future<Output = Received> + use<> {
        let mut first = self.first.clone();
        async move {
            let received = first.wait_for(Option::is_some).await.ok().and_then(|received| *received);
            match received {
                Some(received) => received,
                // The thread is gone, and no signal will ever come.
                None => std::future::pending().await,
            }
        }
    }
}

fn received(signal: Received, phase: &Mutex<Phase>, tell: &watch::Sender<Option<Received>>) {
    let mut held = lock(phase);
    let now = std::mem::replace(&mut *held, Phase::Leaving);
    if let Phase::Starting(leave) = now {
        // Never comes back, and the lock is kept: nobody begins to serve while the process leaves.
        return leave(signal);
    }
    drop(held);
    match now {
        Phase::Starting(_) => {}
        Phase::Serving(first) => {
            first(signal);
            tell.send_replace(Some(signal));
        }
        Phase::Leaving => tracing::info!("{} ignored: the sessions are being drained already", signal.name),
    }
}

fn lock(phase: &Mutex<Phase>) -> MutexGuard<'_, Phase> {
    phase.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A part of the program that its parent ends: signals to the whole group are for the parent to answer.
///
/// # Errors
/// When the handlers cannot be installed.
pub(crate) fn leave_to_parent() -> io::Result<()> {
    for signal in [SIGTERM, SIGINT, SIGHUP] {
        signal_hook::flag::register(signal, Arc::new(AtomicBool::new(false)))?;
    }
    Ok(())
}

fn name(signal: i32) -> &'static str {
    match signal {
        SIGTERM => "SIGTERM",
        SIGINT => "SIGINT",
        _ => "SIGHUP",
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn the_first_signal_begins_the_drain_and_the_next_ones_do_nothing() {
        let (told, heard) = mpsc::channel();
        let phase = Mutex::new(Phase::Serving(Box::new(move |signal| told.send(signal.name).unwrap())));
        let (tell, first) = watch::channel(None);
        for name in ["SIGTERM", "SIGINT"] {
            received(Received { name, at: Instant::now() }, &phase, &tell);
        }
        assert_eq!(heard.iter().collect::<Vec<_>>(), ["SIGTERM"]);
        assert_eq!(first.borrow().unwrap().name, "SIGTERM");
    }

    #[test]
    fn nobody_begins_to_serve_while_the_process_leaves() {
        let (told, heard) = mpsc::channel();
        let (go, wait) = mpsc::channel::<()>();
        let leave = Box::new(move |_| {
            told.send(()).unwrap();
            wait.recv().ok();
        });
        let phase = Arc::new(Mutex::new(Phase::Starting(leave)));
        let theirs = Arc::clone(&phase);
        let leaving = thread::spawn(move || {
            let (tell, _first) = watch::channel(None);
            received(Received { name: "SIGTERM", at: Instant::now() }, &theirs, &tell);
        });
        heard.recv().unwrap();
        assert!(phase.try_lock().is_err(), "`serve` would wait here until the process is gone");
        drop(go);
        leaving.join().unwrap();
    }

    #[test]
    fn a_signal_before_ready_leaves_at_once() {
        let (told, heard) = mpsc::channel();
        let phase = Mutex::new(Phase::Starting(Box::new(move |signal| told.send(signal.name).unwrap())));
        let (tell, first) = watch::channel(None);
        received(Received { name: "SIGTERM", at: Instant::now() }, &phase, &tell);
        assert_eq!(heard.recv().unwrap(), "SIGTERM");
        assert!(first.borrow().is_none());
    }
}
