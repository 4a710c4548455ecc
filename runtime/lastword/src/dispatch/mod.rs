//! Which deliveries are owed, and whose turn it is.
//!
//! One queue for each (tenant, plugin), one [`Lane`](crate::lane::Lane) for each session id in it. Events come in through
//! [`Dispatcher::enqueue`], workers take deliveries with [`Dispatcher::next`] and bring them back with
//! [`Dispatcher::settle`]; `draining.rs` has what a drain adds, `quotas.rs` what makes a tenant wait, `plugins.rs` what
//! makes a plugin wait, `memory.rs` what a call has to have before it begins, `stored.rs` what makes a tenant wait for the
//! journal, `suspects.rs` what is made last and alone. All state is behind one lock that is held for
//! microseconds and never while a guest runs or a journal is written.

mod bucket;
mod dispatcher;
mod draining;
mod fair;
mod finished_call;
#[cfg(shuttle)]
mod held_resources;
mod high_water;
mod memory;
mod plugins;
mod queue;
mod quotas;
mod state;
mod stored;
mod suspects;
mod tenant;
#[cfg(test)]
mod tests;
mod unstarted;

pub(crate) use dispatcher::{Dispatcher, Pick, Slice};
pub(crate) use fair::QueueId;
pub(crate) use finished_call::{FinishedCall, PutBack};
pub(crate) use memory::Taken;
pub(crate) use quotas::Deferred;
pub(crate) use unstarted::Unstarted;

/// A plugin's place in the configuration.
pub(crate) type PluginNumber = usize;
