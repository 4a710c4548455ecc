//! The runtime's handle.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lastword_events::{
    DeliveryId, DrainReason, DrainReport, DrainWarning, Hook, Identity, JournalName, PluginKey, Session,
};
use lastword_journal::{
    Changed, DeliveryChange, DeliveryFilter, DeliveryPage, DeliveryRow, DeliveryState, Durability, JournalError,
    JournalOp, MAX_PAGE_ROWS, PageRequest,
};

use crate::builder::Builder;
use crate::core::Core;
use crate::drain::{RunningDrain, drain_so_far};
use crate::duplicate_end_counts::DuplicateEnds;
use crate::install_error::InstallError;
use crate::installed::Leave;
use crate::intake::{self, ObservedRequest, RequestFuture};
use crate::operators::{self, Stats};
use crate::phase::Phase;
use crate::plugin_changes::{self, Paused, Uninstalled};
use crate::quota::TenantQuota;
use crate::recovery::RecoveredCounts;
use crate::request::{Accepted, CompactionRequest, EndRequest, ReceivedEnd, Refusal, StartRequest};
use crate::run_end::{Detached, RunningDetach, record_clean_end, shut_down};
use crate::sandbox::Plugin;
use crate::session_page::SessionPage;
use crate::sync::now;
use crate::tenants::Tenants;
use crate::waiters::Settled;

