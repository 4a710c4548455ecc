//! Nodes lose their journals: when, and until when everything was delivered that was owed there.

use std::time::Duration;

use super::World;
use crate::ledger::SessionId;
use crate::report::{Report, Slowest};
use crate::request::{REGISTRY, StreamId};

/// How a node lost its journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    Died,
    Left,
    CutOff,
}

/// A node has lost its journal.
#[derive(Debug)]
pub(super) struct Ending {
    at: Duration,
    how: How,
    /// Sessions with smaller numbers had begun.
    before: SessionId,
    /// When the stream first had no leader from then on; also the registry, as long as nobody has taken the journal over.
    leaderless: Option<Duration>,
    /// When first nobody could write from then on, whatever is elected: two of three servers were away, or one with all clients was apart.
    powerless: Option<Duration>,
    is_taken: bool,
    /// Whether its node has it again.
    is_back: bool,
    /// When the last was delivered of what was owed.
    delivered: Option<Duration>,
}

impl Ending {
    /// From the beginning to the last delivery, if there was something to deliver.
    fn took(&self) -> Option<Duration> {
        self.delivered.map(|delivered| delivered - self.at)
    }

    fn counts(&self, journal: StreamId, report: &mut Report) {
        let (Some(took), Some(delivered)) = (self.took(), self.delivered) else { return };
        let was = |since: Option<Duration>| since.is_some_and(|since| since <= delivered);
        let times = match self.how {
            How::CutOff => return,
            How::Left => &mut report.after_leaving,
            How::Died if was(self.powerless) => &mut report.without_quorum,
            How::Died if was(self.leaderless) => &mut report.without_leader,
            How::Died => &mut report.with_leader,
        };
        times.add(took);
        if self.how == How::Died && !was(self.powerless) {
            let slowest = Slowest { took, at: self.at, journal };
            let so_far = if was(self.leaderless) { &mut report.slowest_without } else { &mut report.slowest_with };
            if so_far.is_none_or(|so_far| so_far.took < took) {
                *so_far = Some(slowest);
            }
        }
    }
}

impl World {
    /// Whether its node has lost this journal, and has not taken it back.
    pub(super) fn is_lost(&self, journal: StreamId) -> bool {
        self.journals[journal].endings.last().is_some_and(|ending| !ending.is_back)
    }

    /// A journal loses its node.
    pub(super) fn journal_ends(&mut self, journal: StreamId, how: How) {
        if self.is_lost(journal) {
            return;
        }
        let has_no_leader = self.streams[journal].leader.is_none() || self.streams[REGISTRY].leader.is_none();
        let now = self.now;
        let ending = Ending {
            at: now,
            how,
            before: self.ledger.next(),
            leaderless: has_no_leader.then_some(now),
            powerless: (!self.can_write()).then_some(now),
            is_taken: false,
            is_back: false,
            delivered: None,
        };
        self.journals[journal].endings.push(ending);
    }

    /// Somebody has taken it over.
    pub(super) fn journal_is_taken(&mut self, journal: StreamId, is_own: bool) {
        let Some(ending) = self.journals[journal].endings.last_mut() else { return };
        if !std::mem::replace(&mut ending.is_taken, true) && ending.how == How::Died {
            self.report.until_taken.add(self.now - ending.at);
        }
        ending.is_back |= is_own;
    }

    /// The end of a session is delivered for the first time.
    pub(super) fn end_is_delivered(&mut self, journal: StreamId, session: SessionId) {
        let now = self.now;
        let owed_it = self.journals[journal].endings.iter_mut().find(|ending| session < ending.before);
        if let Some(ending) = owed_it {
            ending.delivered = Some(now);
        }
    }

    /// A stream has no leader any more.
    pub(super) fn endings_have_no_leader(&mut self, stream: StreamId) {
        let now = self.now;
        for (number, journal) in self.journals.iter_mut().enumerate() {
            for ending in &mut journal.endings {
                if number == stream || (stream == REGISTRY && !ending.is_taken) {
                    ending.leaderless.get_or_insert(now);
                }
            }
        }
    }

    /// Whether a node is connected to a server that reaches another one.
    fn can_write(&self) -> bool {
        let able = self.network.electable();
        self.nodes.iter().any(|node| node.process.is_some() && able.contains(&node.server))
    }

    /// A server has gone, or is apart.
    pub(super) fn endings_have_no_quorum(&mut self) {
        if !self.can_write() {
            let now = self.now;
            for ending in self.journals.iter_mut().flat_map(|journal| &mut journal.endings) {
                ending.powerless.get_or_insert(now);
            }
        }
    }

    pub(super) fn count_endings(&mut self) {
        for (number, journal) in self.journals.iter().enumerate() {
            for ending in &journal.endings {
                ending.counts(number, &mut self.report);
            }
        }
    }
}
