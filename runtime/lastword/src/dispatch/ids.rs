//! How the dispatcher names queues and tenants. Plugins have numbers where they are [installed](crate::installed).

/// A queue's number. Those of queues in which nothing is left, of tenants that are forgotten and of plugins that are uninstalled, are
/// used again.
pub(crate) type QueueId = usize;
/// Counts the queues of a run, whatever numbers they have.
pub(super) type QueueStamp = u64;
/// A tenant's number. Those of tenants that are forgotten are used again.
pub(super) type TenantNumber = usize;
