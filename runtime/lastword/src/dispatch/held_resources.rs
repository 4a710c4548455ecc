//! What the dispatcher holds, for tests.

use super::dispatcher::Dispatcher;
use super::queue::Queue;
use super::state::State;
use super::tenant::Tenant;
use crate::held_resources::Held;

impl Dispatcher {
    /// See [`Runtime::held_resources`](crate::Runtime::held_resources).
    pub(crate) fn held(&self) -> Held {
        let state = self.state.lock();
        let State { fair, queues, accounts, plugins, .. } = &*state;
        let of_queues = |count: fn(&Queue) -> usize| queues.iter().map(count).sum();
        let of_tenants = |count: fn(&Tenant) -> u64| accounts.iter().map(count).sum();
        Held::from([
            ("slots", u64::from(state.taken)),
            ("slots, by queue", queues.iter().map(|q| u64::from(q.taken)).sum()),
            ("slots, by tenant", of_tenants(|tenant| u64::from(tenant.calls))),
            ("slots, by plugin", plugins.iter().map(|plugin| u64::from(plugin.taken)).sum()),
            ("memory that tenants' calls have reserved", of_tenants(|tenant| tenant.memory)),
            ("memory that plugins' calls have", plugins.iter().map(|plugin| plugin.memory.held()).sum()),
            ("queues that wait for memory", count(plugins.iter().map(|plugin| plugin.memory.waiting()).sum())),
            ("ends with workers", queues.iter().map(|q| u64::from(q.ends_taken)).sum()),
            ("failures that are being written down", u64::from(state.unwritten)),
            ("failed ends that are being written down", queues.iter().map(|q| u64::from(q.ends_unwritten)).sum()),
            ("deliveries that are ready", count(fair.ready_deliveries())),
            ("deliveries that are ready, by queue", count(of_queues(Queue::ready_len))),
            ("queues that are ready", count(fair.ready_queues())),
            ("queues that want slots", count(plugins.iter().map(|plugin| plugin.wanting).sum())),
            ("queues that are parked", count(plugins.iter().map(|plugin| plugin.parked.len()).sum())),
            ("deliveries that tenants are owed", of_tenants(|tenant| tenant.owed)),
            ("deliveries that are suspect", count(state.suspects.held())),
            ("deferrals that are to be told", u64::from(!state.waiting.is_idle())),
            ("deferrals that are to be told, by tenant", count(accounts.iter().map(|tenant| tenant.unnotified).sum())),
        ])
    }
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
