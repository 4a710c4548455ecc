//! The moments of one drain.

use std::time::{Duration, Instant};

use lastword_events::{DrainReason, Timestamp};

use crate::limits::{drain_reserve, max_entry_wait};

/// When each step of a drain has to be done.
#[derive(Clone, Copy)]
pub(super) struct Schedule {
    pub(super) reason: DrainReason,
    pub(super) began: Instant,
    /// When the drain began, by the wall clock: the sessions ended at this moment.
    pub(super) at: Timestamp,
    /// The drain does not wait longer than this for requests under way.
    pub(super) snapshot_by: Instant,
    /// No guest runs after this.
    pub(super) cut_at: Instant,
    /// The drain does not wait longer than this for workers to bring back their calls.
    pub(super) close_at: Instant,
    /// The drain does not wait longer than this for the journal's last commit.
    pub(super) flush_until: Instant,
    /// The observer is notified of no deferral after this. The rest of the budget is for the report to reach whoever waits for it.
    pub(super) notify_until: Instant,
}

impl Schedule {
    /// `began` is when the budget began, which may be a while ago. `now` is the present moment: requests under way have their usual time
    /// from now on. `at` is the same moment by the wall clock: the sessions end then.
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
