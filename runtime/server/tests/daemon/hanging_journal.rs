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

/// What the runtime has decided itself and waits to be written, who waits for that, and who waits for all of it.
#[derive(Default)]
struct Decided {
    ops: Vec<(Vec<JournalOp>, Reply<()>)>,
    flushes: Vec<Reply<()>>,
}

/// A journal whose disk hangs when a test wants it to: what is asked for meanwhile is answered later.
#[derive(Default)]
pub(crate) struct HangingJournal {
    within: MemoryJournal,
    /// What waits, while it hangs.
    waiting: Mutex<Option<Waiting>>,
    /// What waits of the runtime's own, while that hangs.
    decided: Mutex<Option<Decided>>,
    asked: Notify,
}

impl HangingJournal {
    /// From now on nothing that owners ask for is written.
    pub(crate) fn hang(&self) {
        *self.waiting.lock() = Some(Vec::new());
    }

    /// From now on nothing that the runtime decides itself is written.
    pub(crate) fn hang_decided(&self) {
        *self.decided.lock() = Some(Decided::default());
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
        let Decided { ops, flushes } = self.decided.lock().take().unwrap_or_default();
        for (ops, reply) in ops {
            reply.send(self.within.append_decided(ops).now_or_never().unwrap());
        }
        flushes.into_iter().for_each(|reply| reply.send(Ok(())));
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
        let mut decided = self.decided.lock();
        let Some(decided) = &mut *decided else { return self.within.append_decided(ops) };
        let (reply, pending) = Pending::later();
        decided.ops.push((ops, reply));
        self.asked.notify_one();
        pending
    }

    fn release(&self) -> Pending<()> {
        self.within.release()
    }

    fn known_op(&self, identity: &Identity, kind: Hook, op_id: &str) -> Option<u32> {
        self.within.known_op(identity, kind, op_id)
    }

    fn complete(&self, tenant: &Arc<str>, completions: Vec<Completion>) -> StagedCompletions {
        self.within.complete(tenant, completions)
    }

    fn flush(&self) -> Pending<()> {
        let mut decided = self.decided.lock();
        let Some(decided) = &mut *decided else { return self.within.flush() };
        let (reply, pending) = Pending::later();
        decided.flushes.push(reply);
        pending
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
