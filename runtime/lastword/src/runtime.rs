//! The runtime's handle.

use std::future::Future;
use std::sync::Arc;
use std::time::Instant;

use lastword_events::{DrainReason, DrainReport, DrainWarning, Identity, JournalName, Session, Timestamp};
use lastword_journal::{Durability, JournalError, JournalOp};

use crate::builder::Builder;
use crate::core::Core;
use crate::drain::{RunningDrain, drain_so_far};
use crate::duplicate_end_counts::RepeatedEnds;
use crate::intake::{self, RequestFuture};
use crate::recovery::RecoveredCounts;
use crate::request::{Accepted, CompactionRequest, EndRequest, ReceivedEnd, Refusal, StartRequest};
use crate::sandbox::Plugin;
use crate::sync::now;

/// The runtime: the set of active sessions and the deliveries that are owed. Cheap to clone.
///
/// When the last clone is dropped its workers leave. What is owed then stays in the journal; to deliver it, [`drain`].
///
/// [`drain`]: Self::drain
#[derive(Clone)]
pub struct Runtime {
    owner: Arc<Owner>,
}

/// Stops the workers when the last handle is gone.
struct Owner {
    core: Arc<Core>,
    recovered: RecoveredCounts,
}

impl Drop for Owner {
    fn drop(&mut self) {
        // Requests and timers that fire later find the runtime closed.
        self.core.in_flight().close();
        self.core.dispatcher().stop();
    }
}

impl Runtime {
    /// Begins to build a runtime.
    pub fn builder() -> Builder {
        Builder::default()
    }

    pub(crate) fn new(core: Arc<Core>, recovered: RecoveredCounts) -> Self {
        Self { owner: Arc::new(Owner { core, recovered }) }
    }

    pub(crate) fn core(&self) -> &Arc<Core> {
        &self.owner.core
    }

