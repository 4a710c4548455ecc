//! SIGTERM, SIGINT and SIGHUP: the first one begins the drain; later ones are logged and ignored. In a daemon a SIGHUP
//! that a process sends makes it read its configuration again.
//!
//! Two kinds have no effect. A Ctrl-C reaches the owner as well, which decides: see [`Interrupts`]. And a signal that
//! our parent ignored stays ignored: see [`heard`]. SIGQUIT has no handler: it ends the process at once, with a core
//! dump if the system makes one, and the journal keeps what is owed.

mod inherited;
mod interrupts;
mod received;

use std::future::Future;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::iterator::SignalsInfo;
use signal_hook::iterator::exfiltrator::origin::WithOrigin;
use signal_hook::low_level::siginfo::Cause;
use tokio::sync::{Notify, watch};

use interrupts::{Interrupts, Meaning};
pub(crate) use received::Received;

/// The current meaning of a signal.
enum Phase {
    /// Nothing was accepted yet, so the program exits at once.
    Starting(Box<dyn FnOnce(Received) + Send>),
    /// The signal begins the drain. The closure is called at once, on the signal thread.
    Serving(Box<dyn FnOnce(Received) + Send>, Interrupts),
    /// The drain has begun.
    Leaving,
}

/// The meaning of a SIGHUP.
pub(crate) enum Hangup {
    /// The end, like SIGTERM.
    Ends,
    /// Reads the configuration again and notifies, if a process sent it. The closing of a terminal is the end.
    Reloads(Arc<Notify>),
}

/// A thread that waits for signals. It belongs to no tokio runtime, so that a busy one does not delay it.
pub(crate) struct Signals {
    phase: Arc<Mutex<Phase>>,
    first: watch::Receiver<Option<Received>>,
    /// Whether a handler has run and the thread has not yet seen it, which takes a while on a busy machine.
    unanswered: Arc<AtomicBool>,
}

impl Signals {
    /// Begins to wait. Passes a signal that comes before [`serve`](Self::serve) to `early`, which ends the process.
    ///
    /// # Errors
    /// When the handlers cannot be installed or the thread cannot be started.
    pub(crate) fn install(hangup: Hangup, early: impl FnOnce(Received) + Send + 'static) -> io::Result<Self> {
        let unanswered = Arc::new(AtomicBool::new(false));
        // Also in a program that `nohup` has started: a process that sends SIGHUP to a daemon means it.
        let outlives_terminal = inherited::is_ignored(SIGHUP);
        let mut signals = heard();
        if outlives_terminal && matches!(hangup, Hangup::Reloads(_)) {
            signals.push(SIGHUP);
        }
        for signal in &signals {
            signal_hook::flag::register(*signal, Arc::clone(&unanswered))?;
        }
        let mut waiting = SignalsInfo::<WithOrigin>::new(signals)?;
        let phase = Arc::new(Mutex::new(Phase::Starting(Box::new(early))));
        let (tell, first) = watch::channel(None);
        let signals = Self { phase: Arc::clone(&phase), first, unanswered: Arc::clone(&unanswered) };
        thread::Builder::new().name("signals".to_owned()).spawn(move || {
            for origin in waiting.forever() {
                match (&hangup, origin.signal == SIGHUP, origin.cause == Cause::Kernel) {
                    (Hangup::Reloads(reload), true, false) => reload.notify_one(),
                    (Hangup::Reloads(_), true, true) if outlives_terminal => {}
                    _ => received(Received::new(&origin), &phase, &tell),
                }
                unanswered.store(false, Ordering::Release);
            }
        })?;
        Ok(signals)
    }

    /// From now on passes a signal to `first`, on the signal thread, and then begins the drain. A Ctrl-C does not begin
    /// it if an owner holds our stdin. Does not return while the process exits because of an earlier signal.
    pub(crate) fn serve(&self, owner_holds_stdin: bool, first: impl FnOnce(Received) + Send + 'static) {
        *lock(&self.phase) = Phase::Serving(Box::new(first), Interrupts::new(owner_holds_stdin));
    }

    /// Reports that stdin has ended, so no owner holds it. Returns whether a recent Ctrl-C has led to it.
    pub(crate) fn input_ended(&self, at: Instant) -> bool {
        match &mut *lock(&self.phase) {
            Phase::Serving(_, interrupts) => interrupts.input_ended(at),
            Phase::Starting(_) | Phase::Leaving => false,
        }
    }

    /// Whether a signal has come that the signal thread has not seen yet.
    pub(crate) fn has_unanswered(&self) -> bool {
        self.unanswered.load(Ordering::Acquire)
    }

    /// Ignores signals from now on: the drain has begun for another reason.
    pub(crate) fn ignore(&self) {
        *lock(&self.phase) = Phase::Leaving;
    }

