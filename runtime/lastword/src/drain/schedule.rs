//! The moments of one drain.

use std::time::{Duration, Instant};

use lastword_events::{DrainReason, Timestamp};

use crate::limits::{drain_reserve, max_entry_wait};

/// When each step of a drain has to be done.
#[derive(Clone, Copy)]
pub(super) struct Schedule {
    pub(super) reason: DrainReason,
    pub(super) began: Instant,
    /// When it began, by the wall clock: when the sessions ended.
    pub(super) at: Timestamp,
    /// Requests that are not carried out by now are not waited for.
    pub(super) snapshot_by: Instant,
    /// No guest runs after this.
    pub(super) cut_at: Instant,
    /// Workers that have not brought back their calls by now are not waited for.
    pub(super) close_at: Instant,
    /// The journal's last commit is not waited for after this.
    pub(super) flush_until: Instant,
    /// The observer is notified of no deferral after this: what is left of the budget is for the report to reach whoever waits for it.
    pub(super) notify_until: Instant,
}

impl Schedule {
    /// `began`: when the budget did, which may be a while ago. What was asked for by `now` is waited for as long as ever, and is also
    /// known by the wall clock: then the sessions end.
    pub(super) fn new(reason: DrainReason, began: Instant, (now, at): (Instant, Timestamp), budget: Duration) -> Self {
        let reserve = drain_reserve(budget);
        let ends_at = began + budget;
        let cut_at = ends_at - reserve;
        Self {
            reason,
            began,
            at,
            snapshot_by: cut_at.min(now + max_entry_wait(budget)),
            cut_at,
            close_at: ends_at - reserve / 3 * 2,
            flush_until: ends_at - reserve / 3,
            notify_until: ends_at - reserve / 5,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::MAX_DRAIN_RESERVE;

    #[test]
    fn a_budget_that_began_earlier_ends_earlier_and_requests_are_waited_for_all_the_same() {
        let (now, budget) = (Instant::now() + Duration::from_secs(60), Duration::from_secs(2));
        let late = Duration::from_millis(500);
        let now_at = (now, Timestamp::now());
        let schedule = Schedule::new(DrainReason::Shutdown, now - late, now_at, budget);
        assert_eq!(schedule.cut_at, now - late + budget - MAX_DRAIN_RESERVE);
        assert_eq!(schedule.snapshot_by, now + max_entry_wait(budget));
        let too_late = Schedule::new(DrainReason::Shutdown, now - 2 * budget, now_at, budget);
        assert!(too_late.snapshot_by < now, "there is no time left to wait for anyone");
        let Schedule { cut_at, close_at, flush_until, notify_until, .. } = schedule;
        assert!(cut_at < close_at && close_at < flush_until && flush_until < notify_until);
        assert!(notify_until < now - late + budget, "the report has some of the budget to reach its reader");
    }
}
