//! What the registry says of a journal.

use lastword_events::JournalName;
use serde::{Deserialize, Serialize};

/// What the registry has under a journal's name. It is changed only where its revision is the one that was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The node whose run made the journal, as its operator calls it.
    pub node: String,
    /// Where that node can be reached, for operators. Nothing here uses it.
    pub address: String,
    /// Who has the journal.
    pub state: EntryState,
    /// The stream sequence of the newest fence that the registry was told of; 0 before the journal has begun. The stream may be
    /// further.
    pub epoch: u64,
    /// The newest form of records that may be in the stream. A node that does not know it leaves the journal to others. While programs
    /// are upgraded one after the other, that is what keeps an old one from misreading what a new one has written.
    #[serde(default = "Entry::first_format")]
    pub format: u32,
}

/// Who has a journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EntryState {
    /// The run that made it.
    Active,
    /// Nobody: who had it has let go of it, with something owed.
    Leaving,
    /// The node whose own journal has this name.
    Adopted {
        /// That name.
        by: JournalName,
    },
    /// Nobody, and nothing is owed: its stream and this entry are about to be deleted.
    Empty,
}

impl Entry {
    /// The first form of records.
    const fn first_format() -> u32 {
        1
    }

    /// Whose heartbeats say that somebody looks after the journal `name`; `None` when nobody does.
    #[must_use]
    pub fn keeper(&self, name: JournalName) -> Option<JournalName> {
        match self.state {
            EntryState::Active => Some(name),
            EntryState::Adopted { by } => Some(by),
            EntryState::Leaving | EntryState::Empty => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_json_that_a_person_can_read_and_later_versions_may_add_to() {
        let by = JournalName::from_random([3; 8]);
        let state = EntryState::Adopted { by };
        let entry = Entry { node: "n1".into(), address: "10.0.0.1:7470".into(), state, epoch: 9, format: 2 };
        let json = serde_json::to_string(&entry).unwrap();
        let expected = format!(
            r#"{{"node":"n1","address":"10.0.0.1:7470","state":{{"adopted":{{"by":"{by}"}}}},"epoch":9,"format":2}}"#
        );
        assert_eq!(json, expected);
        assert_eq!(serde_json::from_str::<Entry>(&json).unwrap(), entry);
        let later = r#"{"node":"n1","address":"","state":"active","epoch":0,"zone":"b"}"#;
        let read: Entry = serde_json::from_str(later).unwrap();
        assert_eq!((read.state, read.format), (EntryState::Active, 1));
    }

    #[test]
    fn whoever_has_a_journal_is_the_one_to_listen_to() {
        let (name, by) = (JournalName::from_random([1; 8]), JournalName::from_random([2; 8]));
        let entry = |state| Entry { node: String::new(), address: String::new(), state, epoch: 1, format: 1 };
        assert_eq!(entry(EntryState::Active).keeper(name), Some(name));
        assert_eq!(entry(EntryState::Adopted { by }).keeper(name), Some(by));
        assert_eq!(entry(EntryState::Leaving).keeper(name), None);
        assert_eq!(entry(EntryState::Empty).keeper(name), None);
    }
}
