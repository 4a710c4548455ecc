//! What one tenant may use.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::sync::Mutex;

/// What one tenant may use, so that it cannot crowd out the others. `None` is no limit, and the default of each.
///
/// Over a quota a start is refused ([`Refusal::Quota`](crate::Refusal::Quota)) and a delivery waits. An end is never
/// refused, and nothing that is owed is lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(default, deny_unknown_fields))]
pub struct TenantQuota {
    /// Calls under way at once, of all the tenant's plugins together, in a drain too. 0 counts as 1. Further deliveries wait.
    pub concurrent_calls: Option<u32>,
    /// Units of fuel a second. 0 counts as 1. Unused fuel is saved up for one second at most. A call begins as long as any fuel is left,
    /// and what the call takes beyond that is a debt. Until the debt is paid off, the tenant's deliveries are `deferred(quota)`, and then
    /// they are made. The quota does not count in a drain.
    pub fuel_per_second: Option<u64>,
    /// Bytes of keys and values in all key-value spaces of the tenant's plugins together. A call that would go over it fails.
    pub key_value_bytes: Option<u64>,
    /// Active sessions. At so many the start of another one is refused.
    pub active_sessions: Option<u64>,
    /// Deliveries that are owed: waiting, under way, or between two attempts. At so many a start is refused. Ends are still accepted, and
    /// may raise the number beyond the quota.
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

    /// What makes room for another start.
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

/// The quota of each tenant, which may change at any moment. This lock is taken last.
#[derive(Debug, Default)]
pub(crate) struct Quotas {
    default: TenantQuota,
    by_tenant: Mutex<HashMap<Arc<str>, TenantQuota>>,
    /// Whether any tenant has a quota of its own. If none has, nobody takes the lock.
    some_have_own: AtomicBool,
}

impl Quotas {
    pub(crate) fn new(default: TenantQuota, by_tenant: HashMap<Arc<str>, TenantQuota>) -> Self {
        let some_have_own = AtomicBool::new(!by_tenant.is_empty());
        Self { default, by_tenant: Mutex::new(by_tenant), some_have_own }
    }

    pub(crate) fn of(&self, tenant: &str) -> TenantQuota {
        if !self.some_have_own.load(Ordering::Acquire) {
            return self.default;
        }
        self.by_tenant.lock().get(tenant).copied().unwrap_or(self.default)
    }

    /// Sets the quota of a tenant. None sets the default. Gives the quota that counts now.
    pub(crate) fn set(&self, tenant: &str, quota: Option<TenantQuota>) -> TenantQuota {
        let mut by_tenant = self.by_tenant.lock();
        match quota {
            Some(quota) => by_tenant.insert(tenant.into(), quota),
            None => by_tenant.remove(tenant),
        };
        self.some_have_own.store(!by_tenant.is_empty(), Ordering::Release);
        quota.unwrap_or(self.default)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_has_its_own_quota_until_it_has_the_default_again() {
        let calls = |calls| TenantQuota { concurrent_calls: Some(calls), ..TenantQuota::default() };
        let quotas = Quotas::new(calls(1), HashMap::new());
        assert_eq!(quotas.of("t"), calls(1));
        assert_eq!((quotas.set("t", Some(calls(2))), quotas.of("t"), quotas.of("u")), (calls(2), calls(2), calls(1)));
        assert_eq!((quotas.set("t", None), quotas.of("t")), (calls(1), calls(1)));
    }
}
