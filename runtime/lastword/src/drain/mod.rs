//! Ending every active session at shutdown, within the budget.
//!
//! [`schedule`] has the moments of a drain, [`snapshot`] takes the active sessions, [`report`] says what became of their ends, and
//! [`running`] has the steps from the first to the last. What the queues have of a drain is theirs: the ends that are still to be made
//! (`dispatch/backlog.rs`), and the account of those that were (`dispatch/drain_account.rs`).

mod report;
mod running;
mod schedule;
mod snapshot;

pub(crate) use running::{RunningDrain, drain_so_far};
pub(crate) use snapshot::end_late;