    /// Records that a session began, and tells the plugins with a `session-start` hook. The start of a session that is
    /// active already is an *update*: what is newer is kept, and nobody is told.
    ///
    /// Like the other two, it joins the session's order when it is called, and is carried out even if the
    /// future is dropped. The future resolves when the journal has it, not when the plugins have been told.
    ///
    /// # Errors
    /// Bad fields, a drain that has begun, or a journal that cannot be written; nothing is changed then.
    pub fn start_session(
        &self,
        request: StartRequest,
    ) -> impl Future<Output = Result<Accepted, Refusal>> + Send + 'static + use<> {
        if let Err(error) = request.validate() {
            return RequestFuture::refused(error.into());
        }
        let Some(ticket) = self.core().in_flight().enter() else { return RequestFuture::refused(Refusal::Draining) };
        let turn = self.core().order().join(&request.session.identity, None);
        RequestFuture::begin(self.core(), turn, Some(ticket), intake::start(self.core().clone(), request))
    }

    /// Records that a session ended, and tells every plugin that serves its tenant. An end within 10 s of the last one, with no
    /// event between, is a duplicate: it is acknowledged and not delivered. An `op_id` or a later `started_at` makes it a new end.
    /// An end is never refused for its size: what does not fit is left out and named in [`Accepted::dropped`].
    ///
    /// # Errors
    /// An empty or impossible identity, or a journal that cannot be written.
    pub fn end_session(
        &self,
        mut request: EndRequest,
    ) -> impl Future<Output = Result<Accepted, Refusal>> + Send + 'static + use<> {
        let dropped = match request.fit() {
            Ok(dropped) => dropped,
            Err(error) => return RequestFuture::refused(error.into()),
        };
        let ticket = self.core().in_flight().enter();
        let end = Arc::new(ReceivedEnd::from(request));
        let turn = self.core().order().join(&end.request.session.identity, Some(end.clone()));
        RequestFuture::begin(self.core(), turn, ticket, intake::end(self.core().clone(), end, dropped))
    }

    /// Reports any other event of a session. A session that has just ended counts as alive again: its next end is not a duplicate.
    /// It costs nothing otherwise.
    ///
    /// Like the others, it joins the order of the session's id when it is called.
    pub fn seen(&self, identity: &Identity) {
        intake::seen(self.core(), identity);
    }

    /// Duplicate ends of this run, which were not delivered.
    #[must_use]
    pub fn repeated_ends(&self) -> RepeatedEnds {
        self.core().repeated_ends().counts()
    }

    /// Records that a session is about to be compacted, or was, and tells the plugins with a `session-compaction` hook. A
    /// session that nobody had started is registered as active: it is evidently alive, so its end will be owed.
    ///
    /// # Errors
    /// Bad fields, a drain that has begun, or a journal that cannot be written; nothing is changed then.
    pub fn compaction(
        &self,
        request: CompactionRequest,
    ) -> impl Future<Output = Result<Accepted, Refusal>> + Send + 'static + use<> {
        if let Err(error) = request.validate() {
            return RequestFuture::refused(error.into());
        }
        let Some(ticket) = self.core().in_flight().enter() else { return RequestFuture::refused(Refusal::Draining) };
        let turn = self.core().order().join(&request.session.identity, None);
        RequestFuture::begin(self.core(), turn, Some(ticket), intake::compaction(self.core().clone(), request))
    }

    /// The active sessions, in the order of their starts: a snapshot.
    #[must_use]
    pub fn sessions(&self) -> Vec<Arc<Session>> {
        self.core().active().list()
    }

    /// How many sessions are active.
    #[must_use]
    pub fn active_sessions(&self) -> u64 {
        self.core().active().count_by_tenant().map(|(_, sessions)| sessions).sum()
    }

    /// Ends every active session and gives each delivery that is owed one attempt, within the budget.
    ///
    /// It begins when it is called and goes on even if the future is dropped. A second drain finds nothing to do; it
    /// waits for the first one and reports nothing. At the end of the budget what is left is cut and stays owed.
    pub fn drain(&self, reason: DrainReason) -> impl Future<Output = DrainReport> + Send + 'static + use<> {
        self.drain_since(reason, now())
    }

    /// Drains as [`drain`](Self::drain) does, with a budget that began earlier, when whoever ends the program said so: a signal counts
    /// from when it was seen, and not from when everything else had come to its end.
    pub fn drain_since(
        &self,
        reason: DrainReason,
        began: Instant,
    ) -> impl Future<Output = DrainReport> + Send + 'static + use<> {
        // The workers have to stay until the drain is over, whoever drops the runtime meanwhile.
        let owner = self.owner.clone();
        let task = RunningDrain::begin(&owner.core, reason, began).map(|drain| {
            let owner = owner.clone();
            owner.core.handle().clone().spawn(async move {
                let report = drain.finish().await;
                drop(owner);
                report
            })
        });
        async move {
            let mut nothing = DrainReport::empty(reason, owner.core.budget());
            match task {
                Some(task) => task.await.unwrap_or_else(|error| {
                    let message = format!("the drain did not come to its end: {error}");
                    nothing.warnings.push(DrainWarning::new("internal", message));
                    nothing
                }),
                None => {
                    let mut phase = owner.core.dispatcher().watch_phase();
                    // The sender lives in `core`, so it cannot be gone.
                    phase.wait_for(|phase| phase.is_over()).await.ok();
                    nothing
                }
            }
        }
    }

    /// Counts of a drain that has not returned; what is not delivered counts as deferred. Never blocks: `None` while the dispatcher is
    /// locked, so ask again.
    #[must_use]
    pub fn drain_so_far(&self, reason: DrainReason, began: Instant) -> Option<DrainReport> {
        drain_so_far(self.core(), reason, began)
    }

    /// Lets no more sessions in and writes down why, without a drain: nobody is called, and everything stays owed.
    pub fn close(&self, reason: DrainReason) -> impl Future<Output = ()> + Send + 'static + use<> {
        let core = self.core().clone();
        if core.in_flight().close().is_some() {
            drop(core.journal().append_decided(vec![JournalOp::Draining { reason, at: Timestamp::now() }]));
            core.dispatcher().stop();
        }
        async move {
            // What owners have said before is written down as they have said it.
            core.in_flight().settled().await;
            if let Err(error) = core.journal().flush().await {
                tracing::error!(%error, "the journal could not be written at the end");
            }
            core.journal().leave();
        }
    }

    /// Stops without a drain, and ends no session: no plugin is called any more, and what is active or owed is so for the next start on
    /// this journal. Once a drain has begun it only waits for the journal.
    ///
    /// # Errors
    /// When what was accepted cannot be written down now.
    pub fn detach(&self) -> impl Future<Output = Result<(), JournalError>> + Send + 'static + use<> {
        let core = self.core().clone();
        let is_first = core.in_flight().close().is_some();
        if is_first {
            core.dispatcher().stop();
        }
        async move {
            core.in_flight().settled().await;
            let flushed = core.journal().flush().await;
            if is_first {
                core.journal().leave();
            }
            flushed
        }
    }

    /// Resolves when the runtime cannot serve its sessions any more: a worker has panicked outside a guest's call, which is a defect
    /// of this library. What it had under way would wait for ever, though it is in the journal. The embedder decides: it may
    /// [`detach`](Self::detach) and leave, so that the next start delivers what is owed.
    ///
    /// A guest that panics, and an observer that does, are no such failure.
    pub fn failed(&self) -> impl Future<Output = ()> + Send + 'static + use<> {
        let mut failed = self.core().watch_failure();
        async move {
            if failed.wait_for(|failed| *failed).await.is_err() {
                // The runtime is gone, and has not failed.
                std::future::pending::<()>().await;
            }
        }
    }

    /// Whether [`failed`](Self::failed) has resolved, or would.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        *self.core().watch_failure().borrow()
    }

    /// Resolves when what the start has decided, and all that was said since, is on record: a crash after it forgets none of
    /// it, and owners that a grace was promised have it again.
    ///
    /// # Errors
    /// When the journal cannot be written now. What the start has decided is written when it can be.
    pub fn recorded(&self) -> impl Future<Output = Result<(), JournalError>> + Send + 'static + use<> {
        self.core().journal().flush()
    }

    /// Resolves when no delivery is ready or under way. One that waits for its retry does not count.
    pub async fn settled(&self) {
        self.core().dispatcher().quiet().await;
    }

    /// `session-end` deliveries that are owed, or were given up in this run, and those that active sessions will owe: what a
    /// memory journal loses, and another keeps, when the process ends now.
    #[must_use]
    pub fn undelivered_ends(&self) -> u64 {
        self.core().undelivered_ends()
    }

    /// Whether what is owed outlives the process.
    #[must_use]
    pub fn durability(&self) -> Durability {
        self.core().journal().durability()
    }

    /// The random part of this journal's delivery ids.
    #[must_use]
    pub fn journal_name(&self) -> JournalName {
        self.core().journal_name()
    }

    /// The installed plugins, in the order in which they were added.
    pub fn plugins(&self) -> impl Iterator<Item = &Plugin> {
        self.core().dispatcher().installed().plugins()
    }

    /// What this start found in the journal.
    #[must_use]
    pub fn recovered(&self) -> RecoveredCounts {
        self.owner.recovered
    }

    /// What is still held of permits, slots and the like, by name: nothing, when no request and no delivery is under way and
    /// nothing is owed to anyone in this run.
    #[cfg(shuttle)]
    #[must_use]
    pub fn held_resources(&self) -> std::collections::BTreeMap<&'static str, u64> {
        let core = self.core();
        let mut held = crate::dispatch::held_by(core.dispatcher());
        held.extend(core.active().held());
        held.insert("turns in a session's order", core.order().held());
        held.retain(|_, count| *count > 0);
        held
    }
}
