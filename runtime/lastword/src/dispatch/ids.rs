//! The numbers of queues and tenants. Plugins have their numbers where they are [installed](crate::installed).

/// A queue's number. When a tenant is forgotten, or a plugin uninstalled and nothing left of it, the numbers of its queues are used again.
pub(crate) type QueueId = usize;
/// Counts the queues of a run, whatever numbers they have.
pub(super) type QueueStamp = u64;
/// A tenant's number. When a tenant is forgotten its number is used again.
pub(super) type TenantNumber = usize;
