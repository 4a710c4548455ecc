//! The runtime's handle.

use std::future::Future;
use std::num::NonZeroU32;
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
        let work = intake::start(self.core().clone(), request);
        RequestFuture::begin(self.core(), turn, Some(ticket), observed, work)
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
        let work = intake::update(self.core().clone(), session);
        RequestFuture::begin(self.core(), turn, Some(ticket), observed, work)
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
        let work = intake::end(self.core().clone(), end, dropped);
        RequestFuture::begin(self.core(), turn, ticket, observed, work)
    }

    /// Whether this end was told before and is on record: its `op_id` is known for the session, or it would be a duplicate of an end of the
    /// last 10 s, as [`end_session`](Self::end_session) has it. Nothing is changed.
    ///
    /// This is for a program with several runtimes beside each other, each with a journal of its own: an end that is sent again has to go
    /// to the one that has it, so that it gets no second delivery id. An end that is under way is not on record yet: hand those that
    /// follow it to the same runtime.
    pub fn knows_end(&self, request: &EndRequest) -> impl Future<Output = bool> + Send + 'static + use<> {
        let (core, mut request) = (self.core().clone(), request.clone());
        async move {
            if request.fit().is_err() {
                return false;
            }
            let end = ReceivedEnd::new(request, core.time());
            intake::knows_end(&core, &end).await
        }
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
        let work = intake::compaction(self.core().clone(), request);
        RequestFuture::begin(self.core(), turn, Some(ticket), observed, work)
    }

    /// Records that one session ended and another began, or that the same id began anew: both are accepted and recorded, or neither is. The
    /// two requests have one `op_id`: give it to one of them, or the same to both. It names both parts, so a replacement that is sent again
    /// with it changes nothing.
    ///
    /// # Errors
    /// Bad fields, a quota, a drain that has begun, a journal that cannot be written, or an `op_id` that one of the two parts has had
    /// before and the other has not ([`JournalErrorKind::OpConflict`](crate::JournalErrorKind::OpConflict)). Nothing is changed then, and
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
        // A drain does not take over the end alone: then the end would be recorded, and the start would not.
        let (turn, other) = self.core().order().join_both(&end.session.identity, &start.session.identity);
        let end = Arc::new(ReceivedEnd::new(end, self.core().time()));
        let core = self.core().clone();
        let work = async move {
            let mut other = other;
            if let Some(other) = &mut other {
                other.comes().await;
            }
            intake::replace(core, end, dropped, start).await
        };
        RequestFuture::begin(self.core(), turn, Some(ticket), observed, work)
    }

    /// Installs a further plugin, while ends arrive. The plugin serves events that are accepted from now on. Deliveries that are orphaned
    /// under its name, for the tenants that it serves, are made as after a restart: in their order, before anything newer, and with no
    /// attempt counted. They are read from the journal a page at a time, and no other call of the plugin begins meanwhile.
    ///
    /// The plugin is loaded with the sandbox that the runtime was built with. Does not block. Each of the plugin's tenants is looked at if
    /// active sessions may owe it their end already. No event is accepted meanwhile.
    ///
    /// # Errors
    /// A name that a plugin of one of its tenants has already, a scoped plugin for other tenants, or a drain that has begun. Nothing is
    /// changed then.
    pub fn install(&self, plugin: Plugin, tenants: Tenants) -> Result<(), InstallError> {
        plugin_changes::install(self.core(), plugin, tenants)
    }

    /// Replaces an installed plugin by a new version. The plugin that is replaced has the same name, and the same tenant if it is scoped.
    /// Calls that begin from now on are calls of the new version. Calls under way come to their end with the old version, which is
    /// returned. Nothing is lost, no attempt is counted, and the order of a session's deliveries stays. The new version serves the same
    /// tenants.
    ///
    /// If the new version has no hook for an owed event, the event is orphaned when its turn comes. If the new version has a new hook,
    /// deliveries that were orphaned without that hook are made, and are late.
    ///
    /// # Errors
    /// No such plugin, or a drain that has begun. Nothing is changed then.
    pub fn replace(&self, plugin: Plugin) -> Result<Plugin, InstallError> {
        plugin_changes::replace(self.core(), plugin)
    }

    /// Uninstalls a plugin. From this call on no call of the plugin begins, and the plugin is owed no event that is accepted later.
    /// Resolves when its calls under way have ended, and what it was owed is handed to the journal as orphaned or dropped. The ends of
    /// active sessions whose start it was sent are treated alike: with [`Leave::Orphaned`] they are owed to the plugin when the sessions
    /// end, and with [`Leave::Dropped`] they are not.
    ///
    /// The uninstalling is carried out even if the future is dropped. If the runtime is gone before the future resolves, the next start
    /// orphans what is left of the plugin's deliveries. Does not block. Each active session of the plugin's tenants is looked at, and no
    /// event is accepted meanwhile.
    ///
    /// # Errors
    /// No such plugin, or a drain that has begun. Nothing is changed then. With [`Leave::Dropped`] also a journal that cannot be written:
    /// then the plugin is uninstalled all the same.
    pub fn uninstall(
        &self,
        name: &PluginKey,
        owed: Leave,
    ) -> impl Future<Output = Result<Uninstalled, InstallError>> + Send + 'static + use<> {
        plugin_changes::uninstall(self.core(), name, owed)
    }

    /// Changes the quota of a tenant. None stands for the default quota. The new quota counts from the next start, call and write on.
    /// Nothing that the tenant has already is taken away, and deliveries that wait for more go on if the new quota allows them.
    ///
    /// # Errors
    /// A drain that has begun. Nothing is changed then.
    pub fn set_quota(&self, tenant: &str, quota: Option<TenantQuota>) -> Result<(), InstallError> {
        let is_open = self.core().in_flight().is_open() && self.core().dispatcher().set_quota(tenant, quota);
        if is_open { Ok(()) } else { Err(InstallError::Draining) }
    }

    /// Changes how many calls of this runtime can be under way at once: so many from now on, and never more than the sandbox has room for
    /// (`Sandbox::max_concurrent_calls`). [`Builder::slots`] says how many there are at first. Does not block.
    ///
    /// If there are fewer than before, whatever holds a slot keeps it: a call that is under way comes to its end, and one that a worker has
    /// taken already begins. No other call begins until fewer slots are taken than there are now. If there are more, calls that wait for a
    /// slot begin at once. What is computed from the number follows it: the shares of plugins and queues, and what is kept for a drain and
    /// for queues that hold none.
    ///
    /// This is for a program with several runtimes beside each other on one sandbox. To give slots of one runtime to another, lower the
    /// first one's number; then raise the other's as far as the larger one of [`Stats::slots`] and [`Stats::slots_taken`] of the first leaves
    /// room.
    pub fn set_slots(&self, slots: NonZeroU32) {
        let core = self.core();
        core.dispatcher().set_slots(slots.get().min(core.sandbox().max_concurrent_calls()));
    }

    /// Pauses a plugin: no call of it begins until the returned value and all of its clones are dropped. What the plugin is owed waits, and
    /// no attempt is counted. Calls under way go on, and [`Paused::idle`] waits for them. A drain ends the pause. None if there is no such
    /// plugin.
    #[must_use]
    pub fn pause(&self, name: &PluginKey) -> Option<Paused> {
        plugin_changes::pause(self.core(), name)
    }

    /// The active session of this identity. For an identity without a scope it is the session without a scope, or else the newest of the
    /// id.
    #[must_use]
    pub fn session(&self, identity: &Identity) -> Option<Arc<Session>> {
        self.core().lock_active().session(identity).cloned()
    }

    /// At most `limit` active sessions of a tenant, in the order of their starts. 0 counts as 1. `after` is the [`SessionPage::next`] of
    /// the page before, and none for the first page. A session that ends between two pages is not on the later pages, and a session that
    /// starts is on the last page.
    #[must_use]
    pub fn sessions_of(&self, tenant: &str, after: Option<u64>, limit: usize) -> SessionPage {
        let (sessions, next) = self.core().lock_active().sessions_of(tenant, after, limit.clamp(1, MAX_PAGE_ROWS));
        SessionPage { sessions, next }
    }

    /// The next tenant after `after` with an active session, in the order of names. Without `after` it is the first of all. Together with
    /// [`sessions_of`](Self::sessions_of) this lists every session, a page at a time.
    #[must_use]
    pub fn tenant_after(&self, after: Option<&str>) -> Option<Arc<str>> {
        self.core().lock_active().tenant_after(after).cloned()
    }

    /// A page of deliveries that were not made, as they are on record: those that match `filter`, those of the oldest session first.
    /// Everything that observers were told of before is on it, unless the journal cannot be written just now. The ends of active sessions
    /// are not listed.
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

    /// The deliveries among these that were not made, each in its place, as a page of [`deliveries`](Self::deliveries) has them. None
    /// stands for a delivery that was made, or that nobody knows.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn deliveries_named(
        &self,
        ids: Vec<DeliveryId>,
    ) -> impl Future<Output = Result<Vec<Option<DeliveryRow>>, JournalError>> + Send + 'static + use<> {
        operators::named(self.core().clone(), ids)
    }

    /// Makes deliveries again that were given up. They are owed again, with no failures, and their plugins are called as soon as that is on
    /// record. The deliveries say that they are late. The result says what became of each delivery, in the given order. A delivery whose
    /// plugin is not installed is owed to the plugin all the same, as orphaned. If a drain begins meanwhile, the next start makes the
    /// deliveries.
    ///
    /// The change is carried out even if the future is dropped.
    ///
    /// # Errors
    /// A drain that has begun, or a journal that cannot be written. What had been changed by then stays changed.
    pub fn redeliver(
        &self,
        ids: Vec<DeliveryId>,
    ) -> impl Future<Output = Result<Vec<Changed>, Refusal>> + Send + 'static + use<> {
        self.change(|core| operators::change_each(core, DeliveryChange::Redeliver, ids))
    }

    /// Makes all deliveries again that were given up and match `filter`, whatever state the filter names. It does so a few hundred at a
    /// time, as [`redeliver`](Self::redeliver) does. Gives their number.
    ///
    /// # Errors
    /// A drain that has begun, or a journal that cannot be written. What had been changed by then stays changed.
    pub fn redeliver_all(
        &self,
        filter: &DeliveryFilter,
    ) -> impl Future<Output = Result<u64, Refusal>> + Send + 'static + use<> {
        let mut filter = filter.clone();
        filter.state = Some(DeliveryState::Dead);
        self.change(|core| operators::change_all(core, DeliveryChange::Redeliver, filter))
    }

    /// Forgets deliveries that were not made: their plugins will not be called with them any more. A delivery whose call is under way
    /// stays, and is [`Changed::UnderWay`]. The result says what became of each delivery, in the given order.
    ///
    /// The change is carried out even if the future is dropped.
    ///
    /// # Errors
    /// A drain that has begun, or a journal that cannot be written. What had been changed by then stays changed. A delivery that could not
    /// be forgotten on record stays owed, and is made as before. If a drain has begun meanwhile, the next start makes it.
    pub fn forget(
        &self,
        ids: Vec<DeliveryId>,
    ) -> impl Future<Output = Result<Vec<Changed>, Refusal>> + Send + 'static + use<> {
        self.change(|core| operators::change_each(core, DeliveryChange::Forget, ids))
    }

    /// Forgets all deliveries that match `filter`, a few hundred at a time, as [`forget`](Self::forget) does. Gives their number. A filter
    /// with nothing set matches every delivery that was not made.
    ///
    /// # Errors
    /// A drain that has begun, or a journal that cannot be written. What had been changed by then stays changed. A delivery that could not
    /// be forgotten on record stays owed.
    pub fn forget_all(
        &self,
        filter: &DeliveryFilter,
    ) -> impl Future<Output = Result<u64, Refusal>> + Send + 'static + use<> {
        let filter = filter.clone();
        self.change(|core| operators::change_all(core, DeliveryChange::Forget, filter))
    }

    /// Carries out an operator's change. A drain waits a little for it, as for a request.
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

    /// Resolves when a delivery is delivered or dead *on record*, so that a crash does not change that. Resolves at once if the delivery is
    /// dead already, and with [`Settled::NotOwed`] if it was made before this call or nobody knows it. A worker records an outcome before it
    /// tells the observers of it, so they may hear of an older one a moment later. While it waits, it does not keep the runtime alive.
    /// [`Accepted::deliveries`] has the ids.
    ///
    /// # Errors
    /// When the journal cannot be written or read just now, or the runtime is gone.
    pub fn settled_of(
        &self,
        delivery: &DeliveryId,
    ) -> impl Future<Output = Result<Settled, JournalError>> + Send + 'static + use<> {
        operators::settled_of(self.core(), delivery)
    }

    /// Counts of the present sessions and deliveries, for metrics.
    #[must_use]
    pub fn stats(&self) -> Stats {
        operators::stats(self.core())
    }

    /// Writes something that changes nothing, waits until that is on the disk, and says how long that took. An error means that no request
    /// would be accepted now. If the disk hangs this waits for as long as a request does, so give it a timeout.
    ///
    /// # Errors
    /// When the journal cannot be written, for instance because the disk is full.
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
    /// The drain begins when this is called, and goes on even if the future is dropped. At the end of the budget all calls are cut, and
    /// what is left stays owed. There is only one drain: a second call waits for it, and is given its report. After a
    /// [`close`](Self::close) or a [`detach`](Self::detach) there is nothing to drain, and the report says so.
    ///
    /// The runtime accepts ends and writes them down also after the drain. Its workers, and the journal's file, stay for as long as the
    /// runtime. [`shutdown`](Self::shutdown) ends these too.
    pub fn drain(&self, reason: DrainReason) -> impl Future<Output = DrainReport> + Send + 'static + use<> {
        self.drain_since(reason, self.core().time().now())
    }

    /// Drains as [`drain`](Self::drain) does, with a budget that began earlier, at the moment when the program was told to end. So a signal
    /// counts from when it was seen, and not from when everything else has ended. `began` is a moment of the runtime's
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
        // The workers have to stay until the drain is over, even if all handles of the runtime are dropped meanwhile.
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
                    // No other caller is to wait for the drain.
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

    /// Counts of a drain that has not ended. What is not delivered counts as deferred. Never blocks: gives `None` while the dispatcher is
    /// locked, so ask again.
    #[must_use]
    pub fn drain_so_far(&self, reason: DrainReason, began: Instant) -> Option<DrainReport> {
        drain_so_far(self.core(), reason, began)
    }

    /// Drains as [`drain`](Self::drain) does, and then ends the rest of the runtime: everything is written, its threads are gone, and the
    /// journal is free. Another process, or another runtime of this process, can open the same file at once, even if clones of the runtime
    /// or of the journal are left. A journal in memory can be given to the next runtime.
    ///
    /// The shutdown begins when this is called, and goes on even if the future is dropped. Every caller is given the same report, also
    /// after a drain: the drain's report, with the warnings of the shutdown. After a [`detach`](Self::detach) the report says that nothing
    /// was drained.
    ///
    /// The shutdown takes the drain's budget and some milliseconds. If the machine hangs, it waits [`WORKERS_LEAVE_WITHIN`] for workers and
    /// [`JOURNAL_RELEASED_WITHIN`] for the journal, and the report warns of that. Requests that are not answered by then, and later
    /// requests, are refused: starts as [`Refusal::Draining`], and what needs the journal with
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
            // What owners have told before is written down as they have told it.
            core.in_flight().finished().await;
            if let Err(error) = record_clean_end(&core).await {
                tracing::error!(%error, "the journal could not be written at the end");
            }
            core.journal().end_call_marks();
        }
    }

    /// Hands the journal to the next runtime, which finds every active session active and every owed delivery owed. No session is ended,
    /// and no delivery counts an attempt for that. Set [`Builder::attach_grace`] on the next runtime, and start each session again there:
    /// that resumes it.
    ///
    /// No call begins any more. Calls under way have the time of a drain's budget to come to their end. A delivery whose call is cut then
    /// stays owed, and its next attempt has the next number. When the future resolves everything is written, the runtime's threads are
    /// gone, and the journal is free, as after a [`shutdown`](Self::shutdown), with the same bounds.
    ///
    /// The detach begins when this is called, and goes on even if the future is dropped. Once a drain has begun, or the runtime was closed,
    /// it only does what a shutdown does after a drain.
    ///
    /// # Errors
    /// When something that was accepted cannot be written down now. The threads are gone and the journal is free all the same, unless the
    /// disk hangs. The next run counts an attempt for each delivery that is owed.
    pub fn detach(&self) -> impl Future<Output = Result<Detached, JournalError>> + Send + 'static + use<> {
        self.detach_since(self.core().time().now())
    }

    /// Detaches as [`detach`](Self::detach) does, with a budget that began earlier, as [`drain_since`](Self::drain_since) does.
    ///
    /// # Errors
    /// When something that was accepted cannot be written down now, as for [`detach`](Self::detach).
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

    /// Resolves when the runtime cannot serve its sessions any more: a worker has panicked outside a guest's call, which is a defect of
    /// this library. The worker's calls would wait for ever, though their deliveries are in the journal. The embedder decides what to do:
    /// it may [`detach`](Self::detach) and leave, so that the next start makes what is owed.
    ///
    /// The panic of a guest, or of an observer, is no such failure.
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

    /// Resolves when everything is on record that the start has decided and owners have told since: a crash after that forgets none of it,
    /// and owners with a grace have the grace again.
    ///
    /// # Errors
    /// When the journal cannot be written now. What the start has decided is written when it can be.
    pub fn recorded(&self) -> impl Future<Output = Result<(), JournalError>> + Send + 'static + use<> {
        self.core().journal().flush()
    }

    /// Resolves when no delivery is ready or under way. A delivery that waits for its retry does not count, unless the retry is due.
    pub async fn settled(&self) {
        self.core().dispatcher().quiet().await;
    }

    /// `session-end` deliveries that are owed, or were given up in this run, and those that active sessions will owe. A memory journal
    /// loses these, and another keeps them, when the process ends now.
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

    /// The installed plugins, in the order of installation.
    #[must_use]
    pub fn plugins(&self) -> Vec<Plugin> {
        self.core().dispatcher().installed().iter().map(|installed| installed.plugin.clone()).collect()
    }

    /// The installed plugins with the tenants that they serve, in the order of installation. A second runtime beside this one, with another
    /// journal and the same sandbox, can be built with them.
    #[must_use]
    pub fn installed(&self) -> Vec<(Plugin, Tenants)> {
        let installed = self.core().dispatcher().installed();
        installed.iter().map(|one| (one.plugin.clone(), one.tenants.clone())).collect()
    }

    /// What this start found in the journal.
    #[must_use]
    pub fn recovered(&self) -> RecoveredCounts {
        self.owner.recovered
    }

    /// Permits, slots and the like that are held, by name. Nothing is held when no request and no delivery is under way and nothing is owed
    /// in this run.
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
