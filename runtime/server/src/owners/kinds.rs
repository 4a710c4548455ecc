//! How many owners and sessions there are of each kind.

use std::collections::BTreeMap;
use std::sync::Arc;

/// What there is of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct KindCounts {
    pub(crate) owners: u64,
    pub(crate) sessions: u64,
}

/// What there is, by kind. Kinds of which there is nothing are not kept: they come from outside.
#[derive(Debug, Default)]
pub(super) struct Kinds(BTreeMap<Arc<str>, KindCounts>);

impl Kinds {
    /// All of it.
    pub(super) fn all(&self) -> BTreeMap<Arc<str>, KindCounts> {
        self.0.clone()
    }

    pub(super) fn add_owner(&mut self, kind: &Arc<str>) {
        self.change(kind, |counts| counts.owners += 1);
    }

    pub(super) fn remove_owner(&mut self, kind: &Arc<str>) {
        self.change(kind, |counts| counts.owners = counts.owners.saturating_sub(1));
    }

    pub(super) fn add_session(&mut self, kind: &Arc<str>) {
        self.change(kind, |counts| counts.sessions += 1);
    }

    pub(super) fn remove_session(&mut self, kind: &Arc<str>) {
        self.change(kind, |counts| counts.sessions = counts.sessions.saturating_sub(1));
    }

    fn change(&mut self, kind: &Arc<str>, change: impl FnOnce(&mut KindCounts)) {
        let counts = self.0.entry(kind.clone()).or_default();
        change(counts);
        if *counts == KindCounts::default() {
            self.0.remove(kind);
        }
    }
}
