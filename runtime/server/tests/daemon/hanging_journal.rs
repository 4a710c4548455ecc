//! A journal whose disk hangs when a test wants it to.

use std::sync::Arc;

use futures_util::FutureExt;
use lastword::events::{Hook, Identity, JournalName};
use lastword::journal::{
    Appended, ChangedDelivery, Completion, DeliveryChange, DeliveryFilter, DeliveryKey, DeliveryPage, DeliveryRow,
    JournalOp, PageRequest, Pending, Recovered, Reply, Space, StagedCompletions,
};
use lastword::{Durability, Journal, JournalError, MemoryJournal};
use parking_lot::Mutex;
use tokio::sync::Notify;

/// What waits to be written, and who waits for that.
type Waiting = Vec<(JournalOp, Reply<Appended>)>;

/// A journal whose disk hangs when a test wants it to: what is asked for meanwhile is answered later.
#[derive(Default)]
pub(crate) struct HangingJournal {
    within: MemoryJournal,
    /// What waits, while it hangs.
    waiting: Mutex<Option<Waiting>>,
    asked: Notify,
}

impl HangingJournal {
    /// From now on nothing that owners ask for is written.
    pub(crate) fn hang(&self) {
        *self.waiting.lock() = Some(Vec::new());
    }

    /// Resolves when something was asked for that is not written.
    pub(crate) async fn asked(&self) {
        self.asked.notified().await;
    }

    /// What waits is written, and so is what comes.
    pub(crate) fn goes_on(&self) {
        let waiting = self.waiting.lock().take().unwrap_or_default();
        for (op, reply) in waiting {
            reply.send(self.within.append(op).now_or_never().unwrap());
        }
    }
}

impl Journal for HangingJournal {
    fn name(&self) -> JournalName {
        self.within.name()
    }

    fn durability(&self) -> Durability {
        self.within.durability()
    }

    fn recover(&self) -> Result<Recovered, JournalError> {
        self.within.recover()
    }

    fn append(&self, op: JournalOp) -> Pending<Appended> {
        let mut waiting = self.waiting.lock();
        let Some(waiting) = &mut *waiting else { return self.within.append(op) };
        let (reply, pending) = Pending::later();
        waiting.push((op, reply));
        self.asked.notify_one();
        pending
    }

    fn append_decided(&self, ops: Vec<JournalOp>) -> Pending<()> {
        self.within.append_decided(ops)
    }

    fn known_op(&self, identity: &Identity, kind: Hook, op_id: &str) -> Option<u32> {
        self.within.known_op(identity, kind, op_id)
    }

    fn complete(&self, tenant: &Arc<str>, completions: Vec<Completion>) -> StagedCompletions {
        self.within.complete(tenant, completions)
    }

    fn flush(&self) -> Pending<()> {
        self.within.flush()
    }

    fn probe(&self) -> Pending<()> {
        self.within.probe()
    }

    fn delivery(&self, delivery: &DeliveryKey) -> Result<Option<DeliveryRow>, JournalError> {
        self.within.delivery(delivery)
    }

    fn deliveries(&self, filter: &DeliveryFilter, page: &PageRequest) -> Result<DeliveryPage, JournalError> {
        self.within.deliveries(filter, page)
    }

    fn change_deliveries(&self, change: DeliveryChange, which: Vec<DeliveryKey>) -> Pending<Vec<ChangedDelivery>> {
        self.within.change_deliveries(change, which)
    }

    fn key_value(&self, space: &Space, key: &str) -> Result<Option<Vec<u8>>, JournalError> {
        self.within.key_value(space, key)
    }

    fn key_value_keys(&self, space: &Space, after: Option<&str>, most: usize) -> Result<Vec<String>, JournalError> {
        self.within.key_value_keys(space, after, most)
    }

    fn key_value_bytes(&self, space: &Space) -> Result<u64, JournalError> {
        self.within.key_value_bytes(space)
    }

    fn key_value_tenant_bytes(&self, tenant: &str) -> Result<u64, JournalError> {
        self.within.key_value_tenant_bytes(tenant)
    }
}
