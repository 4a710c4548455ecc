//! Ends that owners have reported in the last seconds.

use std::collections::{HashMap, VecDeque};

use lastword_events::{Identity, Timestamp};

use super::rows::Row;
use crate::{DUPLICATE_WITHIN, RETAINED_RECENT_ENDS, RecentEnd};

/// Ends that owners have reported, the newest ones.
#[derive(Clone, Debug, Default)]
pub(super) struct RecentEnds {
    by_session: HashMap<u64, RecentEnd>,
    /// The sessions of those ends, by identity.
    sessions: HashMap<Identity, u64>,
    /// The sessions in the order of the reports. Some are forgotten already.
    order: VecDeque<u64>,
}

impl RecentEnds {
    pub(super) fn add(&mut self, end: RecentEnd) {
        self.order.push_back(end.sequence);
        if let Some(before) = self.sessions.insert(end.identity.clone(), end.sequence) {
            self.by_session.remove(&before);
        }
        self.by_session.insert(end.sequence, end);
        if self.order.len() > RETAINED_RECENT_ENDS
            && let Some(oldest) = self.order.pop_front()
        {
            self.forget(oldest);
        }
    }

    pub(super) fn forget(&mut self, sequence: u64) {
        if let Some(end) = self.by_session.remove(&sequence)
            && self.sessions.get(&end.identity) == Some(&sequence)
        {
            self.sessions.remove(&end.identity);
        }
    }

    /// A newer session of this identity begins.
    pub(super) fn remove_last(&mut self, identity: &Identity) {
        if let Some(sequence) = self.sessions.remove(identity) {
            self.by_session.remove(&sequence);
        }
    }

    /// The ends that may be reported again, in the order of the reports.
    pub(super) fn within(&self, now: Timestamp) -> Vec<RecentEnd> {
        let ends = self.order.iter().filter_map(|sequence| self.by_session.get(sequence));
        let is_recent = |end: &&RecentEnd| {
            let at = end.received.at;
            at <= now && now <= at.plus(DUPLICATE_WITHIN)
        };
        ends.filter(is_recent).cloned().collect()
    }

    /// In the order of the reports. An end that is forgotten has its place all the same: the places are counted.
    pub(super) fn into_rows(self) -> impl Iterator<Item = Row> + Send {
        let Self { mut by_session, order, .. } = self;
        order.into_iter().map(move |sequence| Row::RecentEnd { sequence, end: by_session.remove(&sequence) })
    }

    pub(super) fn restore(&mut self, sequence: u64, end: Option<RecentEnd>) {
        self.order.push_back(sequence);
        if let Some(end) = end {
            self.sessions.insert(end.identity.clone(), sequence);
            self.by_session.insert(sequence, end);
        }
    }
}
