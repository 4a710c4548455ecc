//! The journal that the runtime writes to.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use lastword_events::{Hook, Identity, JournalName, Timestamp};
use lastword_journal::state::Resolved;
use lastword_journal::{
    Appended, ChangedDelivery, CommitObserver, Completion, DeliveryChange, DeliveryFilter, DeliveryKey, DeliveryPage,
    DeliveryRow, Durability, Journal, JournalError, JournalOp, PageRequest, Pending, Recovered, RecoveredSession,
    Space, StagedCompletions,
};
use tokio::sync::watch;

use crate::cluster::Cluster;
use crate::error::ClusterError;
use crate::open::{self, Opening};
use crate::record::{Record, RecordedOutcome};
use crate::shared::Shared;
use crate::state::Answer as StateAnswer;
use crate::status::{Ended, JournalStatus};
use crate::waiting::Answer;

/// A journal on a JetStream stream: each write is on the disks of most of its servers before the journal calls it recorded.
///
/// Its state is in memory, and the stream has what made it. One thread writes, with a connection of its own. It joins what waits into one
/// message, and has one message under way. As long as the servers do not answer, ends and outcomes wait, and starts are refused.
///
/// Another node can take the journal over at any time. Then the stream refuses this one, and all that waits is answered with an error.
#[derive(Debug)]
pub struct JetStreamJournal(Arc<Shared>);

impl JetStreamJournal {
    /// Makes a journal. It waits for the servers: asynchronous code calls it on a thread that may block.
    ///
    /// # Errors
    /// When the servers cannot be reached, do not prove that they keep what they acknowledge, or refuse the stream.
    pub fn begin(cluster: &Cluster, name: JournalName) -> Result<Self, ClusterError> {
        open::start(cluster, name, Opening::Begin, || true).map(Self)
    }

    /// Takes a journal over, whoever has it. It waits for the servers, as [`begin`](Self::begin) does, and reads the journal: about 2 s for
    /// 1 GiB.
    ///
    /// # Errors
    /// As of `begin`; when there is no such journal, another node was first, or the journal is damaged.
    pub fn take_over(cluster: &Cluster, name: JournalName) -> Result<Self, ClusterError> {
        Self::take_over_if(cluster, name, || true)
    }

    /// Takes a journal over as [`take_over`](Self::take_over) does if it is still wanted when the servers have answered what is asked
    /// before: `is_wanted` is called on another thread, right before each try to fence whoever has the journal, and must not block.
    ///
    /// # Errors
    /// As of `take_over`; [`NotWanted`](ClusterError::NotWanted) when it is not wanted any more. Nothing was written then, unless an
    /// earlier try was not answered.
    pub fn take_over_if(
        cluster: &Cluster,
        name: JournalName,
        is_wanted: impl Fn() -> bool + Send + 'static,
    ) -> Result<Self, ClusterError> {
        open::start(cluster, name, Opening::TakeOver, is_wanted).map(Self)
    }

    /// A random name for a journal.
    #[must_use]
    pub fn random_name() -> JournalName {
        lastword_journal::state::random_name()
    }

    /// Whether dead runs have left anything to be delivered. Known before the run begins.
    #[must_use]
    pub fn has_unfinished(&self) -> bool {
        self.0.read(|state| {
            let Recovered { sessions, deliveries, .. } = state.recovered(Timestamp::now());
            !deliveries.is_empty() || !sessions.iter().all(RecoveredSession::is_done)
        })
    }

    /// Whether it knows of an end that its owner may report again: one of the last [`DUPLICATE_WITHIN`](lastword_journal::DUPLICATE_WITHIN).
    /// Known before the run begins.
    #[must_use]
    pub fn has_recent_ends(&self) -> bool {
        self.0.read(|state| !state.recovered(Timestamp::now()).ended.is_empty())
    }

    /// Whether plugins have stored anything that is still there.
    #[must_use]
    pub fn has_values(&self) -> bool {
        self.0.read(|state| !state.values().is_empty())
    }

    /// What operators are told.
    #[must_use]
    pub fn status(&self) -> JournalStatus {
        let mut status = self.0.status.read().clone();
        status.silent_for = self.0.silent_for().filter(|silent| *silent >= Duration::from_secs(1));
        status
    }

    /// Tells when the journal takes nothing more, and why. A program whose own journal was taken over has to stop: another node ends its
    /// sessions.
    #[must_use]
    pub fn ended(&self) -> watch::Receiver<Option<Ended>> {
        self.0.ended.subscribe()
    }

