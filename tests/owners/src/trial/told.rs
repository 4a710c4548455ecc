//! What the plugin was told, as the report has it.

use std::time::Instant;

use super::Trial;
use crate::daemon::Heard;
use crate::named::Way;
use crate::report::{End, Report, SessionTold};

impl Trial {
    pub(super) fn report(mut self) -> Report {
        let stopped = self.daemon.stop();
        let heard = self.daemon.heard();
        let sessions = of_each(&heard).into_iter().map(|first| self.told_of(first, &heard, stopped));
        Report {
            owner: self.owner,
            mode: self.mode,
            way: self.way,
            own_ends: self.setting.count_own_ends(),
            stayed: self.stayed,
            ended_while_it_stayed: self.ended_while_it_stayed,
            sessions: sessions.collect(),
        }
    }

    fn told_of(&self, session: &Heard, heard: &[Heard], stopped: Instant) -> SessionTold {
        let of_it = |is_it: fn(&Heard) -> bool| heard.iter().filter(move |told| told.is_of(session) && is_it(told));
        let ends = of_it(Heard::is_end).map(|end| End {
            reason: end.word("reason").unwrap_or_default().to_owned(),
            after_exit_ms: millis_since(self.exit_of(session), end.at),
            by_drain: end.at > stopped,
        });
        SessionTold {
            id: session.id.clone(),
            generation: session.generation,
            own_ends: self.setting.count_own_ends_of(&session.id),
            starts: of_it(Heard::is_start).count(),
            compactions: of_it(Heard::is_compaction).count(),
            ends: ends.collect(),
        }
    }

    /// When the process left that the session was of: each run of a resumed session has its own.
    fn exit_of(&self, session: &Heard) -> Instant {
        let run = if self.way == Way::Resume { session.generation.saturating_sub(1) } else { 0 };
        let exit = self.exits.get(usize::try_from(run).unwrap_or(0)).or(self.exits.last());
        *exit.unwrap_or_else(|| panic!("no process has left"))
    }
}

/// The first line about each session.
fn of_each(heard: &[Heard]) -> Vec<&Heard> {
    let mut firsts: Vec<&Heard> = Vec::new();
    for told in heard {
        if !firsts.iter().any(|first| told.is_of(first)) {
            firsts.push(told);
        }
    }
    firsts
}

fn millis_since(from: Instant, to: Instant) -> u64 {
    u64::try_from(to.saturating_duration_since(from).as_millis()).unwrap_or(u64::MAX)
}
