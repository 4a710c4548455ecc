//! What systemd is told, where it has started the program: `Type=notify-reload`, and its watchdog.

use lastword::Runtime;
use parking_lot::Mutex;
use sd_notify::NotifyState;
use tokio::time::{MissedTickBehavior, interval};

/// Whether it leaves: then a reload that is under way, or begins, is nothing that systemd should hear of. As there is one socket of
/// systemd's for the process, there is one of these.
static LEAVES: Mutex<bool> = Mutex::new(false);

/// It is ready, or ready again.
pub(super) fn ready() {
    // Held while systemd is told, so that it is not told of the end in between.
    let leaves = LEAVES.lock();
    if !*leaves {
        tell(&[NotifyState::Ready, NotifyState::Status("serving")]);
    }
}

/// It reads its configuration again.
pub(super) fn reloading() {
    let leaves = LEAVES.lock();
    if *leaves {
        return;
    }
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now, NotifyState::Status("reading the configuration again")]),
        Err(error) => tracing::debug!(%error, "systemd is not told of a reload"),
    }
}

/// It leaves.
pub(super) fn stopping(how: &str) {
    let mut leaves = LEAVES.lock();
    *leaves = true;
    tell(&[NotifyState::Stopping, NotifyState::Status(how)]);
}

/// Tells the watchdog that all is well, twice in the time that it waits, if it was told to watch. That is done where requests are
/// carried out: what holds them up holds this up, and so does a worker that has panicked.
pub(super) async fn keep_alive(runtime: Runtime) {
    let Some(often) = sd_notify::watchdog_enabled().map(|within| within / 2).filter(|often| !often.is_zero()) else {
        return;
    };
    let mut often = interval(often);
    often.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !runtime.has_failed() {
        often.tick().await;
        tell(&[NotifyState::Watchdog]);
    }
}

/// Does nothing where systemd has not started the program.
fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "systemd cannot be told");
    }
}
