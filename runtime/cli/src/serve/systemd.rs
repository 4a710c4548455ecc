//! Notifies systemd, if it has started the program: `Type=notify-reload`, and its watchdog.

use lastword::Runtime;
use parking_lot::Mutex;
use sd_notify::NotifyState;
use tokio::time::{MissedTickBehavior, interval};

/// Whether the program is exiting. systemd must then hear no more of reloads. The flag is static because the process
/// has one notify socket.
static LEAVES: Mutex<bool> = Mutex::new(false);

/// Reports that the program is ready, or ready again.
pub(super) fn ready() {
    // Held during the notification, so that the end is not reported in between.
    let leaves = LEAVES.lock();
    if !*leaves {
        tell(&[NotifyState::Ready, NotifyState::Status("serving")]);
    }
}

/// Reports that the program reads its configuration again.
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

/// Reports that the program exits.
pub(super) fn stopping(how: &str) {
    let mut leaves = LEAVES.lock();
    *leaves = true;
    tell(&[NotifyState::Stopping, NotifyState::Status(how)]);
}

/// Reports to the watchdog, twice in its interval, that all is well, if it is on. This runs with the requests, so that
/// a block of requests, or a worker's panic, also stops the reports.
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

/// Does nothing if systemd has not started the program.
fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "systemd cannot be told");
    }
}
