use std::sync::Arc;
use std::time::Instant;

use super::PluginNumber;
use super::bucket::Bucket;
use super::fair::QueueId;
use crate::limits::MAX_UNWRITTEN_BYTES_OF_TENANT;
use crate::quota::TenantQuota;

/// What the dispatcher keeps count of for a tenant.
#[derive(Debug)]
pub(super) struct Tenant {
    /// Queues of the plugins that serve it, in the order of the configuration.
    pub(super) queues: Arc<[(PluginNumber, QueueId)]>,
    /// Deliveries in its queues and lanes, and with workers.
    pub(super) owed: u64,
    /// Deliveries that workers have taken. Each may be a call under way.
    pub(super) calls: u32,
    /// Bytes that these have reserved.
    pub(super) memory: u64,
    max_calls: Option<u32>,
    pub(super) fuel: Option<Bucket>,
    /// Its fuel is used up, and it is among those whose refill is waited for.
    pub(super) waits_for_fuel: bool,
    /// Deferrals of it that are to be told. Nothing of it begins meanwhile, so that nobody hears `delivered` before
    /// `deferred`.
    pub(super) unnotified: usize,
    /// Bytes that its plugins have stored and the journal has not written yet.
    pub(super) stored: u64,
    /// They are as many as they may be.
    pub(super) waits_for_journal: bool,
}

impl Tenant {
    pub(super) fn new(quota: &TenantQuota, now: Instant) -> Self {
        Self {
            queues: Vec::new().into(),
            owed: 0,
            calls: 0,
            memory: 0,
            max_calls: quota.concurrent_calls.map(|calls| calls.max(1)),
            fuel: quota.fuel_per_second.map(|fuel| Bucket::new(fuel, now)),
            waits_for_fuel: false,
            unnotified: 0,
            stored: 0,
            waits_for_journal: false,
        }
    }

    /// Calls that it may have at once.
    pub(super) fn max_calls(&self) -> Option<u32> {
        self.max_calls
    }

    /// Calls that it may begin now.
    pub(super) fn free_calls(&self) -> u32 {
        self.max_calls.map_or(u32::MAX, |max| max.saturating_sub(self.calls))
    }

    /// Calls that a worker may take at once: what the journal has to write of one shows whether there is room for another.
    pub(super) fn at_once(&self) -> u32 {
        if self.stored > MAX_UNWRITTEN_BYTES_OF_TENANT / 2 { 1 } else { u32::MAX }
    }

    /// Whether any quota of it can make its deliveries wait.
    pub(super) fn is_limited(&self) -> bool {
        self.max_calls.is_some() || self.fuel.is_some()
    }

    pub(super) fn is_throttled(&self) -> bool {
        self.waits_for_fuel || self.waits_for_journal || self.unnotified > 0 || self.free_calls() == 0
    }

    /// Whether forgetting it would change nothing: a debt of fuel has to be remembered until it is paid.
    pub(super) fn can_be_forgotten(&self, now: Instant) -> bool {
        self.owed == 0 && self.unnotified == 0 && self.stored == 0 && self.fuel.is_none_or(|fuel| fuel.is_full(now))
    }
}
