//! Detects that a daemon is idle.

use std::future::pending;
use std::time::Duration;

use lastword_server::Server;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::spool::Intake;
use crate::limits::IDLE_LOOKS;

/// The shortest time between two checks.
const SHORTEST: Duration = Duration::from_millis(1);

/// Resolves when the daemon was idle for that long: no session, no connection, nothing owed and nothing in the spool.
/// Never resolves without a time.
pub(super) async fn nobody_needs(server: &Server, intake: Option<&Intake>, time: Option<Duration>) {
    let Some(time) = time else { return pending().await };
    let between = (time / IDLE_LOOKS).max(SHORTEST);
    let mut looks = interval_at(Instant::now() + between, between);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut before, mut quiet) = (server.activity(), 0);
    while quiet < IDLE_LOOKS {
        looks.tick().await;
        let now = server.activity();
        let is_quiet = now.is_quiet_since(&before) && intake.is_none_or(Intake::is_empty);
        quiet = if is_quiet { quiet + 1 } else { 0 };
        before = now;
    }
}
