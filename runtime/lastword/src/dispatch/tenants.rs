//! The tenants that the dispatcher knows: their numbers, their queues, and how much they are owed.

use std::collections::HashMap;
use std::sync::Arc;

use super::ids::{PluginNumber, QueueId, TenantNumber};
use crate::limits::MAX_IDLE_TENANTS;

/// The queues of one tenant: one for each plugin that serves it, in the order of the configuration.
pub(super) type TenantQueues = Arc<[(PluginNumber, QueueId)]>;

#[derive(Debug, Default)]
pub(super) struct Tenants {
    by_name: HashMap<Arc<str>, TenantNumber>,
    /// By number.
    accounts: Vec<Account>,
    /// Of tenants that were forgotten, to be used again.
    spare_tenants: Vec<TenantNumber>,
    spare_queues: Vec<QueueId>,
    /// With this many tenants the idle ones are forgotten.
    forget_at: usize,
}

#[derive(Debug, Default)]
struct Account {
    queues: Option<TenantQueues>,
    /// Deliveries in its queues and lanes, and with workers.
    owed: u64,
}

impl Tenants {
    pub(super) fn len(&self) -> usize {
        self.by_name.len()
    }

    pub(super) fn number(&self, name: &str) -> Option<TenantNumber> {
        self.by_name.get(name).copied()
    }

    pub(super) fn queues(&self, tenant: TenantNumber) -> Option<&TenantQueues> {
        self.accounts.get(tenant)?.queues.as_ref()
    }

    /// The queues of a tenant, if it is known.
    pub(super) fn queues_of(&self, name: &str) -> Option<&TenantQueues> {
        self.queues(self.number(name)?)
    }

    /// Deliveries that the tenant is owed now.
    pub(super) fn owed(&self, tenant: TenantNumber) -> u64 {
        self.accounts.get(tenant).map_or(0, |account| account.owed)
    }

    pub(super) fn add_owed(&mut self, tenant: TenantNumber, deliveries: u64) {
        if let Some(account) = self.accounts.get_mut(tenant) {
            account.owed += deliveries;
        }
    }

    pub(super) fn remove_owed(&mut self, tenant: TenantNumber, deliveries: u64) {
        if let Some(account) = self.accounts.get_mut(tenant) {
            account.owed -= deliveries;
        }
    }

    /// The number of a tenant that was forgotten, and the numbers of queues of such.
    pub(super) fn spare_tenant(&mut self) -> Option<TenantNumber> {
        self.spare_tenants.pop()
    }

    pub(super) fn spare_queue(&mut self) -> Option<QueueId> {
        self.spare_queues.pop()
    }

    pub(super) fn add(&mut self, name: &Arc<str>, number: TenantNumber, queues: TenantQueues) {
        if self.accounts.len() <= number {
            self.accounts.resize_with(number + 1, Account::default);
        }
        if let Some(account) = self.accounts.get_mut(number) {
            *account = Account { queues: Some(queues), owed: 0 };
        }
        self.by_name.insert(name.clone(), number);
    }

    /// Whether there are so many that the idle ones are to be forgotten: owners may make up tenants for ever.
    pub(super) fn are_many(&self) -> bool {
        self.by_name.len() >= self.forget_at.max(MAX_IDLE_TENANTS)
    }

    /// Forgets those that are owed nothing and that are `idle`, with their queues.
    pub(super) fn forget(&mut self, idle: impl Fn(TenantNumber, &[(PluginNumber, QueueId)]) -> bool) {
        let (spare_queues, spare_tenants) = (&mut self.spare_queues, &mut self.spare_tenants);
        self.by_name.retain(|_, number| {
            let Some(account) = self.accounts.get(*number) else { return false };
            let queues = account.queues.as_deref().unwrap_or_default();
            let forget = account.owed == 0 && idle(*number, queues);
            if forget {
                spare_queues.extend(queues.iter().map(|(_, queue)| *queue));
                spare_tenants.push(*number);
            }
            !forget
        });
        // At most one look at each tenant for each new one.
        self.forget_at = self.by_name.len() * 2;
    }

    #[cfg(any(test, shuttle))]
    pub(super) fn all_owed(&self) -> u64 {
        self.accounts.iter().map(|account| account.owed).sum()
    }
}
