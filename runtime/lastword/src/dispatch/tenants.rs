//! The tenants that the dispatcher knows: their numbers, their queues, and how much each is owed.

use std::collections::HashMap;
use std::sync::Arc;

use super::ids::{QueueId, TenantNumber};
use crate::installed::PluginNumber;
use crate::limits::MAX_IDLE_TENANTS;

/// The queues of one tenant: one for each plugin that serves it, in the order of the configuration.
pub(super) type TenantQueues = Arc<[(PluginNumber, QueueId)]>;

#[derive(Debug, Default)]
pub(super) struct Tenants {
    by_name: HashMap<Arc<str>, TenantNumber>,
    /// By the number of the tenant.
    accounts: Vec<Account>,
    /// Numbers of forgotten tenants, to be used again.
    spare_tenants: Vec<TenantNumber>,
    spare_queues: Vec<QueueId>,
    /// At this many tenants the idle ones are forgotten.
    forget_at: usize,
}

#[derive(Debug, Default)]
struct Account {
    queues: Option<TenantQueues>,
    /// The tenant's deliveries in queues, in lanes, and with workers.
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

    /// How many deliveries the tenant is owed now.
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

    /// The number of a forgotten tenant, for a new tenant.
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

    /// The queues that `is_wanted` accepts, in the order of their tenants' numbers.
    pub(super) fn known(&self, is_wanted: impl Fn(&str) -> bool) -> Vec<(TenantNumber, Arc<str>)> {
        let wanted = self.by_name.iter().filter(|(name, _)| is_wanted(name));
        let mut known: Vec<_> = wanted.map(|(name, number)| (*number, name.clone())).collect();
        known.sort_unstable_by_key(|(number, _)| *number);
        known
    }

    /// Adds a queue for one more plugin to the tenant, the last in the tenant's order.
    pub(super) fn add_queue(&mut self, tenant: TenantNumber, plugin: PluginNumber, queue: QueueId) {
        if let Some(queues) = self.accounts.get_mut(tenant).and_then(|account| account.queues.as_mut()) {
            *queues = queues.iter().copied().chain([(plugin, queue)]).collect();
        }
    }

    /// Takes the queues of this plugin from all tenants. Gives the queues, which are not spare yet.
    pub(super) fn remove_queues(&mut self, plugin: PluginNumber) -> Vec<QueueId> {
        let mut removed = Vec::new();
        for queues in self.accounts.iter_mut().filter_map(|account| account.queues.as_mut()) {
            if let Some(&(_, queue)) = queues.iter().find(|(number, _)| *number == plugin) {
                removed.push(queue);
                *queues = queues.iter().copied().filter(|(number, _)| *number != plugin).collect();
            }
        }
        removed
    }

    /// Makes these queues spare: nothing is left in them.
    pub(super) fn add_spare_queues(&mut self, queues: Vec<QueueId>) {
        self.spare_queues.extend(queues);
    }

    /// Whether there are so many tenants that the idle ones are to be forgotten: owners may invent tenants for ever.
    pub(super) fn are_many(&self) -> bool {
        self.by_name.len() >= self.forget_at.max(MAX_IDLE_TENANTS)
    }

    /// Forgets tenants that are owed nothing and that are `idle`, with their queues.
    pub(super) fn forget(&mut self, idle: impl Fn(TenantNumber, &[(PluginNumber, QueueId)]) -> bool) {
        let Self { by_name, accounts, spare_queues, spare_tenants, .. } = self;
        by_name.retain(|_, number| {
            let Some(account) = accounts.get_mut(*number) else { return false };
            let forget = account.owed == 0 && idle(*number, account.queues.as_deref().unwrap_or_default());
            if forget {
                let queues = account.queues.take();
                spare_queues.extend(queues.iter().flat_map(|queues| queues.iter()).map(|(_, queue)| *queue));
                spare_tenants.push(*number);
            }
            !forget
        });
        // So each new tenant costs at most one look at each old one.
        self.forget_at = self.by_name.len() * 2;
    }

    #[cfg(any(test, shuttle))]
    pub(super) fn all_owed(&self) -> u64 {
        self.accounts.iter().map(|account| account.owed).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(tenants: &mut Tenants, name: &str, number: TenantNumber, queues: &[(PluginNumber, QueueId)]) {
        tenants.add(&name.into(), number, queues.into());
    }

    #[test]
    fn a_tenants_queues_are_those_of_the_plugins_that_there_are() {
        let mut tenants = Tenants::default();
        add(&mut tenants, "b", 1, &[(0, 2), (1, 3)]);
        add(&mut tenants, "a", 0, &[(0, 0), (1, 1)]);
        assert_eq!((tenants.len(), tenants.number("a"), tenants.number("c")), (2, Some(0), None));
        assert_eq!(tenants.known(|_| true), [(0, "a".into()), (1, "b".into())]);
        assert_eq!(tenants.known(|name| name == "b"), [(1, "b".into())]);
        tenants.add_queue(1, 2, 4);
        assert_eq!(tenants.remove_queues(0), [0, 2]);
        assert_eq!(tenants.queues_of("a").unwrap()[..], [(1, 1)]);
        assert_eq!(tenants.queues_of("b").unwrap()[..], [(1, 3), (2, 4)]);
        assert_eq!(tenants.spare_queue(), None, "something of them may be left");
        tenants.add_spare_queues(vec![0]);
        assert_eq!((tenants.spare_queue(), tenants.spare_queue()), (Some(0), None));
    }

    #[test]
    fn of_many_tenants_the_idle_ones_that_are_owed_nothing_are_forgotten_and_their_numbers_used_again() {
        let mut tenants = Tenants::default();
        for number in 0..MAX_IDLE_TENANTS {
            assert!(!tenants.are_many());
            add(&mut tenants, &format!("t{number}"), number, &[(0, number)]);
        }
        assert!(tenants.are_many());
        tenants.add_owed(0, 3);
        tenants.remove_owed(0, 1);
        assert_eq!((tenants.owed(0), tenants.owed(1)), (2, 0));
        // The last one is not idle.
        tenants.forget(|number, queues| queues[..] == [(0, number)] && number < MAX_IDLE_TENANTS - 1);
        assert_eq!((tenants.len(), tenants.number("t0"), tenants.number("t1")), (2, Some(0), None));
        let spare: Vec<_> = std::iter::from_fn(|| Some((tenants.spare_tenant()?, tenants.spare_queue()?))).collect();
        assert_eq!(spare.len(), MAX_IDLE_TENANTS - 2);
        assert!(spare.iter().all(|&(tenant, queue)| tenant == queue && (1..MAX_IDLE_TENANTS - 1).contains(&tenant)));
        assert!(!tenants.are_many());
    }

    #[test]
    fn each_new_tenant_costs_at_most_one_look_at_each_old_one() {
        let mut tenants = Tenants::default();
        for number in 0..MAX_IDLE_TENANTS {
            add(&mut tenants, &format!("t{number}"), number, &[]);
        }
        tenants.forget(|_, _| false);
        for number in MAX_IDLE_TENANTS..2 * MAX_IDLE_TENANTS {
            assert!(!tenants.are_many(), "{number}");
            add(&mut tenants, &format!("t{number}"), number, &[]);
        }
        assert!(tenants.are_many());
    }
}
