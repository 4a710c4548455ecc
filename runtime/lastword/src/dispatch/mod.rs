//! Which deliveries are owed, and whose turn it is.
//!
//! There is one [queue] for each (tenant, plugin), and in it one [`Lane`](crate::lane::Lane) for each session id. Events come in through
//! [`Dispatcher::enqueue`]. A worker takes deliveries with [`Dispatcher::next`], and returns what it has served with the next call of it.
//!
//! [`state`] moves deliveries between lanes, queues and workers. The [`scheduler`] says which queue is next: in the order of
//! [`fair_order`], by what [`tenant_gates`] let through of a tenant, by the [`slots`] that are free, by what [`plugin_shares`] leave to a
//! plugin, and by the [`memory_admission`] that a call has to have before it begins. [`suspects`] are made last and alone. In a drain a
//! queue has a [`backlog`] and a part of the [account](drain_account).
//!
//! All of it is behind one lock, that of the [`dispatcher`], which is held for microseconds and never while a guest runs or a journal is
//! written.

mod backlog;
mod bucket;
mod demand;
mod dispatcher;
mod drain_account;
mod fair_order;
mod finished_call;
#[cfg(shuttle)]
mod held_resources;
mod high_water;
mod idle_workers;
mod ids;
mod job;
mod locked_state;
mod memory_admission;
mod notifications;
mod plugin_change;
mod plugin_counts;
mod plugin_gates;
mod plugin_shares;
mod queue;
mod retries;
mod scheduler;
mod slots;
mod state;
mod suspects;
mod tenant_gates;
mod tenants;
#[cfg(test)]
mod tests;
#[cfg(test)]
#[cfg(feature = "test-util")]
mod tests_with_plugins;
mod uninstalling;
mod unstarted;
mod withdrawal;
mod worker_step;

pub(crate) use backlog::DrainContext;
pub(crate) use dispatcher::Dispatcher;
pub(crate) use drain_account::{ClosedAccount, ClosedQueue};
pub(crate) use finished_call::{FinishedCall, PutBack};
#[cfg(shuttle)]
pub(crate) use held_resources::held_by;
pub(crate) use ids::QueueId;
pub(crate) use job::{Job, Taken};
pub(crate) use notifications::Deferred;
pub(crate) use plugin_change::{PluginChange, TakenOut};
pub(crate) use plugin_counts::InstalledCounts;
pub(crate) use slots::Permit;
pub(crate) use uninstalling::UninstallStep;
pub(crate) use unstarted::Unstarted;
pub(crate) use withdrawal::{EventOfSession, Withdrawal};
pub(crate) use worker_step::{ConcludedSlice, Slice, WorkerStep};
