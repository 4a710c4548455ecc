//! A journal that this member has: its own, or an adopted one.

use std::time::Duration;

use lastword_events::JournalName;

use super::MemberSettings;
use crate::{Entry, EntryState};

/// How far a journal is, and what the registry should say of it. Whatever it says, and however often it is asked, it gets there.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) stage: Stage,
    pub(super) epoch: u64,
    format: u32,
    /// When the registry may be asked again: an answer is due before, or the watch has to say first why it was refused.
    pub(super) asks_at: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// The own journal, on its way into the registry.
    Entering,
    /// The own journal begins, or another is being taken over.
    Opening,
    /// Taking it over did not succeed, or a late fence of another came in between.
    Waiting { until: Duration },
    /// It is written.
    Serving,
    /// Nothing is owed, and the registry does not know yet.
    Emptied,
    /// The stream and the entry are being deleted.
    Discarding { again: Duration },
    /// The registry is to say that nobody has it.
    LettingGo,
}

impl Kept {
    pub(super) fn new(stage: Stage, format: u32, now: Duration) -> Self {
        Self { stage, epoch: 0, format, asks_at: now }
    }

    /// Goes on, and asks the registry at once.
    pub(super) fn turn_to(&mut self, stage: Stage, now: Duration) {
        self.stage = stage;
        self.asks_at = now;
    }

    pub(super) fn answered(&mut self, again: Duration) {
        self.asks_at = again;
    }

    /// Whether the registry says nothing of the journal that this member has not written.
    pub(super) fn is_as_left(&self, name: JournalName, own: JournalName, state: &EntryState) -> bool {
        let is_own = name == own;
        match state {
            EntryState::Active => is_own,
            EntryState::Adopted { by } => !is_own && *by == own,
            EntryState::Leaving => self.stage == Stage::LettingGo,
            EntryState::Empty => matches!(self.stage, Stage::Emptied | Stage::Discarding { .. }),
        }
    }

    /// What the registry should say.
    pub(super) fn wanted(&self, name: JournalName, settings: &MemberSettings, known: Option<&Entry>) -> Entry {
        let state = match self.stage {
            Stage::Emptied | Stage::Discarding { .. } => EntryState::Empty,
            Stage::LettingGo => EntryState::Leaving,
            _ if name == settings.name => EntryState::Active,
            _ => EntryState::Adopted { by: settings.name },
        };
        let (node, address) = match known {
            Some(known) if name != settings.name => (known.node.clone(), known.address.clone()),
            _ => (settings.node.clone(), settings.address.clone()),
        };
        let epoch = known.map_or(0, |known| known.epoch).max(self.epoch);
        let format = known.map_or(0, |known| known.format).max(self.format);
        Entry { node, address, state, epoch, format }
    }
}
