//! Ending every active session at shutdown, within the budget.

use std::cmp::Reverse;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use lastword_events::{
    DRAIN_WARNING, DrainReason, DrainReport, DrainWarning, EventKey, PluginDrain, PluginRest, Session, Timestamp,
};
use lastword_journal::{JournalOp, PendingDelivery};

use crate::active::{Active, ActiveSet, Ending};
use crate::dispatch::{Closed, ClosedQueue, Drain};
use crate::inner::Inner;
use crate::intake::OwnEnd;
use crate::limits::{MAX_DRAIN_RESERVE, MAX_ENTRY_WAIT, MAX_REPORTED, MAX_WARNINGS};
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
    /// Nobody is told of a deferral after this: what is left of the budget is for the report to reach whoever waits for it.
    told_until: Instant,
    /// How many the snapshot found; none before it.
    sessions: Option<u64>,
}

impl Schedule {
    /// `began`: when the budget did, which may be a while ago. What was asked for by `now` is waited for as long as ever.
    fn new(reason: DrainReason, began: Instant, now: Instant, budget: Duration) -> Self {
        let reserve = MAX_DRAIN_RESERVE.min(budget / 4);
        let leave_at = began + budget;
        let cut_at = leave_at - reserve;
        Self {
            reason,
            began,
            at: Timestamp::now(),
            snapshot_by: cut_at.min(now + MAX_ENTRY_WAIT.min(budget / 8)),
            cut_at,
            close_at: leave_at - reserve / 3 * 2,
            flush_until: leave_at - reserve / 3,
            told_until: leave_at - reserve / 5,
            sessions: None,
        }
    }
}

impl Inner {
    /// Lets no more in, and takes the snapshot unless requests are under way. None when a drain has begun, or the runtime was
    /// closed, before.
    pub(crate) fn begin_drain(&self, reason: DrainReason, began: Instant) -> Option<Schedule> {
        let requests_under_way = self.in_flight.close()?;
        let now = now();
        let mut schedule = Schedule::new(reason, began.min(now), now, self.budget);
        let at = schedule.at;
        // Everything that the drain writes comes after this; nobody has to wait for it.
        drop(self.journal.append_decided(vec![JournalOp::Draining { reason, at }]));
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
        let left: Vec<PendingDelivery> =
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
            Ending::Appended { session, event } => (session.clone(), event.clone()),
            Ending::TakenOver(request) => {
                // What does not fit is said when the request has its turn.
                let OwnEnd { session, event, op, .. } = self.own_end(active, request, &mut Vec::new());
                records.push(op);
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
        let mut closed = self.dispatcher.close();
        let mut report = self.report(&schedule, &mut closed);
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
        report.unreported = self.tell_of_deferrals(&mut closed, schedule.told_until);
        self.dispatcher.keep(closed.passed_over);
        self.journal.leave();
        report.elapsed = now().saturating_duration_since(schedule.began);
        self.drained.send_replace(true);
        report
    }

    /// What a drain has come to so far, for whoever cannot wait for its report. None when somebody has the dispatcher's lock.
    pub(crate) fn drain_so_far(&self, reason: DrainReason, began: Instant) -> Option<DrainReport> {
        let so_far = self.dispatcher.so_far()?;
        let mut report = DrainReport::empty(reason, self.budget);
        report.elapsed = now().saturating_duration_since(began);
        (report.sessions, report.delivered, report.failed) = (so_far.sessions, so_far.delivered, so_far.failed);
        (report.deferred, report.unreported, report.timed_out) = (so_far.deferred, so_far.untold, true);
        Some(report)
    }

    fn report(&self, schedule: &Schedule, closed: &mut Closed) -> DrainReport {
        let mut report = DrainReport::empty(schedule.reason, self.budget);
        report.sessions = schedule.sessions.unwrap_or(0) + closed.late_sessions;
        for ClosedQueue { tally, .. } in &closed.queues {
            report.delivered += tally.delivered;
            report.failed += tally.failed;
            report.deferred += tally.deferred;
            report.timed_out |= tally.timed_out;
        }
        let rest = most_undelivered_first(&mut closed.queues, MAX_REPORTED);
        report.plugins = closed.queues.iter().filter_map(|queue| self.line(queue)).collect();
        report.rest = self.rest(&rest);
        report.warnings = self.warnings(&mut closed.queues, rest.iter().filter(|queue| has_undelivered(queue)).count());
        report
    }

    fn line(&self, queue: &ClosedQueue) -> Option<PluginDrain> {
        let installed = self.dispatcher.installed().get(queue.plugin)?;
        let mut line = PluginDrain::new(queue.tenant.clone(), installed.plugin.name().clone());
        line.delivered = queue.tally.delivered;
        line.failed = queue.tally.failed;
        line.deferred = queue.tally.deferred;
        line.broken = queue.tally.broken;
        Some(line)
    }

    /// One line for each plugin.
    fn rest(&self, queues: &[ClosedQueue]) -> Vec<PluginRest> {
        let names = self.dispatcher.installed().iter().map(|installed| installed.plugin.name().clone());
        let mut lines: Vec<PluginRest> = names.map(PluginRest::new).collect();
        for ClosedQueue { plugin, tally, .. } in queues {
            let Some(line) = lines.get_mut(*plugin) else { continue };
            line.tenants += 1;
            line.delivered += tally.delivered;
            line.failed += tally.failed;
            line.deferred += tally.deferred;
        }
        lines.retain(|line| line.tenants > 0);
        lines
    }

    /// Names those pairs of tenant and plugin that most was not delivered of; `more` pairs are not among `queues`.
    fn warnings(&self, queues: &mut Vec<ClosedQueue>, more: usize) -> Vec<DrainWarning> {
        queues.retain(has_undelivered);
        let more = more + most_undelivered_first(queues, MAX_WARNINGS).len();
        let mut warnings: Vec<DrainWarning> = queues.iter().filter_map(|queue| self.warning(queue)).collect();
        if more > 0 {
            warnings.push(DrainWarning::new(
                DRAIN_WARNING,
                format!("and deliveries of {more} more pairs of tenant and plugin"),
            ));
        }
        warnings
    }

    fn warning(&self, ClosedQueue { tenant, plugin, tally }: &ClosedQueue) -> Option<DrainWarning> {
        let plugin = self.dispatcher.installed().get(*plugin)?.plugin.name();
        let causes: Vec<String> = tally.causes.iter().map(|(outcome, count)| format!("{count} {outcome}")).collect();
        let message = format!(
            "{} of {} session-end deliveries of plugin {plugin} (tenant {tenant}) were not made: {}",
            tally.failed + tally.deferred,
            tally.owed(),
            causes.join(", ")
        );
        Some(DrainWarning::new(DRAIN_WARNING, message))
    }

    /// Tells of what had no attempt, as long as there is time. Returns how many ends nobody was told of.
    fn tell_of_deferrals(&self, closed: &mut Closed, until: Instant) -> u64 {
        let mut untold = closed.held;
        for passed in &mut closed.passed_over {
            // First the time: to ask for a name takes the dispatcher's lock, and there may be a thousand queues.
            if now() < until
                && let Some(name) = self.dispatcher.plugin_name(passed.queue)
            {
                while now() < until
                    && let Some(owed) = passed.unbegun.next()
                {
                    closed.told.fetch_add(u64::from(owed.is_end()), Ordering::Relaxed);
                    self.tell_deferred(&name, &owed, passed.why, true);
                }
            }
            untold += passed.unbegun.ends();
        }
        untold
    }
}

fn has_undelivered(queue: &ClosedQueue) -> bool {
    queue.tally.failed + queue.tally.deferred > 0
}

/// Leaves `most` of the queues, those that most was not delivered of, in the order of the configuration. Gives the others.
fn most_undelivered_first(queues: &mut Vec<ClosedQueue>, most: usize) -> Vec<ClosedQueue> {
    if queues.len() > most {
        let undelivered = |queue: &ClosedQueue| Reverse(queue.tally.failed + queue.tally.deferred);
        queues.select_nth_unstable_by_key(most, undelivered);
    }
    let others = queues.split_off(most.min(queues.len()));
    queues.sort_by(|a, b| (a.plugin, &a.tenant).cmp(&(b.plugin, &b.tenant)));
    others
}

#[cfg(test)]
mod tests {
    use lastword_events::Deferral;

