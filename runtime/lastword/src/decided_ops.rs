//! Hands the journal what the runtime itself has decided.

use std::sync::Arc;

use lastword_events::EventKey;
use lastword_journal::{Journal, JournalOp};

use crate::limits::RECORDS_AT_ONCE;

/// Operations that the journal is handed in pieces, in their order, so that the operations of others find room between two pieces. The last
/// piece is handed over when this is dropped. Nobody waits for the answers: the journal tries what the runtime has decided until it is
/// written.
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

    /// How many ends among them are owed to plugins that are not installed.
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
