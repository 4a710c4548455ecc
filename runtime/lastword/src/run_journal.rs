//! The journal of one run, which the run uses until it is over.

use std::sync::Arc;

use lastword_events::{Hook, Identity, JournalName};
use lastword_journal::{
    Appended, CallMark, ChangedDelivery, CommitObserver, Completion, DeliveryChange, DeliveryFilter, DeliveryKey,
    DeliveryPage, DeliveryRow, Durability, Journal, JournalError, JournalOp, PageRequest, Pending, Recovered, Space,
    StagedCompletions,
};

use crate::sync::RwLock;

/// A journal, from the beginning of a run until the run is over. After that the next run may have the journal, so nothing late of this run
/// may be written, from a request that was held up or from a worker that did not leave.
pub(crate) struct RunJournal {
    journal: Arc<dyn Journal>,
    /// Whether the run is over. Whoever hands something to the journal holds this lock meanwhile.
    is_over: RwLock<bool>,
}

impl RunJournal {
    /// The journal of a run that has begun.
    pub(crate) fn new(journal: Arc<dyn Journal>) -> Self {
        Self { journal, is_over: RwLock::new(false) }
    }

    /// Hands something to the journal, unless the run is over.
    fn hand_over<T>(&self, hand_over: impl FnOnce(&dyn Journal) -> Pending<T>) -> Pending<T> {
        let is_over = self.is_over.read();
        if *is_over { Pending::ready(Err(JournalError::Closed)) } else { hand_over(&*self.journal) }
    }

    fn is_over(&self) -> bool {
        *self.is_over.read()
    }

    /// The journal to read from, unless the run is over.
    fn to_read(&self) -> Result<&dyn Journal, JournalError> {
        if self.is_over() { Err(JournalError::Closed) } else { Ok(&*self.journal) }
    }
}

impl Journal for RunJournal {
    fn name(&self) -> JournalName {
        self.journal.name()
    }

    fn durability(&self) -> Durability {
        self.journal.durability()
    }

    fn recover(&self) -> Result<Recovered, JournalError> {
        self.to_read()?.recover()
    }

    fn append(&self, op: JournalOp) -> Pending<Appended> {
        self.hand_over(|journal| journal.append(op))
    }

    fn append_decided(&self, ops: Vec<JournalOp>) -> Pending<()> {
        self.hand_over(|journal| journal.append_decided(ops))
    }

    fn known_op(&self, identity: &Identity, kind: Hook, op_id: &str) -> Option<u32> {
        self.to_read().ok()?.known_op(identity, kind, op_id)
    }

    fn complete(&self, tenant: &Arc<str>, completions: Vec<Completion>) -> StagedCompletions {
        let is_over = self.is_over.read();
        if *is_over {
            return StagedCompletions::all(Pending::ready(Err(JournalError::Closed)));
        }
        self.journal.complete(tenant, completions)
    }

    fn mark_call(&self, delivery: &DeliveryKey) -> Option<CallMark> {
        // Read without the lock, because it is asked for every call. No call begins once the run is over.
        self.journal.mark_call(delivery)
    }

    fn end_call_marks(&self) {
        if !self.is_over() {
            self.journal.end_call_marks();
        }
    }

    fn release(&self) -> Pending<()> {
        let was_over = std::mem::replace(&mut *self.is_over.write(), true);
        if was_over { Pending::ready(Err(JournalError::Closed)) } else { self.journal.release() }
    }

    fn flush(&self) -> Pending<()> {
        self.hand_over(Journal::flush)
    }

    fn probe(&self) -> Pending<()> {
        self.hand_over(Journal::probe)
    }

    fn delivery(&self, delivery: &DeliveryKey) -> Result<Option<DeliveryRow>, JournalError> {
        self.to_read()?.delivery(delivery)
    }

    fn deliveries(&self, filter: &DeliveryFilter, page: &PageRequest) -> Result<DeliveryPage, JournalError> {
        self.to_read()?.deliveries(filter, page)
    }

    fn change_deliveries(&self, change: DeliveryChange, deliveries: Vec<DeliveryKey>) -> Pending<Vec<ChangedDelivery>> {
        self.hand_over(|journal| journal.change_deliveries(change, deliveries))
    }

    fn set_aside(&self) -> u64 {
        self.journal.set_aside()
    }

    fn observe_commits(&self, observer: CommitObserver) {
        self.journal.observe_commits(observer);
    }

    // Only guests read these, and no guest runs once the run is over.

    fn key_value(&self, space: &Space, key: &str) -> Result<Option<Vec<u8>>, JournalError> {
        self.journal.key_value(space, key)
    }

    fn key_value_len(&self, space: &Space, key: &str) -> Result<Option<u64>, JournalError> {
        self.journal.key_value_len(space, key)
    }

    fn key_value_keys(&self, space: &Space, after: Option<&str>, limit: usize) -> Result<Vec<String>, JournalError> {
        self.journal.key_value_keys(space, after, limit)
    }

    fn key_value_bytes(&self, space: &Space) -> Result<u64, JournalError> {
        self.journal.key_value_bytes(space)
    }

    fn key_value_tenant_bytes(&self, tenant: &str) -> Result<u64, JournalError> {
        self.journal.key_value_tenant_bytes(tenant)
    }
}
