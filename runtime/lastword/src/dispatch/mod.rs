//! Which deliveries are owed, and whose turn it is.
//!
//! One [queue] for each (tenant, plugin), one [`Lane`](crate::lane::Lane) for each session id in it. Events come in through
//! [`Dispatcher::enqueue`]; a worker takes deliveries with [`Dispatcher::next`], and brings back there what it has served.
//!
//! [`state`] moves deliveries between lanes, queues and workers. The [`scheduler`] says which queue is next: in the order of [`fair_order`],
//! by what [`gates`] let through of a tenant, by the [`slots`] that are free, by what [`plugin_shares`] leave to a plugin, and by the
//! [`memory_admission`] that a call has to have before it begins. [`suspects`] are made last and alone.
//!
//! All of it is behind one lock, that of the [`dispatcher`], which is held for microseconds and never while a guest runs or a journal is
//! written.

mod bucket;
mod demand;
mod dispatcher;
mod fair_order;
mod finished_call;
mod gates;
#[cfg(shuttle)]
mod held_resources;
mod high_water;
mod idle_workers;
mod ids;
mod job;
mod memory_admission;
mod notifications;
mod plugin_shares;
mod queue;
mod retries;
mod scheduler;
mod slots;
mod state;
mod suspects;
mod tenants;
#[cfg(test)]
mod tests;
mod unstarted;
mod worker_step;

pub(crate) use dispatcher::Dispatcher;
pub(crate) use finished_call::{FinishedCall, PutBack};
#[cfg(shuttle)]
pub(crate) use held_resources::held_by;
pub(crate) use ids::{PluginNumber, QueueId};
pub(crate) use job::Taken;
pub(crate) use notifications::Deferred;
pub(crate) use slots::Permit;
pub(crate) use unstarted::Unstarted;
pub(crate) use worker_step::{ServedSlice, Slice, WorkerStep};
