//! Plugins that are being uninstalled: their calls are under way, or the outcomes of these calls are on their way. Meanwhile nobody else
//! has their numbers and their queues.

use std::collections::BTreeMap;

use lastword_events::PluginName;

use super::ids::QueueId;
use crate::installed::PluginNumber;
use crate::queued_delivery::QueuedDelivery;

/// All of these plugins, by number.
#[derive(Debug, Default)]
pub(super) struct UninstallingPlugins(BTreeMap<PluginNumber, UninstallingPlugin>);

/// What is left of an uninstalled plugin.
#[derive(Debug)]
struct UninstallingPlugin {
    name: PluginName,
    /// The plugin's queues. No tenant has these queues any more, and nothing new comes into them.
    queues: Vec<QueueId>,
    /// Deliveries that workers have brought back, and that are still owed.
    brought_back: Vec<QueuedDelivery>,
}

/// How far the uninstalling of a plugin is.
#[derive(Debug)]
pub(crate) enum UninstallStep {
    /// Workers have brought these deliveries back. Nobody calls the plugin with them any more.
    BroughtBack(Vec<QueuedDelivery>),
    /// Calls of the plugin are under way, or their outcomes are on their way.
    Waits,
    /// Nothing of the plugin is left. Another plugin may have its number.
    Over,
}

