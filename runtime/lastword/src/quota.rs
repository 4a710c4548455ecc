//! What one tenant may use.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

/// What one tenant may use, so that it cannot crowd out the others. `None` is no limit, and the default of each.
///
/// Over a quota a start is refused ([`Refusal::Quota`](crate::Refusal::Quota)) and a delivery waits. An end is never
/// refused, and nothing that is owed is lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TenantQuota {
    /// Calls under way at once, of all its plugins together, in a drain too. 0 counts as 1. Deliveries over it wait.
    pub concurrent_calls: Option<u32>,
    /// Units of fuel a second; 0 counts as 1. What is not used is saved up for one second at most. A call begins as long
    /// as anything is left, and what it takes beyond that is a debt: until it is paid off, the tenant's deliveries are
    /// `deferred(quota)`, and go out by themselves then. Does not count in a drain.
    pub fuel_per_second: Option<u64>,
    /// Bytes of keys and values that all its plugins' key-value spaces have together. A call that would go over it fails.
    pub key_value_bytes: Option<u64>,
    /// Active sessions. The start of another one is refused.
    pub active_sessions: Option<u64>,
    /// Deliveries that are owed: waiting, under way, or between two attempts. At so many a start is refused; ends are
    /// still taken, and may take the number beyond it.
    pub owed_deliveries: Option<u64>,
}

/// A quota over which a start is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum QuotaKind {
    /// [`TenantQuota::active_sessions`].
    ActiveSessions,
    /// [`TenantQuota::owed_deliveries`].
    OwedDeliveries,
}

impl QuotaKind {
    /// The name that the quota has in a configuration: `active-sessions` or `owed-deliveries`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ActiveSessions => "active-sessions",
            Self::OwedDeliveries => "owed-deliveries",
        }
    }

    /// What makes room.
    pub(crate) fn remedy(self) -> &'static str {
        match self {
            Self::ActiveSessions => "end one of them",
            Self::OwedDeliveries => "wait until some are delivered",
        }
    }
}

impl fmt::Display for QuotaKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ActiveSessions => "active sessions",
            Self::OwedDeliveries => "owed deliveries",
        })
    }
}

/// The quota of each tenant.
#[derive(Clone, Debug, Default)]
pub(crate) struct Quotas {
    pub(crate) default: TenantQuota,
    pub(crate) by_tenant: HashMap<Arc<str>, TenantQuota>,
}

impl Quotas {
    pub(crate) fn of(&self, tenant: &str) -> &TenantQuota {
        if self.by_tenant.is_empty() {
            return &self.default;
        }
        self.by_tenant.get(tenant).unwrap_or(&self.default)
    }
}
