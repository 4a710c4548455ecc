//! The journal that lives as long as the process.

mod drained_ends;
mod generations;
mod ops;
mod owed;
mod recent_ends;
mod runs;
mod tables;

use std::sync::Arc;

use lastword_events::{Hook, Identity, JournalName};
use parking_lot::{Mutex, MutexGuard};

use self::tables::MemoryTables;
use crate::state::{NothingCommitted, Resolved, Store};
use crate::{
    Appended, ChangedDelivery, Completion, DeliveryChange, DeliveryFilter, DeliveryKey, DeliveryPage, DeliveryRow,
    Durability, Journal, JournalError, JournalOp, PageRequest, Pending, Recovered, Space, StagedCompletions, state,
};

/// A journal that lives as long as the process. What is owed when the process ends is lost.
///
/// A second run on the same value finds what the first run left, as with a file. Between the [release](Journal::release) by one run and the
/// beginning of the next the journal can be read, and not written.
#[derive(Debug)]
pub struct MemoryJournal {
    name: JournalName,
    tables: Mutex<MemoryTables>,
    /// The locks of the store are taken before that of the tables.
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
        self.tables.lock().dead()
    }

    /// How many older deliveries were given up and are forgotten.
    #[must_use]
    pub fn forgotten_dead(&self) -> u64 {
        self.tables.lock().forgotten_dead()
    }

    /// The tables to write to. None once the run has released the journal.
    fn to_write(&self) -> Option<MutexGuard<'_, MemoryTables>> {
        Some(self.tables.lock()).filter(|tables| !tables.is_released())
    }
}

fn closed<T>() -> Pending<T> {
    Pending::ready(Err(JournalError::Closed))
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
        let Some(mut tables) = self.to_write() else { return closed() };
        Pending::ready(state::apply(&mut *tables, &mut op))
    }

    fn append_decided(&self, ops: Vec<JournalOp>) -> Pending<()> {
        let Some(mut tables) = self.to_write() else { return closed() };
        // An operation that is not possible is a defect of the caller, and no reason to skip the others.
        for mut op in ops {
            state::apply(&mut *tables, &mut op).ok();
        }
        Pending::ready(Ok(()))
    }

    fn known_op(&self, identity: &Identity, kind: Hook, op_id: &str) -> Option<u32> {
        self.tables.lock().ops.generation(identity, kind, op_id)
    }

    fn complete(&self, _tenant: &Arc<str>, completions: Vec<Completion>) -> StagedCompletions {
        if self.to_write().is_none() {
            return StagedCompletions::all(closed());
        }
        let (refused, ()) = self.store.stage(completions, |resolved| {
            let mut tables = self.tables.lock();
            for Resolved { completion, .. } in resolved {
                // In memory nothing can fail.
                state::complete(&mut *tables, &completion).ok();
            }
        });
        StagedCompletions { refused, pending: Pending::ready(Ok(())) }
    }

    fn flush(&self) -> Pending<()> {
        self.to_write().map_or_else(closed, |_| Pending::ready(Ok(())))
    }

    fn probe(&self) -> Pending<()> {
        self.flush()
    }

    fn release(&self) -> Pending<()> {
        self.tables.lock().release();
        Pending::ready(Ok(()))
    }

    fn delivery(&self, delivery: &DeliveryKey) -> Result<Option<DeliveryRow>, JournalError> {
        Ok(self.tables.lock().delivery(delivery, self.name))
    }

    fn deliveries(&self, filter: &DeliveryFilter, page: &PageRequest) -> Result<DeliveryPage, JournalError> {
        Ok(self.tables.lock().deliveries(self.name, filter, page))
    }

    fn change_deliveries(&self, change: DeliveryChange, deliveries: Vec<DeliveryKey>) -> Pending<Vec<ChangedDelivery>> {
        let Some(mut tables) = self.to_write() else { return closed() };
        let changed = deliveries.iter().map(|delivery| state::change_delivery(&mut *tables, change, delivery));
        Pending::ready(changed.collect())
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
