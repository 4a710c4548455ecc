//! What the registry says of a journal.

use lastword_events::JournalName;
use serde::{Deserialize, Serialize};

/// What the registry has under a journal's name. It is changed only where its revision is the one that was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The node whose journal it is, as its operator calls it. A node that starts again goes on with the journal of its name.
    pub node: String,
    /// Where that node can be reached, for operators. Nothing here uses it.
    pub address: String,
    /// Who has the journal.
    pub state: EntryState,
    /// The run of the node that has it, or had it last: a random name of that process, under which its heartbeats go out. `None` is the
    /// run that has made the journal, which has the journal's own name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<JournalName>,
    /// The stream sequence of the newest fence that the registry was told of; 0 before the journal has begun. The stream may be
    /// further.
    pub epoch: u64,
    /// The newest form of records that may be in the stream. A node that does not know it leaves the journal to others. While programs
    /// are upgraded one after the other, that is what keeps an old one from misreading what a new one has written.
    #[serde(default = "Entry::first_format")]
    pub format: u32,
    /// How often in a row somebody who had the journal fell silent: something in it may be deadly. Whoever has it for a while, or lets go
    /// of it in order, begins anew.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub deaths: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes it so")]
const fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// Who has a journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EntryState {
    /// The node whose journal it is, with the run that the entry names.
    Active,
    /// Nobody: who had it has let go of it, with something owed. Others take it over.
    Leaving,
    /// Nobody, and nothing is owed, but plugins have stored something in it: it waits for its node, or for an operator who gives it up.
    Resting,
    /// Another node's run.
    Adopted {
        /// The name of that run.
        by: JournalName,
    },
    /// Nobody: its stream is not there any more, though something was in it. What was owed is lost unless the stream comes back.
    Lost,
    /// Nobody: its stream cannot be read. It is left as it is for an operator.
    Damaged,
    /// Nobody, and nothing is owed: its stream and this entry are about to be deleted.
    Empty,
}

impl EntryState {
    /// Whether a node that starts again goes on with a journal of its name that is in this state.
    #[must_use]
    pub fn goes_on(self) -> bool {
        match self {
            Self::Active | Self::Leaving | Self::Resting | Self::Adopted { .. } => true,
            Self::Lost | Self::Damaged | Self::Empty => false,
        }
    }

    /// Whether an operator may give the journal up: nobody has it, and nobody takes it over by himself.
    #[must_use]
    pub fn may_be_given_up(self) -> bool {
        matches!(self, Self::Resting | Self::Lost | Self::Damaged)
    }
}

impl Entry {
    /// The first form of records.
    const fn first_format() -> u32 {
        1
    }

    /// The run of the journal `name`, if it is active.
    #[must_use]
    pub fn active_run(&self, name: JournalName) -> Option<JournalName> {
        (self.state == EntryState::Active).then(|| self.run.unwrap_or(name))
    }

    /// The run whose heartbeats say that somebody looks after the journal `name`; `None` when nobody does.
    #[must_use]
    pub fn keeper(&self, name: JournalName) -> Option<JournalName> {
        match self.state {
            EntryState::Active => self.active_run(name),
            EntryState::Adopted { by } => Some(by),
            EntryState::Leaving | EntryState::Resting | EntryState::Lost | EntryState::Damaged | EntryState::Empty => {
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(state: EntryState) -> Entry {
        let (node, address) = ("n1".to_owned(), "10.0.0.1:7470".to_owned());
        Entry { node, address, state, run: None, epoch: 9, format: 2, deaths: 0 }
    }

    #[test]
    fn an_entry_is_json_that_a_person_can_read_and_later_versions_may_add_to() {
        let by = JournalName::from_random([3; 8]);
        let adopted = entry(EntryState::Adopted { by });
        let json = serde_json::to_string(&adopted).unwrap();
        let expected = format!(
            r#"{{"node":"n1","address":"10.0.0.1:7470","state":{{"adopted":{{"by":"{by}"}}}},"epoch":9,"format":2}}"#
        );
        assert_eq!(json, expected);
        assert_eq!(serde_json::from_str::<Entry>(&json).unwrap(), adopted);
        let again = Entry { run: Some(by), deaths: 2, ..entry(EntryState::Resting) };
        let json = serde_json::to_string(&again).unwrap();
        assert!(
            json.contains(&format!(r#""state":"resting","run":"{by}""#)) && json.contains(r#""deaths":2"#),
            "{json}"
        );
        assert_eq!(serde_json::from_str::<Entry>(&json).unwrap(), again);
        let later = r#"{"node":"n1","address":"","state":"active","epoch":0,"zone":"b"}"#;
        let read: Entry = serde_json::from_str(later).unwrap();
        assert_eq!((read.state, read.run, read.format, read.deaths), (EntryState::Active, None, 1, 0));
    }

    #[test]
    fn whoever_has_a_journal_is_the_one_to_listen_to() {
        let [name, by, run] = [1, 2, 3].map(|number| JournalName::from_random([number; 8]));
        assert_eq!(entry(EntryState::Active).keeper(name), Some(name));
        assert_eq!(Entry { run: Some(run), ..entry(EntryState::Active) }.keeper(name), Some(run));
        assert_eq!(Entry { run: Some(run), ..entry(EntryState::Adopted { by }) }.keeper(name), Some(by));
        for nobody in
            [EntryState::Leaving, EntryState::Resting, EntryState::Lost, EntryState::Damaged, EntryState::Empty]
        {
            assert_eq!(entry(nobody).keeper(name), None);
        }
    }

    #[test]
    fn what_can_be_given_up_is_what_nobody_has_or_takes() {
        let by = JournalName::from_random([2; 8]);
        for kept in [EntryState::Active, EntryState::Leaving, EntryState::Adopted { by }, EntryState::Empty] {
            assert!(!kept.may_be_given_up(), "{kept:?}");
        }
    }
}
