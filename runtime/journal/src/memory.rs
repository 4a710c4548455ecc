//! The journal that lives as long as the process.

mod dead;
mod generations;
mod ops;
mod recent_ends;
mod runs;
mod tables;

use std::sync::Arc;

use lastword_events::{Hook, Identity, JournalName};
use parking_lot::Mutex;

use self::tables::MemoryTables;
use crate::state::{NothingCommitted, Resolved, Store};
use crate::{
    Appended, Completion, DeliveryKey, Durability, Journal, JournalError, JournalOp, Pending, Recovered, Space,
    StagedCompletions, state,
};

/// A journal that lives as long as the process. What is owed when the process ends is lost.
///
/// A second run on the same value finds what the first one left, as with a file: the tests of recovery use it so.
#[derive(Debug)]
pub struct MemoryJournal {
    name: JournalName,
    tables: Mutex<MemoryTables>,
    /// Its locks come before that of the tables.
    store: Store<NothingCommitted>,
}

impl MemoryJournal {
    /// An empty journal with a random name.
    #[must_use]
    pub fn new() -> Self {
        Self {
            name: crate::state::random_name(),
            tables: Mutex::new(MemoryTables::default()),
            store: Store::new(NothingCommitted, []),
        }
    }

    /// Deliveries that were given up, in that order: the newest [`RETAINED_DEAD_DELIVERIES`](crate::RETAINED_DEAD_DELIVERIES).
    #[must_use]
    pub fn dead(&self) -> Vec<DeliveryKey> {
        self.tables.lock().dead.newest()
    }

    /// How many more were given up before those, and are forgotten.
    #[must_use]
    pub fn forgotten_dead(&self) -> u64 {
        self.tables.lock().dead.forgotten()
    }
}

impl Default for MemoryJournal {
    fn default() -> Self {
        Self::new()
    }
}

impl Journal for MemoryJournal {
    fn name(&self) -> JournalName {
        self.name
    }

    fn durability(&self) -> Durability {
        Durability::Memory
    }

    fn recover(&self) -> Result<Recovered, JournalError> {
        Ok(self.tables.lock().recover())
    }

    fn append(&self, mut op: JournalOp) -> Pending<Appended> {
        Pending::ready(state::apply(&mut *self.tables.lock(), &mut op))
    }

    fn append_decided(&self, ops: Vec<JournalOp>) -> Pending<()> {
        let mut tables = self.tables.lock();
        // One that cannot be is a defect of the caller's, and no reason to leave the others out.
        for mut op in ops {
            state::apply(&mut *tables, &mut op).ok();
        }
        Pending::ready(Ok(()))
    }

    fn known_op(&self, identity: &Identity, kind: Hook, op_id: &str) -> Option<u32> {
        self.tables.lock().ops.generation(identity, kind, op_id)
    }

    fn complete(&self, _tenant: &Arc<str>, completions: Vec<Completion>) -> StagedCompletions {
        let (refused, ()) = self.store.stage(completions, |resolved| {
            let mut tables = self.tables.lock();
            for Resolved { completion, .. } in resolved {
                // Nothing in memory can fail.
                state::complete(&mut *tables, &completion).ok();
            }
        });
        StagedCompletions { refused, pending: Pending::ready(Ok(())) }
    }

    fn flush(&self) -> Pending<()> {
        Pending::ready(Ok(()))
    }

    fn key_value(&self, space: &Space, key: &str) -> Result<Option<Vec<u8>>, JournalError> {
        Ok(self.store.value(space, key)?.map(|value| value.to_vec()))
    }

    fn key_value_len(&self, space: &Space, key: &str) -> Result<Option<u64>, JournalError> {
        self.store.value_len(space, key)
    }

    fn key_value_keys(&self, space: &Space, after: Option<&str>, limit: usize) -> Result<Vec<String>, JournalError> {
        self.store.keys(space, after, limit)
    }

    fn key_value_bytes(&self, space: &Space) -> Result<u64, JournalError> {
        Ok(self.store.bytes(space))
    }

    fn key_value_tenant_bytes(&self, tenant: &str) -> Result<u64, JournalError> {
        Ok(self.store.tenant_bytes(tenant))
    }
}