/// The runtime: the set of active sessions and the deliveries that are owed. Cheap to clone.
///
/// When the last clone is dropped its workers leave, and nobody waits for them: for the journal that is the same as if the process had been
/// killed. End a runtime with [`shutdown`], or with [`detach`] if its sessions go on.
///
/// [`shutdown`]: Self::shutdown
/// [`detach`]: Self::detach
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

    /// Records that a session began, and tells the plugins with a `session-start` hook. The start of a session that is active already is an
    /// *update*: what it says that is newer is kept, and nobody is told.
    ///
    /// The request joins the session's order when this is called, and is carried out even if the future is dropped. The future resolves
    /// when the journal has the request, not when the plugins have been told.
    ///
    /// # Errors
    /// Bad fields, a drain that has begun, or a journal that cannot be written. Nothing is changed then.
    pub fn start_session(
        &self,
        request: StartRequest,
    ) -> impl Future<Output = Result<Accepted, Refusal>> + Send + 'static + use<> {
        let observed = ObservedRequest::new(self.core(), &request.session.identity, Hook::SessionStart);
        if let Err(error) = request.validate() {
            return observed.refuse(error.into());
        }
        let Some(ticket) = self.core().in_flight().enter() else { return observed.refuse(Refusal::Draining) };
        let turn = self.core().order().join(&request.session.identity, None);
        let work = observed.carry_out(intake::start(self.core().clone(), request));
        RequestFuture::begin(self.core(), turn, Some(ticket), work)
    }

    /// Makes more known of an active session: what is newer is kept, and nobody is told. If a dead run left the session, its owner has come
    /// back for it, as after a [start](Self::start_session). Unlike a start this begins no session: the answer is none if no session of
    /// this identity, scope included, and of this generation is active. The generation 0 stands for any.
    ///
    /// This is for a program that acts for an owner without a request of the owner. The end of such a session may be under way already, for
    /// instance because [`Builder::attach_grace`] is over, and a start would begin the session anew behind that end.
    ///
    /// The request joins the session's order when this is called, and is carried out even if the future is dropped.
    ///
    /// # Errors
    /// Bad fields, a drain that has begun, or a journal that cannot be written. Nothing is changed then.
    pub fn update_session(
        &self,
        session: Session,
    ) -> impl Future<Output = Result<Option<Accepted>, Refusal>> + Send + 'static + use<> {
        let observed = ObservedRequest::new(self.core(), &session.identity, Hook::SessionStart);
        if let Err(error) = session.validate() {
            return observed.refuse(error.into());
        }
        let Some(ticket) = self.core().in_flight().enter() else { return observed.refuse(Refusal::Draining) };
        let turn = self.core().order().join(&session.identity, None);
        let work = observed.carry_out(intake::update(self.core().clone(), session));
        RequestFuture::begin(self.core(), turn, Some(ticket), work)
    }

    /// Records that a session ended, and tells every plugin that serves its tenant. An end within 10 s of the last one, with no event
    /// between, is a duplicate: it is acknowledged and not delivered. An end with an `op_id` or with a later `started_at` is a new end. But
    /// the `op_id` does not count if [`may_be_duplicate`](EndRequest::may_be_duplicate) is set. An end is never refused for its size:
    /// fields that do not fit are dropped and named in [`Accepted::dropped`].
    ///
    /// # Errors
    /// An empty or impossible identity, or a journal that cannot be written.
    pub fn end_session(
        &self,
        mut request: EndRequest,
    ) -> impl Future<Output = Result<Accepted, Refusal>> + Send + 'static + use<> {
        let observed = ObservedRequest::new(self.core(), &request.session.identity, Hook::SessionEnd);
        let dropped = match request.fit() {
            Ok(dropped) => dropped,
            Err(error) => return observed.refuse(error.into()),
        };
        let ticket = self.core().in_flight().enter();
        let end = Arc::new(ReceivedEnd::new(request, self.core().time()));
        let turn = self.core().order().join(&end.request.session.identity, Some(end.clone()));
        let work = observed.carry_out(intake::end(self.core().clone(), end, dropped));
        RequestFuture::begin(self.core(), turn, ticket, work)
    }

    /// Reports any other event of a session. A session that has just ended counts as alive again: its next end is not a duplicate. For
    /// other sessions the call does nothing.
    ///
    /// The report joins the order of the session's id when this is called.
    pub fn seen(&self, identity: &Identity) {
        intake::seen(self.core(), identity);
    }

    /// How many duplicate ends there were in this run. They were not delivered again.
    #[must_use]
    pub fn duplicate_ends(&self) -> DuplicateEnds {
        self.core().duplicate_ends().counts()
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
        let observed = ObservedRequest::new(self.core(), &request.session.identity, Hook::SessionCompaction);
        if let Err(error) = request.validate() {
            return observed.refuse(error.into());
        }
        let Some(ticket) = self.core().in_flight().enter() else { return observed.refuse(Refusal::Draining) };
        let turn = self.core().order().join(&request.session.identity, None);
        let work = observed.carry_out(intake::compaction(self.core().clone(), request));
        RequestFuture::begin(self.core(), turn, Some(ticket), work)
    }

    /// Records that one session ended and another began, or the same id began anew: both are accepted and recorded as one, or neither is.
    /// They have one `op_id`: give it to one of the requests, or the same to both. It names both parts, so that the same replacement sent
    /// again does nothing.
    ///
    /// # Errors
    /// Bad fields, a quota, a drain that has begun, a journal that cannot be written, or an `op_id` that one of the two parts has had
    /// before and the other not ([`JournalErrorKind::OpConflict`](crate::JournalErrorKind::OpConflict)); nothing is changed then, and
    /// the first session goes on.
    pub fn replace_session(
        &self,
        mut end: EndRequest,
        mut start: StartRequest,
    ) -> impl Future<Output = Result<(Accepted, Accepted), Refusal>> + Send + 'static + use<> {
        let events = [(&end.session.identity, Hook::SessionEnd), (&start.session.identity, Hook::SessionStart)];
        let observed = ObservedRequest::of_each(self.core(), events);
        let checked = start.share_op_id(&mut end).and_then(|()| start.validate()).and_then(|()| end.fit());
        let dropped = match checked {
            Ok(dropped) => dropped,
            Err(error) => return observed.refuse(error.into()),
        };
        let Some(ticket) = self.core().in_flight().enter() else { return observed.refuse(Refusal::Draining) };
        // A drain does not take the end over by itself: it would be done, and the start would not.
        let (turn, other) = self.core().order().join_both(&end.session.identity, &start.session.identity);
        let end = Arc::new(ReceivedEnd::new(end, self.core().time()));
        let core = self.core().clone();
        let work = observed.carry_out(async move {
            let mut other = other;
            if let Some(other) = &mut other {
                other.comes().await;
            }
            intake::replace(core, end, dropped, start).await
        });
        RequestFuture::begin(self.core(), turn, Some(ticket), work)
    }

    /// Installs a further plugin, while ends arrive. It serves events that are accepted from now on, and is called with what is orphaned under
    /// its name for the tenants that it serves, as after a restart: in its order, before anything newer, and with no attempt counted. That
    /// is read from the journal a page at a time, and nothing else of the plugin begins meanwhile.
    ///
    /// The plugin is loaded with the sandbox that the runtime was built with. Does not block. Where active sessions may owe the plugin their
    /// end already, each one of its tenants is looked at, and no event is accepted meanwhile.
    ///
    /// # Errors
    /// A name that one of its tenants has a plugin of already, a scoped plugin for other tenants, or a drain that has begun; nothing is
    /// changed then.
    pub fn install(&self, plugin: Plugin, tenants: Tenants) -> Result<(), InstallError> {
        plugin_changes::install(self.core(), plugin, tenants)
    }

    /// Puts a new version in the place of an installed plugin: that which has its name, and its tenant if it is scoped. Calls that begin
    /// from now on are of the new one. Calls under way come to their end with the old one, which is returned. Nothing is lost, no attempt
    /// is counted, and the order of a session's deliveries stays. It serves the same tenants.
    ///
    /// An event that is owed, and for which the new version has no hook, is orphaned when its turn comes. For a hook that is new it is called
    /// with what was orphaned for want of it, which then is late.
    ///
    /// # Errors
    /// No such plugin, or a drain that has begun; nothing is changed then.
    pub fn replace(&self, plugin: Plugin) -> Result<Plugin, InstallError> {
        plugin_changes::replace(self.core(), plugin)
    }

    /// Uninstalls a plugin. No call of it begins any more, from when this is called, and it is owed no event that is accepted later. Resolves
    /// when its calls under way are over and what it was owed is handed to the journal as orphaned, or dropped. So are the ends of
    /// active sessions that it was sent the start of: with [`Leave::Orphaned`] they are owed to it when the sessions end, and with
    /// [`Leave::Dropped`] they are not.
    ///
    /// It is carried out even if the future is dropped. If the runtime is gone before it resolves, what is left of the plugin is orphaned at
    /// the next start. Does not block. Each active session of the plugin's tenants is looked at, and no event is accepted meanwhile.
    ///
    /// # Errors
    /// No such plugin, or a drain that has begun; nothing is changed then. With [`Leave::Dropped`] also a journal that cannot be written: the
    /// plugin is uninstalled all the same.
    pub fn uninstall(
        &self,
        name: &PluginKey,
        owed: Leave,
    ) -> impl Future<Output = Result<Uninstalled, InstallError>> + Send + 'static + use<> {
        plugin_changes::uninstall(self.core(), name, owed)
    }

    /// Changes what a tenant may use; none: what every tenant may that has no quota of its own. It counts from the next start, call and
    /// write on. Nothing that is there already is taken away, and what waits for more goes on if it has it now.
    ///
    /// # Errors
    /// A drain that has begun; nothing is changed then.
    pub fn set_quota(&self, tenant: &str, quota: Option<TenantQuota>) -> Result<(), InstallError> {
        let is_open = self.core().in_flight().is_open() && self.core().dispatcher().set_quota(tenant, quota);
        if is_open { Ok(()) } else { Err(InstallError::Draining) }
    }

    /// Holds a plugin back: no call of it begins until what is returned, and all of its clones, are dropped. What it is owed waits, and no
    /// attempt is counted. Calls under way go on; [`Paused::idle`] waits for them. A drain ends the pause. None when there is no such
    /// plugin.
    #[must_use]
    pub fn pause(&self, name: &PluginKey) -> Option<Paused> {
        plugin_changes::pause(self.core(), name)
    }

    /// The active session of this identity. Without a scope it is the newest of its id, if none is without one.
    #[must_use]
    pub fn session(&self, identity: &Identity) -> Option<Arc<Session>> {
        self.core().lock_active().session(identity).cloned()
    }

    /// At most `limit` active sessions of a tenant, in the order of their starts; 0 counts as 1. `after` is [`SessionPage::next`] of
    /// the page before; none for the first. A session that ends between two pages is on none of the later ones, and one that starts is
    /// on the last.
    #[must_use]
    pub fn sessions_of(&self, tenant: &str, after: Option<u64>, limit: usize) -> SessionPage {
        let (sessions, next) = self.core().lock_active().sessions_of(tenant, after, limit.clamp(1, MAX_PAGE_ROWS));
        SessionPage { sessions, next }
    }

    /// The first tenant after this one that has an active session, in the order of their names; without one the first of all. With
    /// [`sessions_of`](Self::sessions_of) it lists every session, a page at a time.
    #[must_use]
    pub fn tenant_after(&self, after: Option<&str>) -> Option<Arc<str>> {
        self.core().lock_active().tenant_after(after).cloned()
    }

    /// Deliveries that were not made, as they are on record: a page of those that `filter` lets through, oldest session first. Whatever
    /// was told of before is on it, unless the journal cannot be written just now. It says nothing of the ends of active sessions.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn deliveries(
        &self,
        filter: &DeliveryFilter,
        page: &PageRequest,
    ) -> impl Future<Output = Result<DeliveryPage, JournalError>> + Send + 'static + use<> {
        operators::deliveries(self.core().clone(), filter.clone(), page.clone())
    }

    /// The deliveries of these that were not made, each in its place, as a page of [`deliveries`](Self::deliveries) has them; none for one that
    /// was made, or that nobody knows.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn deliveries_named(
        &self,
        ids: Vec<DeliveryId>,
    ) -> impl Future<Output = Result<Vec<Option<DeliveryRow>>, JournalError>> + Send + 'static + use<> {
        operators::named(self.core().clone(), ids)
    }

    /// Has deliveries made again that were given up: they are owed again, with no failures, and called as soon as that is on record. They
    /// say that they are late. Says of each, in its order, what became of it. One whose plugin is not installed is owed to it all the
    /// same, as orphaned. When a drain begins meanwhile the next start makes them.
    ///
    /// Like a request, it is carried out even if the future is dropped.
    ///
    /// # Errors
    /// A drain that has begun, or a journal that cannot be written: what had been changed by then stays so.
    pub fn redeliver(
        &self,
        ids: Vec<DeliveryId>,
    ) -> impl Future<Output = Result<Vec<Changed>, Refusal>> + Send + 'static + use<> {
        self.change(|core| operators::change_each(core, DeliveryChange::Redeliver, ids))
    }

    /// Has all deliveries made again that were given up and that `filter` lets through, whatever state it names, as
    /// [`redeliver`](Self::redeliver) does: some hundred at a time. Says how many they were.
    ///
    /// # Errors
    /// As for [`redeliver`](Self::redeliver).
    pub fn redeliver_all(
        &self,
        filter: &DeliveryFilter,
    ) -> impl Future<Output = Result<u64, Refusal>> + Send + 'static + use<> {
        let mut filter = filter.clone();
        filter.state = Some(DeliveryState::Dead);
        self.change(|core| operators::change_all(core, DeliveryChange::Redeliver, filter))
    }

    /// Forgets deliveries that were not made: their plugins will not be called with them any more. One that a plugin is being called with
    /// stays, and is [`Changed::UnderWay`]. Says of each, in its order, what became of it.
    ///
    /// Like a request, it is carried out even if the future is dropped.
    ///
    /// # Errors
    /// As for [`redeliver`](Self::redeliver). What could not be written down stays owed, and is made as before; if a drain has begun
    /// meanwhile, after the next start.
    pub fn forget(
        &self,
        ids: Vec<DeliveryId>,
    ) -> impl Future<Output = Result<Vec<Changed>, Refusal>> + Send + 'static + use<> {
        self.change(|core| operators::change_each(core, DeliveryChange::Forget, ids))
    }

    /// Forgets all deliveries that `filter` lets through, as [`forget`](Self::forget) does: some hundred at a time. Says how many they
    /// were. With nothing set in the filter that is everything that was not made.
    ///
    /// # Errors
    /// As for [`forget`](Self::forget).
    pub fn forget_all(
        &self,
        filter: &DeliveryFilter,
    ) -> impl Future<Output = Result<u64, Refusal>> + Send + 'static + use<> {
        let filter = filter.clone();
        self.change(|core| operators::change_all(core, DeliveryChange::Forget, filter))
    }

    /// Carries out what an operator wants changed. A drain waits a little for it, as for a request.
    fn change<T, F>(&self, work: impl FnOnce(Arc<Core>) -> F) -> RequestFuture<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Refusal>> + Send + 'static,
    {
        let Some(ticket) = self.core().in_flight().enter() else { return RequestFuture::refused(Refusal::Draining) };
        let work = work(self.core().clone());
        RequestFuture::carry_out(self.core(), async move {
            let answer = work.await;
            drop(ticket);
            answer
        })
    }

    /// Resolves when a delivery is delivered or dead *on record*, so that a crash changes nothing of it; at once for one that is dead, and
    /// with [`Settled::NotOwed`] for one that was made before this was called or that nobody knows. It keeps nothing of the runtime
    /// while it waits. [`Accepted::deliveries`] has the ids.
    ///
    /// # Errors
    /// When the journal cannot be written or read just now, or the runtime is gone.
    pub fn settled_of(
        &self,
        delivery: &DeliveryId,
    ) -> impl Future<Output = Result<Settled, JournalError>> + Send + 'static + use<> {
        operators::settled_of(self.core(), delivery)
    }

    /// What there is of sessions and deliveries now, for metrics.
    #[must_use]
    pub fn stats(&self) -> Stats {
        operators::stats(self.core())
    }

    /// Writes something that changes nothing, waits until it is on the disk, and says how long that took. So an error means that
    /// nothing would be accepted now. It waits as a request does: for as long as the disk hangs, so give it a timeout.
    ///
    /// # Errors
    /// When the journal cannot be written, because the disk is full for instance.
    pub fn probe(&self) -> impl Future<Output = Result<Duration, JournalError>> + Send + 'static + use<> {
        let (began, written) = (now(), self.core().journal().probe());
        async move {
            written.await?;
            Ok(now().saturating_duration_since(began))
        }
    }

    /// The active sessions, in the order of their starts: a snapshot.
    #[must_use]
    pub fn sessions(&self) -> Vec<Arc<Session>> {
        self.core().lock_active().list()
    }

    /// How many sessions are active.
    #[must_use]
    pub fn active_sessions(&self) -> u64 {
        self.core().operators().sessions()
    }

    /// Ends every active session and gives each delivery that is owed one attempt, within the budget.
    ///
    /// It begins when it is called and goes on even if the future is dropped. At the end of the budget what is left is cut and stays
    /// owed. There is one drain: whoever asks for a second waits for it, and is given its report. After a [`close`](Self::close) or a
    /// [`detach`](Self::detach) there is nothing to drain, and the report says so.
    ///
    /// Ends are taken and written down also after it. Its workers, and the journal's file, stay for as long as the runtime:
    /// [`shutdown`](Self::shutdown) ends these too.
    pub fn drain(&self, reason: DrainReason) -> impl Future<Output = DrainReport> + Send + 'static + use<> {
        self.drain_since(reason, self.core().time().now())
    }

    /// Drains as [`drain`](Self::drain) does, with a budget that began earlier, when whoever ends the program said so: a signal counts
    /// from when it was seen, and not from when everything else had come to its end. `began` is a moment of the runtime's
    /// [clock](Builder::clock).
    pub fn drain_since(
        &self,
        reason: DrainReason,
        began: Instant,
    ) -> impl Future<Output = DrainReport> + Send + 'static + use<> {
        let drained = self.drained(reason, began);
        async move { Arc::unwrap_or_clone(drained.await) }
    }

    /// Drains, or waits for the drain that has begun. Gives the drain's report.
    fn drained(
        &self,
        reason: DrainReason,
        began: Instant,
    ) -> impl Future<Output = Arc<DrainReport>> + Send + 'static + use<> {
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
            let core = &owner.core;
            let mut nothing = DrainReport::empty(reason, core.budget());
            match task {
                Some(task) => task.await.unwrap_or_else(|error| {
                    let message = format!("the drain did not come to its end: {error}");
                    nothing.warnings.push(DrainWarning::new("internal", message));
                    // Nobody else is to wait for it.
                    let report = core.run_end().drained(nothing);
                    core.dispatcher().end_drain();
                    report
                }),
                None => {
                    let mut phase = core.dispatcher().watch_phase();
                    // The sender lives in `core`, so it cannot be gone.
                    phase.wait_for(|phase| phase.is_over()).await.ok();
                    core.run_end().drain_report().unwrap_or_else(|| Arc::new(nothing))
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

    /// Drains as [`drain`](Self::drain) does, and then ends all that is left of the runtime: everything is written, its threads are gone,
    /// and the journal is free. Another process, or another runtime of this one, can open the same file at once, whoever still holds
    /// clones of the runtime or of the journal. A journal in memory can be given to the next runtime.
    ///
    /// It begins when it is called and goes on even if the future is dropped. Everybody who asks for it is given the same report, also
    /// after a drain: the drain's, with what was to be said of the end. After a [`detach`](Self::detach) it says that nothing was
    /// drained.
    ///
    /// It takes the drain's budget and some milliseconds. Where the machine hangs it waits [`WORKERS_LEAVE_WITHIN`] for workers and
    /// [`JOURNAL_RELEASED_WITHIN`] for the journal, and warns of it in the report. What was asked of the runtime and is not answered by
    /// then, and what is asked later, is refused: starts as [`Refusal::Draining`], and what needs the journal with
    /// [`JournalErrorKind::Closed`](crate::JournalErrorKind::Closed).
    ///
    /// [`WORKERS_LEAVE_WITHIN`]: crate::limits::WORKERS_LEAVE_WITHIN
    /// [`JOURNAL_RELEASED_WITHIN`]: crate::limits::JOURNAL_RELEASED_WITHIN
    pub fn shutdown(&self, reason: DrainReason) -> impl Future<Output = Arc<DrainReport>> + Send + 'static + use<> {
        let (owner, budget) = (self.owner.clone(), self.core().budget());
        let drained = self.drained(reason, self.core().time().now());
        let task = self.core().handle().spawn(async move {
            let report = shut_down(&owner.core, drained).await;
            drop(owner);
            report
        });
        async move {
            task.await.unwrap_or_else(|error| {
                let mut nothing = DrainReport::empty(reason, budget);
                let message = format!("the shutdown did not come to its end: {error}");
                nothing.warnings.push(DrainWarning::new("internal", message));
                Arc::new(nothing)
            })
        }
    }

    /// Lets no more sessions in and writes down why, without a drain: nobody is called, and everything stays owed.
    pub fn close(&self, reason: DrainReason) -> impl Future<Output = ()> + Send + 'static + use<> {
        let core = self.core().clone();
        if core.in_flight().close().is_some() {
            drop(core.journal().append_decided(vec![JournalOp::Draining { reason, at: core.time().timestamp() }]));
            core.dispatcher().stop();
        }
        async move {
            // What owners have said before is written down as they have said it.
            core.in_flight().finished().await;
            if let Err(error) = record_clean_end(&core).await {
                tracing::error!(%error, "the journal could not be written at the end");
            }
            core.journal().end_call_marks();
        }
    }

    /// Hands the journal over to the next runtime on it, which finds every active session active and what is owed owed: no session is
    /// ended, and no delivery counts an attempt for it. Set [`Builder::attach_grace`] there, and start each session again: that resumes
    /// it.
    ///
    /// No call begins any more. Calls that are under way have the time of a drain's budget to come to their end. What is cut then stays
    /// owed, and its next attempt has the next number. When it resolves everything is written, the runtime's threads are gone, and the
    /// journal is free, as after a [`shutdown`](Self::shutdown), with the same bounds.
    ///
    /// It begins when it is called and goes on even if the future is dropped. Once a drain has begun, or the runtime was closed, it only
    /// does what a shutdown does after that.
    ///
    /// # Errors
    /// When something that was accepted cannot be written down now. The threads are gone and the journal is free all the same, unless the
    /// disk hangs; and the next run counts an attempt for each delivery that is owed.
    pub fn detach(&self) -> impl Future<Output = Result<Detached, JournalError>> + Send + 'static + use<> {
        self.detach_since(self.core().time().now())
    }

    /// Detaches as [`detach`](Self::detach) does, with a budget that began earlier, as that of [`drain_since`](Self::drain_since) may.
    ///
    /// # Errors
    /// As [`detach`](Self::detach).
    pub fn detach_since(
        &self,
        began: Instant,
    ) -> impl Future<Output = Result<Detached, JournalError>> + Send + 'static + use<> {
        let (owner, detach) = (self.owner.clone(), RunningDetach::begin(self.core(), began));
        let task = self.core().handle().spawn(async move {
            let detached = detach.finish().await;
            drop(owner);
            detached
        });
        async move { task.await.unwrap_or(Err(JournalError::Closed)) }
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

    /// Whether the runtime is on its way to its end: it drains, or detaches, or has done so.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        *self.core().dispatcher().watch_phase().borrow() > Phase::Serving
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

    /// Resolves when no delivery is ready or under way. One that waits for its retry does not count, unless it is due.
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

    /// The plugins that are installed now, in the order in which they were.
    #[must_use]
    pub fn plugins(&self) -> Vec<Plugin> {
        self.core().dispatcher().installed().iter().map(|installed| installed.plugin.clone()).collect()
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
        held.extend(core.lock_active().held());
        held.insert("turns in a session's order", core.order().held());
        held.insert("who waits for a delivery", core.operators().waiters().held());
        held.retain(|_, count| *count > 0);
        held
    }
}
