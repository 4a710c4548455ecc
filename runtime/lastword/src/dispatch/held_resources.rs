//! What the dispatcher holds, for tests.

use std::collections::BTreeMap;

use super::dispatcher::Dispatcher;
use super::queue::Queue;

/// See [`Runtime::held_resources`](crate::Runtime::held_resources).
pub(crate) fn held_by(dispatcher: &Dispatcher) -> BTreeMap<&'static str, u64> {
    let state = dispatcher.state();
    let (scheduler, queues) = (state.scheduler(), state.queues());
    let (fair, plugins, memory) = (scheduler.fair(), scheduler.plugins(), scheduler.memory());
    let of_queues = |count: fn(&Queue) -> u64| queues.iter().map(count).sum();
    let mut held = BTreeMap::from([
        ("memory that plugins' calls have", memory.held()),
        ("queues that wait for memory", count(memory.waiting())),
        ("ends with workers", of_queues(|q| u64::from(q.ends_taken))),
        ("failed ends that are being written down", of_queues(|q| u64::from(q.ends_being_recorded))),
        ("deliveries that are ready", count(fair.ready_deliveries())),
        ("deliveries that are ready, by queue", of_queues(|q| count(q.ready_len()))),
        ("queues that are ready", count(fair.ready_queues())),
        ("queues that want slots", count(plugins.all_wanting())),
        ("queues that are parked", count(plugins.all_parked())),
        ("deliveries that tenants are owed", scheduler.tenants().all_owed()),
        ("deferrals of which the observer is to be notified, by tenant", count(scheduler.gates().unnotified())),
    ]);
    held.extend(scheduler.slots().held());
    held.extend(state.held());
    held
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
