//! What a journal is: the trait that the runtime writes to.

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
    /// Gone with the process: what is owed at the end is lost.
    Memory,
    /// On disk: what is owed at the end is delivered after the next start.
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

/// The durable record. Writes take effect in the order in which the functions are called, and each says when it is
/// durable; a caller that does not wait gets the order all the same. Only outcomes may be later than what follows them, see
/// [`complete`](Self::complete).
///
/// No function but [`recover`](Self::recover) may block, and those that read key-values only as long as a local disk
/// takes: they are called by workers between two calls, and while a signal is being served. What cannot be written now
/// is queued, or refused. What is asked after [`release`](Self::release) is refused with [`JournalError::Closed`].
///
/// What a guest changed is read back as of the last completion that was *staged*, durable or not: a journal with a queue
/// looks there first. So a completion that cannot be made durable now is kept, in its order, until it can: later ones that
/// change the same space were made of its values.
pub trait Journal: Send + Sync + 'static {
    /// The random part of this journal's delivery ids.
    fn name(&self) -> JournalName;

    /// Whether what the journal holds outlives the process.
    fn durability(&self) -> Durability;

    /// Reads what dead runs left behind and begins a new run. Called once, before anything is written.
    ///
    /// # Errors
    /// When the journal cannot be read.
    fn recover(&self) -> Result<Recovered, JournalError>;

    /// Records an event, and answers once it is durable.
    ///
    /// Every write with an `op_id` is first compared with those of the same kind and session: a known one gives
    /// [`Appended::DuplicateOp`] and changes nothing. An update is of the same kind as a start.
    fn append(&self, op: JournalOp) -> Pending<Appended>;

    /// Records what the runtime itself decided or found, in this order: never refused because others wait, and tried again
    /// for as long as it cannot be written.
    fn append_decided(&self, ops: Vec<JournalOp>) -> Pending<()>;

    /// Looks an `op_id` up: the generation it was first recorded with, for this session and kind, as of the last write that
    /// was answered. The requests of one session follow each other, so a line that is sent again finds the first one. Without a
    /// scope in `identity` it may be of any session of the id: a line that does not say it may have been one of a session that
    /// has one.
    fn known_op(&self, identity: &Identity, kind: Hook, op_id: &str) -> Option<u32>;

    /// Records how attempts of one tenant ended, as one group: all of it is durable, or none. It is not answered with an error as
    /// long as it may still become durable.
    ///
    /// Those of one tenant are recorded in their order, and after everything that was written or recorded before them. Outcomes of
    /// other tenants, and what is written later, may be written first, so a tenant that writes much delays only itself.
    ///
    /// What a guest has [changed](Completion::changes) becomes values before this returns, in the order of the completions and
    /// of the calls. A completion whose changes are not possible any more is refused, and it alone.
    ///
    /// An end that a drain made is recorded by its first completion alone, with the reason and time of the run's
    /// [`JournalOp::Draining`]: a drain has no time to write each session before it begins to work.
    fn complete(&self, tenant: &Arc<str>, completions: Vec<Completion>) -> StagedCompletions;

    /// Says that a call of this delivery begins, until the mark is dropped. What is marked when the process dies is suspect:
    /// a journal that outlives it says so to a later run. None where that is not kept.
    fn mark_call(&self, _delivery: &DeliveryKey) -> Option<CallMark> {
        None
    }

    /// Ends the marks of calls: the run ends by itself, so no call that is marked now has taken the process down. No call is marked after
    /// this. The default does nothing, for a journal that keeps no marks.
    fn end_call_marks(&self) {}

    /// Lets go of all that somebody else needs to begin the next run: the file's lock, threads, connections. Answers once that is
    /// done and everything that was handed over before is durable; with an error if some of it cannot be written now, and then it has
    /// let go all the same. So the next run can begin as soon as this answers, in this process or another, although somebody still
    /// holds this value. Asked again, it answers the same.
    ///
    /// The default answers as [`flush`](Self::flush) does. It is for a journal that holds nothing of which there is only one.
    fn release(&self) -> Pending<()> {
        self.flush()
    }

    /// Answers when everything that was written before is durable; with an error if it cannot be now. What was refused has
    /// been answered with that, and what failed for a while and was written after all is durable. Where nothing waits nothing is
    /// written: [`probe`](Self::probe) says whether something could be.
    fn flush(&self) -> Pending<()>;

    /// Writes something that changes nothing, and answers once it is durable: with an error if it cannot be now. It has its turn as
    /// an owner's request has.
    fn probe(&self) -> Pending<()>;

    /// A delivery that was not made, as far as that is durable; none when it was made, or never was. It may take as long as a local
    /// disk takes.
    ///
    /// # Errors
    /// When the journal cannot be read.
    fn delivery(&self, delivery: &DeliveryKey) -> Result<Option<DeliveryRow>, JournalError>;

    /// Deliveries that were not made, as far as that is durable, by session: a page. It may take as long as a local disk takes, and
    /// keeps nobody else waiting for longer than a page does.
    ///
    /// # Errors
    /// When the journal cannot be read.
    fn deliveries(&self, filter: &DeliveryFilter, page: &PageRequest) -> Result<DeliveryPage, JournalError>;

    /// Changes deliveries that were not made, all of them at once, and answers for each in its order once that is durable. It is
    /// written in its place among what is appended, never refused because others wait, and tried again for as long as it cannot be
    /// written. Outcomes that were handed over before may be written later, so whoever asks flushes first.
    fn change_deliveries(&self, change: DeliveryChange, deliveries: Vec<DeliveryKey>) -> Pending<Vec<ChangedDelivery>>;

    /// How many things of this run could not be recorded by themselves, while everything else could: each was set aside, and
    /// logged as a defect. What was owed of them is owed as before. None where nothing can fail so.
    fn set_aside(&self) -> u64 {
        0
    }

    /// From now on `observer` is told of each commit of this run, after [`recover`](Self::recover) and on the thread that writes: it
    /// must not wait. The first one that is set counts. Where nothing is committed, as in memory, nobody is told.
    fn observe_commits(&self, _observer: CommitObserver) {}

    /// The value of `key` in a plugin's space, as of the last completion that was staged.
    ///
    /// # Errors
    /// When the journal cannot be read.
    fn key_value(&self, space: &Space, key: &str) -> Result<Option<Vec<u8>>, JournalError>;

    /// How long the value of `key` is, in bytes: a journal need not read it for that.
    ///
    /// # Errors
    /// When the journal cannot be read.
    fn key_value_len(&self, space: &Space, key: &str) -> Result<Option<u64>, JournalError> {
        Ok(self.key_value(space, key)?.map(|value| u64::try_from(value.len()).unwrap_or(u64::MAX)))
    }

    /// The first `limit` keys of a plugin's space that sort after `after`, sorted by their bytes, as of the last completion
    /// that was staged.
    ///
    /// # Errors
    /// When the journal cannot be read.
    fn key_value_keys(&self, space: &Space, after: Option<&str>, limit: usize) -> Result<Vec<String>, JournalError>;

    /// The size of a plugin's space in bytes, see [`key_value_bytes`](lastword_events::key_value_bytes). Asked for often: a
    /// journal keeps count.
    ///
    /// # Errors
    /// When the journal cannot be read.
    fn key_value_bytes(&self, space: &Space) -> Result<u64, JournalError>;

    /// The size of all spaces of a tenant in bytes. Asked for often: a journal keeps count.
    ///
    /// # Errors
    /// When the journal cannot be read.
    fn key_value_tenant_bytes(&self, tenant: &str) -> Result<u64, JournalError>;
}
