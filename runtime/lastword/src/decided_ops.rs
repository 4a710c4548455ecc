//! What the runtime itself has decided, on its way to the journal.

use std::sync::Arc;

use lastword_events::EventKey;
use lastword_journal::{Journal, JournalOp};

use crate::limits::RECORDS_AT_ONCE;

/// Operations that are handed over in pieces, so that others' find room between them; in order all the same, and all of them
/// once this is dropped. Nobody waits for them: what the runtime has decided is tried again until it is written.
pub(crate) struct DecidedOps {
    journal: Arc<dyn Journal>,
    piece: Vec<JournalOp>,
    orphaned_ends: u64,
}

impl DecidedOps {
    pub(crate) fn of(journal: &Arc<dyn Journal>) -> Self {
        Self { journal: journal.clone(), piece: Vec::new(), orphaned_ends: 0 }
    }

    pub(crate) fn push(&mut self, op: JournalOp) {
        self.orphaned_ends += u64::from(is_orphaned_end(&op));
        self.piece.push(op);
        if self.piece.len() == RECORDS_AT_ONCE {
            self.hand_over(Vec::with_capacity(RECORDS_AT_ONCE));
        }
    }

    /// Ends among them that are owed to plugins which are not installed.
    pub(crate) fn orphaned_ends(&self) -> u64 {
        self.orphaned_ends
    }

    fn hand_over(&mut self, next: Vec<JournalOp>) {
        drop(self.journal.append_decided(std::mem::replace(&mut self.piece, next)));
    }
}

impl Drop for DecidedOps {
    fn drop(&mut self) {
        if !self.piece.is_empty() {
            self.hand_over(Vec::new());
        }
    }
}

fn is_orphaned_end(op: &JournalOp) -> bool {
    matches!(op, JournalOp::Orphaned { delivery, .. } if delivery.event == EventKey::End)
}