    fn outcomes(&self, resolved: Vec<Resolved>) -> Pending<()> {
        let completions = resolved.len();
        let mut staged = Vec::new();
        let mut outcomes = Vec::with_capacity(completions);
        for Resolved { completion, staged: values } in resolved {
            outcomes.push(RecordedOutcome::new(completion, values.as_deref()));
            staged.extend(values.map(|values| *values));
        }
        if outcomes.is_empty() {
            return self.0.flush();
        }
        self.0.write(Record::Outcomes(outcomes), (0, completions), |reply, _| Answer::Outcomes(reply, staged))
    }
}

impl Drop for JetStreamJournal {
    fn drop(&mut self) {
        // The writer goes on for a while with what was handed over.
        drop(self.0.release(true));
    }
}

fn refused<T>(error: JournalError) -> Pending<T> {
    Pending::ready(Err(error))
}

/// The answer of a state to a record that is none of this kind: a defect.
fn no_answer<T>() -> Result<T, JournalError> {
    Err(JournalError::Unwritable("a defect: the state has answered something else".to_owned()))
}

impl Journal for JetStreamJournal {
    fn name(&self) -> JournalName {
        self.0.name
    }

    fn durability(&self) -> Durability {
        Durability::Disk
    }

    fn recover(&self) -> Result<Recovered, JournalError> {
        self.0.begin_run(|state| state.recovered(Timestamp::now()))
    }

    fn append(&self, op: JournalOp) -> Pending<Appended> {
        if let Err(error) = self.0.admits(&op) {
            return refused(error);
        }
        self.0.write(Record::Op(op), (1, 0), |reply, answer| {
            let appended = if let StateAnswer::Appended(appended) = answer { appended } else { no_answer() };
            Answer::Line(reply, appended)
        })
    }

    fn append_decided(&self, ops: Vec<JournalOp>) -> Pending<()> {
        if ops.iter().any(|op| matches!(op, JournalOp::Draining { .. })) {
            self.0.drains.store(true, Ordering::Relaxed);
        }
        let operations = ops.len();
        self.0.write(Record::Decided(ops), (operations, 0), |reply, _| Answer::Decided(reply))
    }

    fn known_op(&self, identity: &Identity, kind: Hook, op_id: &str) -> Option<u32> {
        self.0.read(|state| state.tables().known_op(identity, kind, op_id))
    }

    fn complete(&self, _tenant: &Arc<str>, completions: Vec<Completion>) -> StagedCompletions {
        if let Err(error) = self.0.takes() {
            return StagedCompletions::all(refused(error));
        }
        let (refused, pending) = self.0.store.stage(completions, |resolved| self.outcomes(resolved));
        StagedCompletions { refused, pending }
    }

    fn release(&self) -> Pending<()> {
        self.0.release(false)
    }

    fn flush(&self) -> Pending<()> {
        self.0.flush()
    }

    fn probe(&self) -> Pending<()> {
        if let Err(error) = self.0.has_room().and_then(|()| self.0.is_writable()) {
            return refused(error);
        }
        self.0.write(Record::Probe, (0, 0), |reply, _| Answer::Probe(reply))
    }

    fn delivery(&self, delivery: &DeliveryKey) -> Result<Option<DeliveryRow>, JournalError> {
        Ok(self.0.read(|state| state.tables().delivery(delivery, self.0.name)))
    }

    fn deliveries(&self, filter: &DeliveryFilter, page: &PageRequest) -> Result<DeliveryPage, JournalError> {
        Ok(self.0.read(|state| state.tables().deliveries(self.0.name, filter, page)))
    }

    fn change_deliveries(&self, change: DeliveryChange, deliveries: Vec<DeliveryKey>) -> Pending<Vec<ChangedDelivery>> {
        let operations = deliveries.len();
        self.0.write(Record::Changes(change, deliveries), (operations, 0), |reply, answer| {
            let changed = if let StateAnswer::Changed(changed) = answer { changed } else { no_answer() };
            Answer::Changed(reply, changed)
        })
    }

    fn observe_commits(&self, observer: CommitObserver) {
        self.0.observer.set(observer).ok();
    }

    fn key_value(&self, space: &Space, key: &str) -> Result<Option<Vec<u8>>, JournalError> {
        Ok(self.0.store.value(space, key)?.map(|value| value.to_vec()))
    }

    fn key_value_len(&self, space: &Space, key: &str) -> Result<Option<u64>, JournalError> {
        self.0.store.value_len(space, key)
    }

    fn key_value_keys(&self, space: &Space, after: Option<&str>, limit: usize) -> Result<Vec<String>, JournalError> {
        self.0.store.keys(space, after, limit)
    }

    fn key_value_bytes(&self, space: &Space) -> Result<u64, JournalError> {
        Ok(self.0.store.bytes(space))
    }

    fn key_value_tenant_bytes(&self, tenant: &str) -> Result<u64, JournalError> {
        Ok(self.0.store.tenant_bytes(tenant))
    }
}
