//! The trait of a journal, to which the runtime writes.

use std::fmt;
use std::sync::Arc;

use lastword_events::{Hook, Identity, JournalName};

use crate::{
    Appended, CallMark, ChangedDelivery, CommitObserver, Completion, DeliveryChange, DeliveryFilter, DeliveryKey,
    DeliveryPage, DeliveryRow, JournalError, JournalOp, PageRequest, Pending, Recovered, Space, StagedCompletions,
};

/// Whether what a journal holds outlives the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Everything is gone with the process: what is owed at its end is lost.
    Memory,
    /// Everything is on disk: what is owed at the end of the process is delivered after the next start.
    Disk,
}

impl Durability {
    /// `memory` or `disk`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Disk => "disk",
        }
    }
}

impl fmt::Display for Durability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The durable record. Writes take effect in the order in which the functions are called, and each answers when it is durable. A caller
/// that does not wait for the answer gets the same order. Only outcomes may be written later than what follows them, see
/// [`complete`](Self::complete).
///
/// No function but [`recover`](Self::recover) may block. The functions that read key-values may take as long as a local disk takes. Workers
/// call the functions between two calls, and while a signal is being served. What cannot be written now is queued or refused. After
/// [`release`](Self::release) everything is refused with [`JournalError::Closed`].
///
/// A read gives what guests have stored up to the last completion that was *staged*, durable or not: a journal with a queue looks into the
/// queue first. Later completions that change the same space were made of the staged values. So a completion that cannot be made durable
/// now is kept, in its order, until it can.
pub trait Journal: Send + Sync + 'static {
    /// The random part of this journal's delivery ids.
    fn name(&self) -> JournalName;

    /// Whether what the journal holds outlives the process.
    fn durability(&self) -> Durability;

    /// Reads what dead runs left and begins a new run. Called once, before anything is written.
    ///
    /// # Errors
    /// When the journal cannot be read.
    fn recover(&self) -> Result<Recovered, JournalError>;

    /// Records an event, and answers once it is durable.
    ///
    /// A write with an `op_id` is first compared with earlier writes of the same kind and session. If one of them had this `op_id`, the
    /// answer is [`Appended::DuplicateOp`] and nothing is changed. An update is of the same kind as a start.
    fn append(&self, op: JournalOp) -> Pending<Appended>;

    /// Records operations that the runtime has decided or found out, in this order. They are never refused because others wait. If they
    /// cannot be written now, the journal tries again until they are.
    fn append_decided(&self, ops: Vec<JournalOp>) -> Pending<()>;

    /// Looks an `op_id` up. Gives the generation with which the `op_id` was first recorded for this session and kind, as of the last write
    /// that was answered. The requests of one session follow each other, so a request that is sent again finds the first one. If `identity`
    /// has no scope, the `op_id` may be of any session of the id: a request without a scope may have been taken for a session that has one.
    fn known_op(&self, identity: &Identity, kind: Hook, op_id: &str) -> Option<u32>;

    /// Records how attempts of one tenant ended, as one group: all of it is durable, or nothing. The answer is no error as long as the
    /// group may still become durable.
    ///
    /// Outcomes of one tenant are recorded in their order, and after everything that was written or recorded before them. Outcomes of other
    /// tenants, and later writes, may be written first: so a tenant that writes much delays only itself.
    ///
    /// What a guest has [changed](Completion::changes) becomes values before this returns, in the order of the completions and of the
    /// calls. If the changes of a completion are not possible any more, only that completion is refused.
    ///
    /// The end of a session that a drain delivers is recorded by its first completion alone, with the reason and the time of the run's
    /// [`JournalOp::Draining`]. A drain has no time to write each session before it begins to work.
    fn complete(&self, tenant: &Arc<str>, completions: Vec<Completion>) -> StagedCompletions;

    /// Marks a call of this delivery as under way, until the mark is dropped. If the process dies before that, the delivery is suspect, and
    /// a journal that outlives the process says so to a later run. None if the journal keeps no marks.
    fn mark_call(&self, _delivery: &DeliveryKey) -> Option<CallMark> {
        None
    }

    /// Ends the marks of all calls. The run ends by itself, so no call that is marked now has taken the process down. No call is marked
    /// after this. The default does nothing, for a journal that keeps no marks.
    fn end_call_marks(&self) {}

    /// Releases all that the next run needs: the file's lock, threads, connections. Answers once that is released and everything that was
    /// handed over before is durable. The answer is an error if some of it cannot be written now, and then everything is released all the
    /// same. The next run can begin as soon as this answers, in this process or another, even if this value is still in use. A second call
    /// answers the same.
    ///
    /// The default answers as [`flush`](Self::flush) does. It is for a journal that holds nothing of which there is only one.
    fn release(&self) -> Pending<()> {
        self.flush()
    }

    /// Answers when everything that was written before is durable. The answer is an error if that is not possible now. A write that was
    /// refused has been answered already, and a write that failed for a while and succeeded later is durable. If no write waits, nothing is
    /// written: [`probe`](Self::probe) says whether a write would succeed.
    fn flush(&self) -> Pending<()>;

    /// Writes something that changes nothing, and answers once that is durable. The answer is an error if that is not possible now. The
    /// write waits for its turn as an owner's request does.
    fn probe(&self) -> Pending<()>;

    /// A delivery that was not made, as far as that is durable. None if it was made, or never existed. This may take as long as a local
    /// disk takes.
    ///
    /// # Errors
    /// When the journal cannot be read.
    fn delivery(&self, delivery: &DeliveryKey) -> Result<Option<DeliveryRow>, JournalError>;

    /// A page of deliveries that were not made, by session, as far as that is durable. This may take as long as a local disk takes. No
    /// other reader waits for longer than a page takes.
    ///
    /// # Errors
    /// When the journal cannot be read.
    fn deliveries(&self, filter: &DeliveryFilter, page: &PageRequest) -> Result<DeliveryPage, JournalError>;

    /// Changes deliveries that were not made, all of them at once. Answers for each in its order once that is durable. The change has its
    /// place among what is appended, is never refused because others wait, and is tried again until it is written. Outcomes that were
    /// handed over before may be written later, so flush first.
    fn change_deliveries(&self, change: DeliveryChange, deliveries: Vec<DeliveryKey>) -> Pending<Vec<ChangedDelivery>>;

    /// How many operations of this run could not be recorded although everything else could. Each was set aside, and logged as a defect.
    /// What was owed before such an operation is owed as before. 0 for a journal in which no operation can fail so.
    fn set_aside(&self) -> u64 {
        0
    }

    /// Tells `observer` of each commit of this run from now on, after [`recover`](Self::recover) and on the thread that writes: it must not
    /// wait. Only the first observer counts. A journal that commits nothing, as the one in memory, tells nobody.
    fn observe_commits(&self, _observer: CommitObserver) {}

    /// The value of `key` in a plugin's space, as of the last staged completion.
    ///
    /// # Errors
    /// When the journal cannot be read.
    fn key_value(&self, space: &Space, key: &str) -> Result<Option<Vec<u8>>, JournalError>;

    /// The length of the value of `key`, in bytes. A journal need not read the value for that.
    ///
    /// # Errors
    /// When the journal cannot be read.
    fn key_value_len(&self, space: &Space, key: &str) -> Result<Option<u64>, JournalError> {
        Ok(self.key_value(space, key)?.map(|value| u64::try_from(value.len()).unwrap_or(u64::MAX)))
    }

    /// The first `limit` keys of a plugin's space that sort after `after`, sorted by their bytes, as of the last staged completion.
    ///
    /// # Errors
    /// When the journal cannot be read.
    fn key_value_keys(&self, space: &Space, after: Option<&str>, limit: usize) -> Result<Vec<String>, JournalError>;

    /// The size of a plugin's space in bytes, see [`key_value_bytes`](lastword_events::key_value_bytes). It is asked for often, so a
    /// journal keeps count.
    ///
    /// # Errors
    /// When the journal cannot be read.
    fn key_value_bytes(&self, space: &Space) -> Result<u64, JournalError>;

    /// The size of all spaces of a tenant in bytes. It is asked for often, so a journal keeps count.
    ///
    /// # Errors
    /// When the journal cannot be read.
    fn key_value_tenant_bytes(&self, tenant: &str) -> Result<u64, JournalError>;
}
