//! How the dispatcher names queues, tenants and plugins.

/// A queue's number. Queues are never removed within a run.
pub(crate) type QueueId = usize;
/// A tenant's number. Those of tenants that are forgotten are used again.
pub(crate) type TenantNumber = usize;
/// A plugin's index in the configuration.
pub(crate) type PluginNumber = usize;
