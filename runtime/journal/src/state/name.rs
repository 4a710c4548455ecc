//! The random part of a journal's delivery ids.

use lastword_events::{JournalName, Timestamp};

/// A name for a new journal.
#[must_use]
pub fn random_name() -> JournalName {
    let mut bytes = [0; JournalName::LEN];
    // Without the system's randomness the name only has to differ from run to run.
    if getrandom::fill(&mut bytes).is_err() {
        bytes = Timestamp::now().as_millisecond().to_le_bytes();
    }
    JournalName::from_random(bytes)
}
