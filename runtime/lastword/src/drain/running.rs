//! The steps of a drain, from the first to the last.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use lastword_events::{DrainReason, DrainReport, DrainWarning};
use lastword_journal::JournalOp;

use super::report::Reporter;
use super::schedule::Schedule;
use super::snapshot::take_snapshot;
use crate::core::Core;
use crate::dispatch::ClosedAccount;
use crate::installed::InstalledPlugins;
use crate::run_end::record_clean_end;

/// A drain that has begun.
pub(crate) struct RunningDrain {
    core: Arc<Core>,
    schedule: Schedule,
    has_snapshot: bool,
}

impl RunningDrain {
    /// Lets no more requests in. Takes the snapshot, unless requests are under way. None if a drain had begun before, or the runtime was
    /// closed.
    pub(crate) fn begin(core: &Arc<Core>, reason: DrainReason, began: Instant) -> Option<Self> {
        let requests_under_way = core.in_flight().close()?;
        let now = core.time().now();
        let schedule = Schedule::new(reason, began.min(now), (now, core.time().timestamp()), core.budget());
        let at = schedule.at;
        // Everything that the drain writes comes after this record. Nobody has to wait for the record.
        drop(core.journal().append_decided(vec![JournalOp::Draining { reason, at }]));
        let mut drain = Self { core: core.clone(), schedule, has_snapshot: false };
        if !requests_under_way {
            drain.take_snapshot();
        }
        Some(drain)
    }

    fn take_snapshot(&mut self) {
        take_snapshot(&self.core, &self.schedule);
        self.has_snapshot = true;
    }

    /// Waits for the work, cuts it at the end of the budget, and gives the account.
    pub(crate) async fn finish(mut self) -> Arc<DrainReport> {
        if !self.has_snapshot {
            // A disk that takes longer than this does not hold up the drain: a session that is written down later is added to the drain.
            self.core.time().timeout_at(self.schedule.snapshot_by, self.core.in_flight().finished()).await;
            self.take_snapshot();
        }
        self.work().await;
        let dispatcher = self.core.dispatcher();
        let installed = dispatcher.installed();
        let mut account = dispatcher.close_account();
        // In a drain the set of plugins does not change, except that an uninstalling may end.
        let reporter = Reporter { installed: &installed };
        let mut report = reporter.make(self.schedule.reason, self.core.budget(), &mut account);
        self.flush(&mut report).await;
        report.unreported = self.notify_of_deferrals(&installed, &mut account);
        dispatcher.keep_deferred(account.deferred);
        self.core.journal().end_call_marks();
        report.elapsed = self.core.time().now().saturating_duration_since(self.schedule.began);
        let report = self.core.run_end().drained(report);
        dispatcher.end_drain();
        // There may be thousands: who waits for the drain's end does not wait for that.
        self.core.sandbox().close_idle_connections();
        report
    }

    /// Waits until everything has had its attempt, or the budget ends.
    async fn work(&self) {
        let dispatcher = self.core.dispatcher();
        let work = async {
            self.core.in_flight().finished().await;
            dispatcher.quiet().await;
        };
        let time = self.core.time();
        if time.timeout_at(self.schedule.cut_at, work).await.is_none() {
            dispatcher.cut();
            // A worker that is stuck in a host call must not make the drain longer.
            time.timeout_at(self.schedule.close_at, dispatcher.quiet()).await;
        }
    }

    async fn flush(&self, report: &mut DrainReport) {
        let journal = self.core.journal();
        match self.core.time().timeout_at(self.schedule.flush_until, record_clean_end(&self.core)).await {
            Some(Ok(())) => (),
            Some(Err(error)) => report.warnings.push(DrainWarning::new("journal", error.to_string())),
            None => {
                let message = "the last outcomes were not written in time; their deliveries will be made again";
                report.warnings.push(DrainWarning::new("journal", message.to_owned()));
            }
        }
        let set_aside = journal.set_aside();
        if set_aside > 0 {
            let message = format!(
                "{set_aside} things could not be recorded and were set aside: what is owed of them goes out after the next start; \
                 the log has them, and so has `lastword journal check`"
            );
            report.warnings.push(DrainWarning::new("journal", message));
        }
    }

    /// Notifies the observer of the deliveries without an attempt, as long as there is time. Gives how many ends the observer was not
    /// notified of.
    fn notify_of_deferrals(&self, installed: &InstalledPlugins, account: &mut ClosedAccount) -> u64 {
        let until = self.schedule.notify_until;
        let mut unnotified = account.held;
        for deferred in &mut account.deferred {
            let Some(plugin) = installed.get(deferred.plugin) else { continue };
            while self.core.time().now() < until
                && let Some(delivery) = deferred.unstarted.next()
            {
                account.notified.fetch_add(u64::from(delivery.is_end()), Ordering::Relaxed);
                self.core.publisher().deferred(plugin.called(), &delivery, deferred.why, true);
            }
            unnotified += deferred.unstarted.ends();
        }
        unnotified
    }
}

/// The counts of a drain so far, for whoever cannot wait for its report. None if somebody has the dispatcher's lock.
pub(crate) fn drain_so_far(core: &Core, reason: DrainReason, began: Instant) -> Option<DrainReport> {
    let so_far = core.dispatcher().progress()?;
    let mut report = DrainReport::empty(reason, core.budget());
    report.elapsed = core.time().now().saturating_duration_since(began);
    (report.sessions, report.delivered, report.failed) = (so_far.sessions, so_far.delivered, so_far.failed);
    (report.deferred, report.unreported, report.timed_out) = (so_far.deferred, so_far.unnotified, true);
    Some(report)
}
