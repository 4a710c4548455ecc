//! The runs on a journal in memory.

use lastword_events::{DrainReason, Timestamp};
use serde::{Deserialize, Serialize};

use super::rows::Row;
use crate::state::{CleanRuns, Installed};

/// The runs. Each call of [`begin`](Self::begin) begins one.
#[derive(Clone, Debug, Default)]
pub(super) struct Runs {
    runs: Vec<Run>,
    clean: CleanRuns,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Run {
    installed: Option<Installed>,
    /// Whether the run tells nobody of the end of a recovered session before that end is recorded.
    attaching: bool,
    drain: Option<(DrainReason, Timestamp)>,
}

impl Runs {
    pub(super) fn begin(&mut self) {
        self.runs.push(Run::default());
    }

    /// The number of this run, from 1. 0 before the first run.
    pub(super) fn current(&self) -> u32 {
        u32::try_from(self.runs.len()).unwrap_or(u32::MAX)
    }

    pub(super) fn clean(&self) -> &CleanRuns {
        &self.clean
    }

    /// This run has ended cleanly.
    pub(super) fn set_ended(&mut self) {
        self.clean.insert(self.current());
    }

    pub(super) fn is_draining(&self) -> bool {
        self.runs.last().is_some_and(|run| run.drain.is_some())
    }

    pub(super) fn installed(&self) -> Option<&Installed> {
        self.runs.last()?.installed.as_ref()
    }

    pub(super) fn set_installed(&mut self, installed: Installed, attaching: bool) {
        if let Some(run) = self.runs.last_mut() {
            (run.installed, run.attaching) = (Some(installed), attaching);
        }
    }

    pub(super) fn change_installed(&mut self, installed: Installed) {
        if let Some(run) = self.runs.last_mut() {
            run.installed = Some(installed);
        }
    }

    pub(super) fn set_draining(&mut self, reason: DrainReason, at: Timestamp) {
        if let Some(run) = self.runs.last_mut() {
            run.drain.get_or_insert((reason, at));
        }
    }

    /// How a run drained, if it did, and which plugins were installed then.
    pub(super) fn drain_of(&self, run: u32) -> Option<(DrainReason, Timestamp, Option<&Installed>)> {
        let run = self.runs.get(usize::try_from(run.checked_sub(1)?).ok()?)?;
        let (reason, at) = run.drain?;
        Some((reason, at, run.installed.as_ref()))
    }

    /// Whether all runs from this number on and before this run were attaching and did not drain.
    pub(super) fn attaching_since(&self) -> u32 {
        let dead = self.runs.iter().rev().skip(1);
        let attaching = dead.take_while(|run| run.attaching && run.drain.is_none()).count();
        self.current().saturating_sub(u32::try_from(attaching).unwrap_or(u32::MAX))
    }

    /// In their order.
    pub(super) fn into_rows(self) -> impl Iterator<Item = Row> + Send {
        let Self { runs, clean } = self;
        let numbered = (1..).zip(runs);
        numbered.map(move |(number, run)| Row::Run { run, has_ended: clean.contains(number) })
    }

    pub(super) fn restore(&mut self, run: Run, has_ended: bool) {
        self.runs.push(run);
        if has_ended {
            self.set_ended();
        }
    }
}
