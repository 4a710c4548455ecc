//! The parts of a runtime, which its handle, its workers and its requests share.

use std::sync::Arc;
use std::time::Duration;

use lastword_events::JournalName;
use lastword_journal::Journal;
use tokio::sync::watch;

use crate::active_set::ActiveSet;
use crate::dispatch::Dispatcher;
use crate::duplicate_end_counts::Counter;
use crate::in_flight::InFlight;
use crate::key_values::JournalKeyValues;
use crate::observers::Observers;
use crate::operators::Operators;
use crate::publisher::Publisher;
use crate::quota::Quotas;
use crate::records::Records;
use crate::retry::RetryPolicy;
use crate::run_end::RunEnd;
use crate::run_journal::RunJournal;
use crate::sandbox::{KeyValues, Sandbox};
use crate::session_order::SessionOrder;
use crate::sync::{Handle, Mutex, MutexGuard};
use crate::time::Time;
use crate::workers::Workers;

/// The parts of a runtime. This file only knows which parts there are. What happens to a request is in `intake`, what happens to a call
/// that has ended in `after_call.rs`, a drain in `drain`, a start in `recovery.rs`, and the end of a run in `run_end.rs`.
///
/// # Locks
///
/// A thread that holds a lock takes only such as come later in this list:
///
/// 1. A request's turn (`session_order.rs`), and within it [`Self::op_reads`]. Both are waited for by tasks, which keep no thread.
/// 2. The active set ([`Self::lock_active`]).
/// 3. The list of requests that wait for their turn (`session_order.rs`), or the dispatcher's state (`dispatch/dispatcher.rs`). Nobody
///    takes both.
/// 4. Locks of single values: the set of installed plugins, the quotas, the memory of calls, the counts of `out_of_queues.rs`, and the
///    run's journal (`run_journal.rs`). Nothing of the runtime is locked within one of them. A journal takes its own locks within the
///    last.
///
/// No lock but a turn and `op_reads` is held while anyone waits for the journal's answer, and none while a guest runs. Handing something
/// to the journal under a lock is allowed.
pub(crate) struct Core {
    sandbox: Sandbox,
    journal: Arc<dyn Journal>,
    journal_name: JournalName,
    handle: Handle,
    time: Time,
    dispatcher: Dispatcher,
    quotas: Arc<Quotas>,
    key_values: Arc<dyn KeyValues>,
    active: Mutex<ActiveSet>,
    operators: Operators,
    order: Arc<SessionOrder>,
    in_flight: InFlight,
    op_reads: tokio::sync::Mutex<()>,
    duplicate_ends: Counter,
    publisher: Publisher,
    retry: RetryPolicy,
    budget: Duration,
    /// Becomes true when a worker has panicked.
    failed: watch::Sender<bool>,
    workers: Workers,
    records: Records,
    run_end: RunEnd,
}

/// What an embedder has chosen.
pub(crate) struct Settings {
    pub(crate) retry: RetryPolicy,
    /// The budget of a drain.
    pub(crate) budget: Duration,
    pub(crate) quotas: Arc<Quotas>,
    pub(crate) observers: Observers,
    pub(crate) time: Time,
}

impl Core {
    pub(crate) fn new(
        sandbox: Sandbox,
        journal: Arc<dyn Journal>,
        handle: Handle,
        dispatcher: Dispatcher,
        settings: Settings,
    ) -> Self {
        let Settings { retry, budget, quotas, observers, time } = settings;
        let journal: Arc<dyn Journal> = Arc::new(RunJournal::new(journal));
        let journal_name = journal.name();
        let active = ActiveSet::default();
        Self {
            sandbox,
            journal_name,
            handle,
            time,
            dispatcher,
            key_values: Arc::new(JournalKeyValues::with_quotas(journal.clone(), quotas.clone())),
            quotas,
            journal,
            operators: Operators::new(active.counter()),
            active: Mutex::new(active),
            order: Arc::new(SessionOrder::default()),
            in_flight: InFlight::default(),
            op_reads: tokio::sync::Mutex::default(),
            duplicate_ends: Counter::default(),
            publisher: Publisher::new(observers, journal_name),
            retry,
            budget,
            failed: watch::Sender::new(false),
            workers: Workers::default(),
            records: Records::default(),
            run_end: RunEnd::default(),
        }
    }

    pub(crate) fn sandbox(&self) -> &Sandbox {
        &self.sandbox
    }

    pub(crate) fn journal(&self) -> &Arc<dyn Journal> {
        &self.journal
    }

    pub(crate) fn journal_name(&self) -> JournalName {
        self.journal_name
    }

    /// Spawns the tasks that wait for a journal or for a time.
    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// The clock that everything that waits goes by.
    pub(crate) fn time(&self) -> &Time {
        &self.time
    }

    pub(crate) fn dispatcher(&self) -> &Dispatcher {
        &self.dispatcher
    }

    pub(crate) fn quotas(&self) -> &Quotas {
        &self.quotas
    }

    /// Reads for guests what they have stored.
    pub(crate) fn key_values(&self) -> &Arc<dyn KeyValues> {
        &self.key_values
    }

    /// Locks the set of active sessions.
    pub(crate) fn lock_active(&self) -> MutexGuard<'_, ActiveSet> {
        self.active.lock()
    }

    /// What only operators need.
    pub(crate) fn operators(&self) -> &Operators {
        &self.operators
    }

    pub(crate) fn order(&self) -> &Arc<SessionOrder> {
        &self.order
    }

    pub(crate) fn in_flight(&self) -> &InFlight {
        &self.in_flight
    }

    /// Held while the journal is asked for an `op_id`: one request asks after the other.
    pub(crate) fn op_reads(&self) -> &tokio::sync::Mutex<()> {
        &self.op_reads
    }

    pub(crate) fn duplicate_ends(&self) -> &Counter {
        &self.duplicate_ends
    }

    pub(crate) fn publisher(&self) -> &Publisher {
        &self.publisher
    }

    pub(crate) fn retry(&self) -> &RetryPolicy {
        &self.retry
    }

    /// The wall-clock time of a drain.
    pub(crate) fn budget(&self) -> Duration {
        self.budget
    }

    /// Notes that a worker has panicked.
    pub(crate) fn fail(&self) {
        self.failed.send_replace(true);
    }

    /// Watches whether a worker has panicked.
    pub(crate) fn watch_failure(&self) -> watch::Receiver<bool> {
        self.failed.subscribe()
    }

    /// The threads that run guests.
    pub(crate) fn workers(&self) -> &Workers {
        &self.workers
    }

    /// The outcomes that the journal was handed and has not answered for.
    pub(crate) fn records(&self) -> &Records {
        &self.records
    }

    /// How the run ends.
    pub(crate) fn run_end(&self) -> &RunEnd {
        &self.run_end
    }

    /// How many `session-end` deliveries are owed, were given up, or will be owed by active sessions.
    pub(crate) fn undelivered_ends(&self) -> u64 {
        // Starts need the set's lock, so no plugin is looked at while it is held.
        let set = self.lock_active();
        let active: Vec<_> = set.count_by_tenant().map(|(tenant, sessions)| (tenant.clone(), sessions)).collect();
        let (owed, installed) = (self.dispatcher.undelivered_ends(), self.dispatcher.installed());
        drop(set);
        active.iter().map(|(tenant, sessions)| sessions * installed.count_serving(tenant)).sum::<u64>() + owed
    }
}
