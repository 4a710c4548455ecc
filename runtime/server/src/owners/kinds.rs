//! Counts owners and sessions by kind, and records each kind's last hook.

use std::collections::BTreeMap;
use std::sync::Arc;

use lastword::events::Timestamp;
use lastword_protocol::owners::InputFormat;

/// The numbers of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct KindCounts {
    pub(crate) owners: u64,
    pub(crate) sessions: u64,
}

/// The numbers by kind. A kind without owners and sessions is dropped: kinds come from outside.
#[derive(Debug, Default)]
pub(super) struct Kinds(BTreeMap<Arc<str>, KindCounts>);

impl Kinds {
    /// Returns all kinds.
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

/// When the last hook of each kind of owner came. Only kinds with a format have hooks, so there are few.
#[derive(Debug, Default)]
pub(super) struct LastHooks(BTreeMap<&'static str, Timestamp>);

impl LastHooks {
    pub(super) fn note(&mut self, kind: InputFormat, at: Timestamp) {
        self.0.insert(kind.as_str(), at);
    }

    /// Returns all kinds.
    pub(super) fn all(&self) -> Vec<(&'static str, Timestamp)> {
        self.0.iter().map(|(kind, at)| (*kind, *at)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_each_kind_the_last_hook_counts() {
        let mut hooks = LastHooks::default();
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        hooks.note(InputFormat::Codex, at("2026-11-21T07:00:00Z"));
        hooks.note(InputFormat::ClaudeCode, at("2026-11-21T07:00:01Z"));
        hooks.note(InputFormat::Codex, at("2026-11-21T07:00:02Z"));
        let expected = [("claude-code", at("2026-11-21T07:00:01Z")), ("codex", at("2026-11-21T07:00:02Z"))];
        assert_eq!(hooks.all(), expected);
    }
}
