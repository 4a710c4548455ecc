//! Plugins that are installed and uninstalled, in the queues.

use lastword_events::PluginName;

use super::super::job::Job;
use super::super::memory_admission::PluginMemory;
use super::super::uninstalling::UninstallStep;
use super::super::unstarted::Unstarted;
use super::State;
use crate::installed::PluginNumber;

/// Adds a plugin under a number that nobody has. `serves` says for which tenants.
pub(in crate::dispatch) fn add(
    state: &mut State,
    plugin: PluginNumber,
    memory: PluginMemory,
    reads_orphans: bool,
    serves: impl Fn(&str) -> bool,
    breaker_threshold: u32,
) {
    let served = state.scheduler.tenants().known(serves);
    let numbers = served.iter().map(|(number, _)| *number);
    let queues = state.scheduler.add_plugin(plugin, memory, reads_orphans, numbers);
    for ((_, tenant), id) in served.into_iter().zip(queues) {
        state.make_queue(id, tenant, plugin, breaker_threshold);
    }
}

/// Takes out a plugin that is uninstalled. Gives, queue by queue, what it was owed and nobody has begun. The plugin is owed none of that
/// any more, but the ends in it still count as undelivered.
pub(in crate::dispatch) fn take_out(state: &mut State, plugin: PluginNumber, name: &PluginName) -> Vec<Unstarted> {
    let queues = state.scheduler.take_out_plugin(plugin);
    let mut taken = Vec::new();
    for &queue in &queues {
        let suspects = state.suspects.take_of(queue);
        let Some(q) = state.queues.get_mut(queue) else { continue };
        q.ready.extend(suspects.into_iter().map(Job::Queued));
        let unstarted = q.take_all();
        if unstarted.len() > 0 {
            state.scheduler.remove_owed(queue, unstarted.len());
            state.update_ready(queue);
            taken.push(unstarted);
        }
    }
    state.uninstalling.add(plugin, name.clone(), queues);
    taken
}

/// How far the uninstalling of a plugin is.
pub(in crate::dispatch) fn uninstall_step(state: &mut State, plugin: PluginNumber) -> UninstallStep {
    let brought_back = state.uninstalling.take_brought_back(plugin);
    if !brought_back.is_empty() {
        UninstallStep::BroughtBack(brought_back)
    } else if state.scheduler.has_nothing_of(plugin) {
        UninstallStep::Over
    } else {
        UninstallStep::Waits
    }
}

/// Removes an uninstalled plugin of which nothing is left. Says whether its number and its queues are free. In a drain they are not,
/// because the queues hold the drain's account.
pub(in crate::dispatch) fn remove(state: &mut State, plugin: PluginNumber) -> bool {
    let queues = state.uninstalling.remove(plugin);
    let are_free = state.drain.is_none();
    if are_free {
        // A delivery that was withdrawn from one of these queues cannot be restored to it.
        queues.iter().for_each(|&queue| state.end_stamp(queue));
        state.scheduler.remove_plugin(plugin, queues);
    }
    are_free
}

/// Everything that was orphaned under the plugin's name is in its queues now. If the plugin has `waited` for that, the events that arrived
/// meanwhile follow, and its calls begin.
pub(in crate::dispatch) fn end_orphans(state: &mut State, plugin: PluginNumber, waited: bool) {
    state.scheduler.plugin_gates_mut().end_orphans(plugin, waited);
    if !waited {
        return;
    }
    let now = state.time.now();
    for queue in 0..state.queues.len() {
        let Some(q) = state.queues.get_mut(queue).filter(|q| q.plugin == plugin) else { continue };
        for delivery in q.take_held() {
            let Some(q) = state.queues.get_mut(queue) else { continue };
            let ready = q.push_held(delivery, now);
            state.make_ready(queue, ready);
        }
    }
    state.apply_plugin_gate(plugin);
}
