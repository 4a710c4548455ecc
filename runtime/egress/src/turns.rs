//! Turns for a scarce resource that all requests share: look-ups, or connections.
//!
//! A plugin, a tenant and all together have a bound of turns that they hold at once. A request that waits holds
//! nothing. Free turns are given in rotation: to one tenant after the other, and within a tenant to one plugin after
//! the other, whatever the number of their requests. A tenant's bound does not stop a plugin of the tenant that has no
//! turn: if the turns of other plugins do not end, it gets one at a time.
//!
//! A turn can be *abandoned* when its work hangs and cannot be cancelled. It then makes room for another turn, and
//! counts among the abandoned ones until it is dropped. A turn is given only if a place among the abandoned ones is
//! free. So a plugin whose look-ups hang is the first to wait.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::oneshot;

use crate::account::Account;

/// The bounds of one kind of turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) of_plugin: usize,
    pub(crate) of_tenant: usize,
    pub(crate) in_all: usize,
}

/// The bounds of a shared resource.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) held: Part,
    /// `None`: the work can always be cancelled.
    pub(crate) abandoned: Option<Part>,
}

/// The holders of turns, and the requests that wait for one.
#[derive(Debug)]
pub(crate) struct Turns {
    bounds: Bounds,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    all: Count,
    /// Counts of tenants that hold a turn.
    tenants: HashMap<Arc<str>, Count>,
    /// Counts of plugins that hold a turn.
    plugins: HashMap<Arc<str>, Count>,
    /// Counts of accounts that hold a turn.
    accounts: HashMap<Account, Count>,
    waiting: HashMap<Arc<str>, WaitingTenant>,
    /// Waiting tenants. The one at the front has waited longest for its turn.
    order: VecDeque<Arc<str>>,
    /// The number of the next waiting request.
    next: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Count {
    held: usize,
    abandoned: usize,
}

#[derive(Debug, Default)]
struct WaitingTenant {
    /// The waiting requests of each plugin, in the order in which they came.
    plugins: HashMap<Arc<str>, BTreeMap<u64, oneshot::Sender<Turn>>>,
    /// Waiting plugins, in the same order as the tenants.
    order: VecDeque<Arc<str>>,
}

/// A turn, which is held until it is dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    turns: Arc<Turns>,
    account: Account,
    abandoned: bool,
}

/// A turn for a waiting request.
type Given = (oneshot::Sender<Turn>, Account);

