//! Ending every active session at shutdown, within the budget.

use std::sync::Arc;
use std::time::{Duration, Instant};

use lastword_events::{
    DRAIN_WARNING, DrainReason, DrainReport, DrainWarning, EventKey, PluginDrain, Session, Timestamp,
};
use lastword_journal::{OwedDelivery, Write};

use crate::active::{Active, ActiveSet, Ending};
use crate::dispatch::{Closed, Drain, Waiting};
use crate::inner::Inner;
use crate::intake::OwnEnd;
use crate::limits::{MAX_DRAIN_RESERVE, MAX_ENTRY_WAIT, MAX_WARNINGS};
use crate::owed::Owed;
use crate::recovery::Records;
use crate::sync::{now, timeout_at};

/// The moments of one drain.
#[derive(Clone, Copy)]
pub(crate) struct Schedule {
    reason: DrainReason,
    began: Instant,
    /// The same as everybody's clock has it: when the sessions ended.
    at: Timestamp,
    /// Requests that are not carried out by now are not waited for.
    snapshot_by: Instant,
    /// No guest runs after this.
    cut_at: Instant,
    /// Workers that have not brought back their calls by now are not waited for.
    close_at: Instant,
    /// The journal's last commit is not waited for after this.
    flush_until: Instant,
    /// Nothing is reported after this.
    leave_at: Instant,
    /// How many the snapshot found; none before it.
    sessions: Option<u64>,
}

impl Schedule {
    fn new(reason: DrainReason, began: Instant, budget: Duration) -> Self {
        let reserve = MAX_DRAIN_RESERVE.min(budget / 4);
        let leave_at = began + budget;
        Self {
            reason,
            began,
            at: Timestamp::now(),
            snapshot_by: began + MAX_ENTRY_WAIT.min(budget / 8),
            cut_at: leave_at - reserve,
            close_at: leave_at - reserve / 3 * 2,
            flush_until: leave_at - reserve / 3,
            leave_at,
            sessions: None,
        }
    }
}

impl Inner {
    /// Lets no more in, and takes the snapshot unless requests are under way. None when a drain has begun, or the runtime was
    /// closed, before.
    pub(crate) fn begin_drain(&self, reason: DrainReason) -> Option<Schedule> {
        let requests_under_way = self.in_flight.close()?;
        let mut schedule = Schedule::new(reason, now(), self.budget);
        let at = schedule.at;
        // Everything that the drain writes comes after this; nobody has to wait for it.
        drop(self.journal.record(vec![Write::Draining { reason, at }]));
        if !requests_under_way {
            self.take_snapshot(&mut schedule);
        }
        Some(schedule)
    }

    fn take_snapshot(&self, schedule: &mut Schedule) {
        let mut set = self.set.lock();
        let taken = set.take_all(self.places.ends());
        // Handed over before anyone is called: no outcome is on record before the end that it is of.
        let mut records = Records::of(self);
        let left: Vec<OwedDelivery> =
            taken.unattached.iter().flat_map(|left| self.record_end_left_at_drain(left, &mut records)).collect();
        let own: Vec<Owed> = taken.ending.iter().filter_map(|active| self.take_over(active, &mut records)).collect();
        drop(records);
        let sessions = taken.active;
        let count: u64 = sessions.values().map(|s| u64::try_from(s.len()).unwrap_or(u64::MAX)).sum();
        schedule.sessions = Some(count);
        self.dispatcher.begin_drain(Drain::new(schedule.reason, schedule.at, schedule.cut_at), sessions);
        own.iter().for_each(|end| self.dispatcher.owe_each(end));
        let mut records = Records::of(self);
        left.iter().for_each(|end| self.owe_again(end, &mut records));
        drop(records);
        // Not before: what is given up from now on is in the drain's account.
        self.draining.send_replace(true);
    }

    /// The end of a session for which somebody has asked, and which the drain has found first. Its reason is its own,
    /// whenever the disk comes to it.
    fn take_over(&self, active: &Active, records: &mut Records<'_>) -> Option<Owed> {
        let (session, event) = match active.ending.as_deref()? {
            Ending::HandedOver { session, event } => (session.clone(), event.clone()),
            Ending::TakenOver(request) => {
                // What does not fit is said when the request has its turn.
                let OwnEnd { session, event, write, .. } = self.own_end(active, request, &mut Vec::new());
                records.push(write);
                (session, event)
            }
        };
        let end = Owed::new(active.sequence, EventKey::End, &session, &event);
        Some(Owed { attempt: active.attempt_of_end(), ..end })
    }

