//! The owners: sessions start and end, and nodes are drained.

use std::time::Duration;

use lastword_cluster::Behind;

use super::endings::How;
use super::journals::is_empty;
use super::{Event, World};
use crate::node::{Leaves, Stage, Told};
use crate::reader::What;
use crate::request::RunId;

/// In this time a fleet has as many sessions as it should.
const RAMP: Duration = Duration::from_mins(5);
/// A start is refused where nothing was acknowledged for so long while something waits.
const SILENT_AFTER: Duration = Duration::from_secs(10);
/// How many nodes an owner asks.
const TRIES: usize = 3;
/// A node's drain.
const BUDGET: Duration = Duration::from_secs(2);
/// How long a process waits, after its drain, until the registry has what the others need.
const HAND_OVER: Duration = Duration::from_secs(5);
/// Ends in one record.
const ENDS_AT_ONCE: usize = 4_096;

impl World {
    pub(super) fn start_somewhere(&mut self) {
        if self.is_calm {
            return;
        }
        let missing = self.settings.sessions.saturating_sub(self.active) as f64;
        let rate = self.settings.sessions as f64 / self.settings.life.as_secs_f64() + missing / RAMP.as_secs_f64();
        let next = self.about(Duration::from_secs_f64(1.0 / rate.max(0.001)));
        self.queue.add(self.now + next, Event::Start);
        for _ in 0..TRIES {
            let node = self.random.usize(..self.nodes.len());
            let run = RunId { node, run: self.nodes[node].run };
            if let Some(own) = self.takes_starts(run) {
                let session = self.ledger.begin();
                self.write(run, own, What::Started, &[session], Told::Started(session));
                return;
            }
        }
        self.ledger.refused += 1;
    }

    /// The journal of a node that takes starts.
    fn takes_starts(&mut self, run: RunId) -> Option<usize> {
        let local = self.nodes[run.node].local(self.now);
        let process = self.process(run)?;
        let own = process.own;
        if process.inbox.is_some() || process.leaves != Leaves::No || !process.is_ready {
            return None;
        }
        let writer = process.journals.get_mut(&own)?.writer()?;
        let is_silent = writer.chain.waiting_since().is_some_and(|since| local.saturating_sub(since) > SILENT_AFTER);
        (!is_silent).then_some(own)
    }

    /// Ends one of a node's sessions, if that is what was drawn, and draws when the next one ends.
    pub(super) fn end_one(&mut self, run: RunId, is_drawn: bool) {
        let random = self.random.u64(..);
        let Some(process) = self.process(run) else { return };
        if process.leaves != Leaves::No {
            return;
        }
        let own = process.own;
        if is_drawn && !process.active.is_empty() {
            #[expect(clippy::cast_possible_truncation, reason = "what is left is a place in the table")]
            let place = (random % process.active.len() as u64) as usize;
            let session = process.active.swap_remove(place);
            self.active -= 1;
            self.write(run, own, What::Ended, &[session], Told::Ended(vec![session]));
        }
        if self.is_draining {
            return;
        }
        let count = self.process(run).map_or(0, |process| process.active.len());
        let look = Duration::from_secs(1);
        let next = if count == 0 { look * 2 } else { self.about(self.settings.life.div_f64(count as f64)) };
        // Who has waited for a second is no nearer to the end, so it can be drawn again with the number of then.
        self.queue.add(self.now + next.min(look), Event::End(run, next <= look));
    }

    /// Ends all sessions of a node.
    pub(super) fn end_all(&mut self, run: RunId) {
        let Some(process) = self.process(run) else { return };
        let own = process.own;
        let sessions = std::mem::take(&mut process.active);
        self.active -= sessions.len();
        for ends in sessions.chunks(ENDS_AT_ONCE) {
            self.write(run, own, What::Ended, ends, Told::Ended(ends.to_vec()));
        }
    }

    /// Drains a node, so that a newer program takes its place, and then the next one.
    pub(super) fn upgrade(&mut self, node: usize, format: u32) {
        if self.is_calm {
            return;
        }
        let again = self.between(20_000, 40_000);
        let run = RunId { node, run: self.nodes[node].run };
        if self.takes_starts(run).is_some() {
            self.nodes[node].format = format;
            self.report.upgrades += 1;
            self.end_all(run);
            if let Some(process) = self.process(run) {
                process.leaves = Leaves::Drains;
            }
            self.queue.add(self.now + BUDGET, Event::DrainOver(run));
        }
        if node + 1 < self.nodes.len() {
            self.queue.add(self.now + again, Event::Upgrade { node: node + 1, format });
        } else {
            self.is_upgrading = false;
        }
    }

    /// The budget is over: what is not done is for the others.
    pub(super) fn drain_over(&mut self, run: RunId) {
        let Some(process) = self.process(run) else { return };
        if process.leaves != Leaves::Drains {
            return;
        }
        process.leaves = Leaves::Told;
        let own = process.own;
        let is_done = process.journals.get(&own).is_some_and(is_empty);
        for serving in process.journals.values_mut() {
            serving.stage = Stage::Closed;
        }
        if !is_done {
            self.journal_ends(own, How::Left);
        }
        let behind = if is_done { Behind::Nothing } else { Behind::Owed };
        self.tell(run, |member, at| member.leave(behind, at));
        self.queue.add(self.now + HAND_OVER, Event::Kill(run));
    }

    /// A process ends; the node starts again.
    pub(super) fn kill(&mut self, run: RunId) {
        let Some(process) = self.process(run) else { return };
        self.active -= std::mem::take(&mut process.active).len();
        self.nodes[run.node].process = None;
        let at = self.now + self.between(1_000, 10_000);
        self.queue.add(at, Event::Boot(run.node));
    }

    pub(super) fn drain_all(&mut self) {
        self.is_draining = true;
        for node in 0..self.nodes.len() {
            self.end_all(RunId { node, run: self.nodes[node].run });
        }
    }
}