impl Turns {
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self { bounds, state: Mutex::default() }
    }

    /// Returns the number of free turns.
    pub(crate) fn free(&self) -> usize {
        self.bounds.held.in_all.saturating_sub(self.lock().all.held)
    }

    /// Waits for a turn. Dropping the future gives up the place in the order.
    pub(crate) async fn take(self: &Arc<Self>, account: &Account) -> Turn {
        let mut wait = self.wait(account);
        match (&mut wait.given).await {
            Ok(turn) => turn,
            // A waiting request stays in the order until it has its turn.
            Err(_) => std::future::pending().await,
        }
    }

    fn wait(self: &Arc<Self>, account: &Account) -> Wait {
        let (give, given) = oneshot::channel();
        let mut state = self.lock();
        let number = state.enter(account, give);
        let wait = Wait { turns: Arc::clone(self), account: account.clone(), number, given };
        self.serve(state);
        wait
    }

    /// Gives out all free turns.
    fn serve(self: &Arc<Self>, mut state: MutexGuard<'_, State>) {
        let given: Vec<Given> = std::iter::from_fn(|| state.give_next(&self.bounds)).collect();
        drop(state);
        for (give, account) in given {
            // If the request is gone, its turn is dropped here, and the next request gets it.
            drop(give.send(Turn { turns: Arc::clone(self), account, abandoned: false }));
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn enter(&mut self, account: &Account, give: oneshot::Sender<Turn>) -> u64 {
        let number = self.next;
        self.next += 1;
        let tenant = self.waiting.entry(Arc::clone(&account.tenant)).or_insert_with(|| {
            self.order.push_back(Arc::clone(&account.tenant));
            WaitingTenant::default()
        });
        let plugin = tenant.plugins.entry(Arc::clone(&account.plugin)).or_insert_with(|| {
            tenant.order.push_back(Arc::clone(&account.plugin));
            BTreeMap::new()
        });
        plugin.insert(number, give);
        number
    }

    /// Removes a request that gives up, or that has had its turn.
    fn leave(&mut self, account: &Account, number: u64) {
        let Some(tenant) = self.waiting.get_mut(&account.tenant) else { return };
        let Some(plugin) = tenant.plugins.get_mut(&account.plugin) else { return };
        plugin.remove(&number);
        if plugin.is_empty() {
            tenant.plugins.remove(&account.plugin);
            tenant.order.retain(|other| *other != account.plugin);
        }
        if tenant.plugins.is_empty() {
            self.waiting.remove(&account.tenant);
            self.order.retain(|other| *other != account.tenant);
        }
    }

    /// Removes the next request from the order, and counts its turn.
    fn give_next(&mut self, bounds: &Bounds) -> Option<Given> {
        if self.all.held >= bounds.held.in_all {
            return None;
        }
        let (tenant_at, plugin_at) = self.order.iter().enumerate().find_map(|(tenant_at, tenant)| {
            let plugins = &self.waiting.get(tenant)?.order;
            let plugin_at = plugins.iter().position(|plugin| {
                self.may_hold_one_more(&Account { tenant: tenant.clone(), plugin: plugin.clone() }, bounds)
            })?;
            Some((tenant_at, plugin_at))
        })?;
        let tenant = self.order.remove(tenant_at)?;
        let waiting = self.waiting.get_mut(&tenant)?;
        let plugin = waiting.order.remove(plugin_at)?;
        let of_plugin = waiting.plugins.get_mut(&plugin)?;
        let (_, give) = of_plugin.pop_first()?;
        if of_plugin.is_empty() {
            waiting.plugins.remove(&plugin);
        } else {
            waiting.order.push_back(Arc::clone(&plugin));
        }
        if waiting.plugins.is_empty() {
            self.waiting.remove(&tenant);
        } else {
            self.order.push_back(Arc::clone(&tenant));
        }
        let account = Account { tenant, plugin };
        self.count(&account, |count| count.held += 1);
        Some((give, account))
    }

    fn may_hold_one_more(&self, account: &Account, bounds: &Bounds) -> bool {
        let of_tenant = count_of(&self.tenants, &account.tenant);
        let of_plugin = count_of(&self.plugins, &account.plugin);
        // Other plugins hold the tenant's turns, and this plugin would get none until those end.
        let has_none = count_of(&self.accounts, account).sum() == 0;
        if of_plugin.held >= bounds.held.of_plugin || of_tenant.held >= bounds.held.of_tenant && !has_none {
            return false;
        }
        let Some(abandoned) = bounds.abandoned else { return true };
        of_plugin.sum() < abandoned.of_plugin
            && (of_tenant.sum() < abandoned.of_tenant || has_none)
            // If all places are taken, an account without a running turn may have one: its servers need not hang.
            && (self.all.sum() < abandoned.in_all || of_tenant.sum() + of_plugin.sum() == 0)
    }

    fn may_abandon_one_more(&self, account: &Account, bounds: &Bounds) -> bool {
        bounds.abandoned.is_some_and(|abandoned| {
            self.all.abandoned < abandoned.in_all
                && count_of(&self.tenants, &account.tenant).abandoned < abandoned.of_tenant
                && count_of(&self.plugins, &account.plugin).abandoned < abandoned.of_plugin
        })
    }

    /// Changes the counts of all concerned. Drops a count of zero: there may be any number of tenants.
    fn count(&mut self, account: &Account, change: impl Fn(&mut Count)) {
        change(&mut self.all);
        change_count(&mut self.tenants, &account.tenant, &change);
        change_count(&mut self.plugins, &account.plugin, &change);
        change_count(&mut self.accounts, account, &change);
    }
}

fn change_count<K: Clone + Hash + Eq>(counts: &mut HashMap<K, Count>, name: &K, change: impl Fn(&mut Count)) {
    let mut count = count_of(counts, name);
    change(&mut count);
    if count == Count::default() {
        counts.remove(name);
    } else {
        counts.insert(name.clone(), count);
    }
}

fn count_of<K: Hash + Eq>(counts: &HashMap<K, Count>, name: &K) -> Count {
    counts.get(name).copied().unwrap_or_default()
}

impl Count {
    fn sum(self) -> usize {
        self.held + self.abandoned
    }
}

impl Turn {
    /// Makes room for another turn, while the work of this one continues. If there are already too many abandoned
    /// turns, nothing changes, and it counts as before.
    pub(crate) fn abandon(&mut self) {
        let mut state = self.turns.lock();
        if self.abandoned || !state.may_abandon_one_more(&self.account, &self.turns.bounds) {
            return;
        }
        self.abandoned = true;
        state.count(&self.account, |count| {
            count.held -= 1;
            count.abandoned += 1;
        });
        self.turns.serve(state);
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut state = self.turns.lock();
        let abandoned = self.abandoned;
        state.count(&self.account, |count| if abandoned { count.abandoned -= 1 } else { count.held -= 1 });
        self.turns.serve(state);
    }
}

/// A place in the order.
struct Wait {
    turns: Arc<Turns>,
    account: Account,
    number: u64,
    given: oneshot::Receiver<Turn>,
}

impl Drop for Wait {
    fn drop(&mut self) {
        self.turns.lock().leave(&self.account, self.number);
    }
}

#[cfg(test)]
mod tests;
