//! Ending every active session at shutdown, within the budget.
//!
//! [`schedule`] has the moments of a drain, [`snapshot`] takes the active sessions, [`backlog`] is what a queue has of them,
//! [`account`] counts what became of each end, [`report`] says it, and [`running`] has the steps from the first to the last.

pub(crate) mod account;
pub(crate) mod backlog;
pub(crate) mod context;
mod report;
mod running;
mod schedule;
mod snapshot;

pub(crate) use running::{RunningDrain, drain_so_far};
pub(crate) use snapshot::end_late;