impl UninstallingPlugins {
    pub(super) fn add(&mut self, plugin: PluginNumber, name: PluginName, queues: Vec<QueueId>) {
        self.0.insert(plugin, UninstallingPlugin { name, queues, brought_back: Vec::new() });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn has(&self, plugin: PluginNumber) -> bool {
        self.0.contains_key(&plugin)
    }

    pub(super) fn has_name(&self, name: &PluginName) -> bool {
        self.0.values().any(|uninstalling| uninstalling.name == *name)
    }

    /// Whether another plugin of this name is being uninstalled, beside the one with this number.
    pub(super) fn has_name_beside(&self, plugin: PluginNumber, name: &PluginName) -> bool {
        self.0.iter().any(|(number, uninstalling)| *number != plugin && uninstalling.name == *name)
    }

    /// Keeps a delivery that a worker has brought back, until the uninstalling takes it. The plugin has to be [one of these](Self::has).
    pub(super) fn keep_for_uninstall(&mut self, plugin: PluginNumber, delivery: QueuedDelivery) {
        if let Some(uninstalling) = self.0.get_mut(&plugin) {
            uninstalling.brought_back.push(delivery);
        }
    }

    /// Takes the deliveries that workers have brought back since the last time.
    pub(super) fn take_brought_back(&mut self, plugin: PluginNumber) -> Vec<QueuedDelivery> {
        self.0.get_mut(&plugin).map(|uninstalling| std::mem::take(&mut uninstalling.brought_back)).unwrap_or_default()
    }

    /// Forgets a plugin of which nothing is left, and gives its queues.
    pub(super) fn remove(&mut self, plugin: PluginNumber) -> Vec<QueueId> {
        self.0.remove(&plugin).map(|uninstalling| uninstalling.queues).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::super::dispatcher::Dispatcher;
    use super::super::finished_call::FinishedCall;
    use super::super::memory_admission::PluginMemory;
    use super::super::state::plugins;
    use super::super::tests::{bring_back, calls, dispatcher, drain, owe, queue_of};
    use super::super::worker_step::{ConcludedSlice, Slice, WorkerStep};
    use super::*;

    const SESSIONS: u64 = 40;

    /// The deliveries that workers take of plugin 0, for two tenants. The deliveries of the other plugin are made.
    fn taken_of_first(dispatcher: &Dispatcher) -> Vec<Slice> {
        let mut taken = Vec::new();
        while let WorkerStep::Serve(slice) = dispatcher.next(None, &[]) {
            if slice.plugin == 0 {
                taken.push(slice);
            } else {
                bring_back(dispatcher, slice.queue, slice.jobs, false);
            }
        }
        taken
    }

    fn take_out(dispatcher: &Dispatcher) -> usize {
        let name = PluginName::new("first").unwrap();
        let taken = plugins::take_out(&mut dispatcher.state(), 0, &name);
        taken.into_iter().map(Iterator::count).sum()
    }

    fn queues_of(dispatcher: &Dispatcher, tenant: &str) -> Vec<(PluginNumber, QueueId)> {
        dispatcher.state().scheduler().tenants().queues_of(tenant).unwrap().to_vec()
    }

    #[test]
    fn a_number_and_its_queues_are_anothers_only_when_nothing_is_left() {
        let dispatcher = dispatcher(16, 2);
        owe(&dispatcher, "t", &calls(None), SESSIONS);
        owe(&dispatcher, "u", &calls(None), SESSIONS);
        let queues = [queue_of(&dispatcher, "t"), queue_of(&dispatcher, "u")];
        let mut taken = taken_of_first(&dispatcher);
        let begun: usize = taken.iter().map(|slice| slice.jobs.len()).sum();
        assert!(taken.len() >= 2 && begun >= 4);
        assert_eq!(take_out(&dispatcher) + begun, 2 * usize::try_from(SESSIONS).unwrap());
        assert!(matches!(plugins::uninstall_step(&mut dispatcher.state(), 0), UninstallStep::Waits));
        assert!(queues_of(&dispatcher, "t").iter().all(|(plugin, _)| *plugin == 1));
        let mut left = 0;
        while let Some(Slice { queue, mut jobs, .. }) = taken.pop() {
            // The first delivery is made, the second has failed, and the others were not begun.
            let [made, failed] = [jobs.pop().unwrap(), jobs.pop().unwrap()];
            bring_back(&dispatcher, queue, vec![made], false);
            bring_back(&dispatcher, queue, vec![failed], true);
            left += jobs.len() + 1;
            let (finished, without_hook) = (Vec::<FinishedCall>::new(), Vec::new());
            let time = std::time::Duration::ZERO;
            dispatcher.take_back(ConcludedSlice { queue, time, finished, unstarted: jobs, without_hook });
        }
        assert!(matches!(dispatcher.next(None, &[]), WorkerStep::Idle(None)), "nothing of it is tried again");
        let step = plugins::uninstall_step(&mut dispatcher.state(), 0);
        assert!(matches!(step, UninstallStep::BroughtBack(brought_back) if brought_back.len() == left));
        let mut state = dispatcher.state();
        assert!(matches!(plugins::uninstall_step(&mut state, 0), UninstallStep::Over));
        assert!(plugins::remove(&mut state, 0) && state.is_quiet() && state.uninstalling().is_empty());
        assert_eq!(state.scheduler().tenants().all_owed(), 0);
        plugins::add(&mut state, 0, PluginMemory::default(), false, |tenant| tenant == "u", 5);
        let new = state.scheduler().tenants().queues_of("u").unwrap().iter().find(|(plugin, _)| *plugin == 0);
        assert!(new.is_some_and(|(_, queue)| queues.contains(queue)), "its queues are used again");
        drop(state);
        assert_eq!(queues_of(&dispatcher, "t").len(), 1);
    }

    #[test]
    fn in_a_drain_a_number_is_nobody_elses_because_its_account_is_in_the_queues() {
        let dispatcher = dispatcher(16, 2);
        owe(&dispatcher, "t", &calls(None), 1);
        let taken = taken_of_first(&dispatcher);
        take_out(&dispatcher);
        let cut_at = std::time::Instant::now() + std::time::Duration::from_secs(60);
        dispatcher.begin_drain(drain(cut_at), std::collections::HashMap::new());
        for Slice { queue, jobs, .. } in taken {
            bring_back(&dispatcher, queue, jobs, true);
        }
        let mut state = dispatcher.state();
        assert!(matches!(plugins::uninstall_step(&mut state, 0), UninstallStep::BroughtBack(left) if left.len() == 1));
        assert!(matches!(plugins::uninstall_step(&mut state, 0), UninstallStep::Over));
        assert!(!plugins::remove(&mut state, 0) && state.uninstalling().is_empty());
    }
}