    use super::*;

    fn queue(tenant: &str, plugin: usize, deferred: u64) -> ClosedQueue {
        let mut queue = ClosedQueue { tenant: tenant.into(), plugin, tally: Default::default() };
        queue.tally.defer(Deferral::Budget, deferred);
        queue
    }

    fn names(queues: &[ClosedQueue]) -> Vec<(&str, usize)> {
        queues.iter().map(|queue| (&*queue.tenant, queue.plugin)).collect()
    }

    #[test]
    fn those_that_most_was_not_delivered_of_are_named_in_the_order_of_the_configuration() {
        let mut queues = vec![queue("c", 1, 3), queue("b", 0, 0), queue("a", 1, 9), queue("a", 0, 1), queue("b", 1, 2)];
        let others = most_undelivered_first(&mut queues, 3);
        assert_eq!(names(&queues), [("a", 1), ("b", 1), ("c", 1)]);
        assert_eq!(others.len(), 2);
        assert!(most_undelivered_first(&mut queues, 3).is_empty());
    }

    #[test]
    fn a_budget_that_began_earlier_ends_earlier_and_requests_are_waited_for_all_the_same() {
        let (now, budget) = (Instant::now() + Duration::from_secs(60), Duration::from_secs(2));
        let late = Duration::from_millis(500);
        let schedule = Schedule::new(DrainReason::Shutdown, now - late, now, budget);
        assert_eq!(schedule.cut_at, now - late + budget - MAX_DRAIN_RESERVE);
        assert_eq!(schedule.snapshot_by, now + MAX_ENTRY_WAIT);
        let too_late = Schedule::new(DrainReason::Shutdown, now - 2 * budget, now, budget);
        assert!(too_late.snapshot_by < now, "there is no time left to wait for anyone");
        let Schedule { cut_at, close_at, flush_until, told_until, .. } = schedule;
        assert!(cut_at < close_at && close_at < flush_until && flush_until < told_until);
        assert!(told_until < now - late + budget, "the report has some of the budget to reach its reader");
    }
}