    /// A session was written down after the snapshot. It is ended at once: as its owner has asked already, or by the drain.
    pub(crate) fn end_late(&self, set: &mut ActiveSet, sequence: u64, session: &Arc<Session>) {
        let identity = &session.identity;
        let Some(active) = set.take_over_late(identity, self.places.ends_of(identity)) else {
            return self.dispatcher.owe_end_to_drain(sequence, session);
        };
        let mut records = Records::of(self);
        let end = self.take_over(active, &mut records);
        drop(records);
        end.iter().for_each(|end| self.dispatcher.owe_each(end));
    }

    /// Waits for the work, cuts it at the end of the budget, and gives the account.
    pub(crate) async fn finish_drain(self: Arc<Self>, mut schedule: Schedule) -> DrainReport {
        if schedule.sessions.is_none() {
            // A disk that takes longer than this does not hold up the drain: what is written down later is taken along.
            timeout_at(schedule.snapshot_by, self.in_flight.settled()).await.ok();
            self.take_snapshot(&mut schedule);
        }
        let work = async {
            self.in_flight.settled().await;
            self.dispatcher.quiet().await;
        };
        if timeout_at(schedule.cut_at, work).await.is_err() {
            self.dispatcher.cut();
            // A worker that is stuck in a host call must not make the drain longer.
            timeout_at(schedule.close_at, self.dispatcher.quiet()).await.ok();
        }
        let closed = self.dispatcher.close();
        let mut report = self.report(&schedule, &closed);
        match timeout_at(schedule.flush_until, self.journal.flush()).await {
            Ok(Ok(())) => (),
            Ok(Err(error)) => report.warnings.push(DrainWarning::new("journal", error.to_string())),
            Err(_) => {
                let message = "the last outcomes were not written in time; their deliveries will be made again";
                report.warnings.push(DrainWarning::new("journal", message.to_owned()));
            }
        }
        let set_aside = self.journal.set_aside();
        if set_aside > 0 {
            let message = format!(
                "{set_aside} things could not be recorded and were set aside: what is owed of them goes out after the next start; \
                 the log has them, and so has `lastword journal check`"
            );
            report.warnings.push(DrainWarning::new("journal", message));
        }
        report.unreported = self.tell_of_deferrals(closed, schedule.leave_at);
        self.journal.leave();
        report.elapsed = now().saturating_duration_since(schedule.began);
        self.drained.send_replace(true);
        report
    }

    fn report(&self, schedule: &Schedule, closed: &Closed) -> DrainReport {
        let mut report = DrainReport::empty(schedule.reason, self.budget);
        report.sessions = schedule.sessions.unwrap_or(0) + closed.late_sessions;
        for queue in &closed.queues {
            let Some(installed) = self.dispatcher.installed().get(queue.plugin) else { continue };
            let mut line = PluginDrain::new(queue.tenant.clone(), installed.plugin.name().clone());
            line.delivered = queue.tally.delivered;
            line.failed = queue.tally.failed;
            line.deferred = queue.tally.deferred;
            line.broken = queue.tally.broken;
            report.delivered += line.delivered;
            report.failed += line.failed;
            report.deferred += line.deferred;
            report.timed_out |= queue.tally.timed_out;
            if line.failed + line.deferred > 0 {
                let causes: Vec<String> =
                    queue.tally.causes.iter().map(|(outcome, count)| format!("{count} {outcome}")).collect();
                report.warnings.push(DrainWarning::new(
                    DRAIN_WARNING,
                    format!(
                        "{} of {} session-end deliveries of plugin {} (tenant {}) were not made: {}",
                        line.failed + line.deferred,
                        queue.tally.owed(),
                        line.plugin,
                        line.tenant,
                        causes.join(", ")
                    ),
                ));
            }
            report.plugins.push(line);
        }
        let more = report.warnings.len().saturating_sub(MAX_WARNINGS);
        if more > 0 {
            report.warnings.truncate(MAX_WARNINGS);
            report.warnings.push(DrainWarning::new(DRAIN_WARNING, format!("and {more} plugins more")));
        }
        report
    }

    /// Tells of what had no attempt, as long as there is time. Returns how many ends nobody was told of.
    fn tell_of_deferrals(&self, closed: Closed, until: Instant) -> u64 {
        let mut untold = closed.held;
        for passed in closed.passed_over {
            let Some(name) = self.dispatcher.plugin_name(passed.queue) else { continue };
            let why = passed.why;
            match passed.waiting {
                Waiting::Job(job) if now() < until => self.tell_deferred(&name, &job.owed(), why, true),
                Waiting::Job(job) => untold += u64::from(job.is_end()),
                Waiting::Backlog(mut backlog) => {
                    while now() < until
                        && let Some(end) = backlog.next()
                    {
                        self.tell_deferred(&name, &end.owed(), why, true);
                    }
                    untold += u64::try_from(backlog.len()).unwrap_or(u64::MAX);
                }
            }
        }
        untold
    }
}