    /// Resolves at the first signal during serving that begins the drain.
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
    if let Phase::Serving(_, interrupts) = &mut *held
        && interrupts.meaning(signal) == Meaning::TheOwners
    {
        drop(held);
        tracing::info!(
            "{} from the terminal: left to the owner, which holds stdin; a second one soon, or its end, shuts down",
            signal.name
        );
        return;
    }
    let now = std::mem::replace(&mut *held, Phase::Leaving);
    if let Phase::Starting(leave) = now {
        // Never returns, and keeps the lock, so that the program does not begin to serve while it exits.
        return leave(signal);
    }
    drop(held);
    match now {
        Phase::Starting(_) => {}
        Phase::Serving(first, _) => {
            first(signal);
            tell.send_replace(Some(signal));
        }
        Phase::Leaving => tracing::info!("{} ignored: the sessions are being drained already", signal.name),
    }
}

fn lock(phase: &Mutex<Phase>) -> MutexGuard<'_, Phase> {
    phase.lock().unwrap_or_else(PoisonError::into_inner)
}

/// For a part of the program that its parent ends: the parent handles signals to the whole group, whoever sent them.
/// The part has inherited the signals that the parent ignores.
///
/// # Errors
/// When the handlers cannot be installed.
pub(crate) fn leave_to_parent() -> io::Result<()> {
    for signal in heard() {
        signal_hook::flag::register(signal, Arc::new(AtomicBool::new(false)))?;
    }
    Ok(())
}

/// Returns the handled signals. `nohup` starts a program with SIGHUP ignored, and a script its background jobs with
/// SIGINT (and SIGQUIT) ignored: those stay ignored. SIGTERM is always handled, because supervisors use it to end us.
fn heard() -> Vec<i32> {
    [SIGTERM, SIGINT, SIGHUP]
        .into_iter()
        .filter(|signal| *signal == SIGTERM || !inherited::is_ignored(*signal))
        .collect()
}

/// Makes a write beyond the limit of the file size (`ulimit -f`, `LimitFSIZE=`) fail as on a full disk: without a
/// handler the signal ends the process. Rust does the same for SIGPIPE. A handler rather than "ignored", because a
/// child process starts with the default in place of a handler, but inherits "ignored".
///
/// # Errors
/// When the handler cannot be installed.
pub(crate) fn outlive_file_size_limit() -> io::Result<()> {
    signal_hook::flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false)))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    fn sent(name: &'static str) -> Received {
        Received { name, at: Instant::now(), by_terminal: false }
    }

    #[test]
    fn the_first_signal_begins_the_drain_and_the_next_ones_do_nothing() {
        let (told, heard) = mpsc::channel();
        let drain = Box::new(move |signal: Received| told.send(signal.name).unwrap());
        let phase = Mutex::new(Phase::Serving(drain, Interrupts::new(true)));
        let (tell, first) = watch::channel(None);
        for name in ["SIGTERM", "SIGINT"] {
            received(sent(name), &phase, &tell);
        }
        assert_eq!(heard.iter().collect::<Vec<_>>(), ["SIGTERM"]);
        assert_eq!(first.borrow().unwrap().name, "SIGTERM");
    }

    #[test]
    fn a_terminals_interrupt_is_the_owners_and_its_second_one_begins_the_drain() {
        let (told, heard) = mpsc::channel();
        let drain = Box::new(move |signal: Received| told.send(signal.at).unwrap());
        let phase = Mutex::new(Phase::Serving(drain, Interrupts::new(true)));
        let (tell, first) = watch::channel(None);
        let one = Received { by_terminal: true, ..sent("SIGINT") };
        received(one, &phase, &tell);
        assert!(heard.try_recv().is_err() && first.borrow().is_none());
        let two = Received { at: one.at + Duration::from_secs(1), ..one };
        received(two, &phase, &tell);
        assert_eq!((heard.recv().unwrap(), first.borrow().unwrap().at), (two.at, two.at));
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
            received(sent("SIGTERM"), &theirs, &tell);
        });
        heard.recv().unwrap();
        assert!(phase.try_lock().is_err(), "`serve` would wait here until the process is gone");
        drop(go);
        leaving.join().unwrap();
    }

    #[test]
    fn a_signal_before_ready_leaves_at_once_also_a_terminals() {
        for by_terminal in [false, true] {
            let (told, heard) = mpsc::channel();
            let phase = Mutex::new(Phase::Starting(Box::new(move |signal| told.send(signal.name).unwrap())));
            let (tell, first) = watch::channel(None);
            received(Received { by_terminal, ..sent("SIGINT") }, &phase, &tell);
            assert_eq!(heard.recv().unwrap(), "SIGINT");
            assert!(first.borrow().is_none());
        }
    }
}
