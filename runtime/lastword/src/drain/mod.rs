//! Ending every active session at shutdown, within the budget.
//!
//! [`schedule`] has the moments of a drain. [`snapshot`] takes the active sessions. [`running`] has the steps from the first to the last,
//! and [`report`] says what became of the ends. Two parts of a drain belong to the queues: the ends that are still to be made
//! (`dispatch/backlog.rs`), and the account of the ends that were made (`dispatch/drain_account.rs`).

mod report;
mod running;
mod schedule;
mod snapshot;

pub(crate) use running::{RunningDrain, drain_so_far};
pub(crate) use snapshot::end_late;
