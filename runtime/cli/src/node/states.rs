//! Who has a journal, in the words for operators.

use std::collections::HashMap;

use lastword_cluster::{Entry, EntryState};
use lastword_events::JournalName;

/// The nodes that run, by the name of their run.
pub(super) type Runs<'e> = HashMap<JournalName, &'e str>;

/// Returns the nodes that run, by these entries of the registry.
pub(super) fn runs<'e>(entries: impl IntoIterator<Item = (JournalName, &'e Entry)>) -> Runs<'e> {
    let run = |(name, entry): (JournalName, &'e Entry)| Some((entry.active_run(name)?, entry.node.as_str()));
    entries.into_iter().filter_map(run).collect()
}

/// Returns the word for a state of the registry.
pub(super) fn word(state: EntryState) -> &'static str {
    match state {
        EntryState::Active => "active",
        EntryState::Leaving => "leaving",
        EntryState::Resting => "resting",
        EntryState::Lost => "lost",
        EntryState::Damaged => "damaged",
        EntryState::Adopted { .. } => "adopted",
        EntryState::Empty => "empty",
    }
}

/// Returns the node that has adopted the journal: the name of its run, if the node is not known.
pub(super) fn adopter(state: EntryState, runs: &Runs<'_>) -> Option<String> {
    let EntryState::Adopted { by } = state else { return None };
    Some(runs.get(&by).map_or_else(|| by.to_string(), |node| (*node).to_owned()))
}
