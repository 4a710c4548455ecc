//! A gate for each plugin: all reasons for which no call of the plugin begins, for whatever tenant.
//!
//! An embedder may have paused the plugin. Or the plugin was installed just now, and what was orphaned under its name is still being read:
//! that goes out before anything newer, so everything waits. The queues of a plugin whose gate is closed are out of the order, and looking
//! for work costs nothing for them.

use crate::installed::PluginNumber;

/// Why calls of one plugin do not begin.
#[derive(Clone, Copy, Debug, Default)]
struct PluginGate {
    /// How many guards pause the plugin.
    pauses: u32,
    /// How many tasks read what was orphaned under the plugin's name.
    orphan_readers: u32,
    /// The plugin waits for the first of those tasks.
    waits_for_orphans: bool,
}

/// The gates of all plugins. Whoever changes a gate applies it to the order, see
/// [`Scheduler::apply_plugin_gate`](super::scheduler::Scheduler::apply_plugin_gate).
#[derive(Debug, Default)]
pub(super) struct PluginGates {
    /// By number.
    gates: Vec<PluginGate>,
    /// A drain has begun: pauses do not count any more.
    pauses_are_over: bool,
}

impl PluginGates {
    /// Opens the gate of a plugin that has this number from now on.
    pub(super) fn reset(&mut self, plugin: PluginNumber) {
        self.change(plugin, |gate| *gate = PluginGate::default());
    }

    fn get(&self, plugin: PluginNumber) -> PluginGate {
        self.gates.get(plugin).copied().unwrap_or_default()
    }

    fn change(&mut self, plugin: PluginNumber, change: impl FnOnce(&mut PluginGate)) {
        if self.gates.len() <= plugin {
            self.gates.resize(plugin + 1, PluginGate::default());
        }
        if let Some(gate) = self.gates.get_mut(plugin) {
            change(gate);
        }
    }

    pub(super) fn is_closed(&self, plugin: PluginNumber) -> bool {
        let PluginGate { pauses, waits_for_orphans, .. } = self.get(plugin);
        waits_for_orphans || (pauses > 0 && !self.pauses_are_over)
    }

    /// Pauses the plugin once more.
    pub(super) fn pause(&mut self, plugin: PluginNumber) {
        self.change(plugin, |gate| gate.pauses += 1);
    }

    /// Undoes one pause of the plugin.
    pub(super) fn resume(&mut self, plugin: PluginNumber) {
        self.change(plugin, |gate| gate.pauses = gate.pauses.saturating_sub(1));
    }

    /// Ends all pauses for good. Gives the plugins that are paused.
    pub(super) fn end_pauses(&mut self) -> Vec<PluginNumber> {
        self.pauses_are_over = true;
        self.gates.iter().enumerate().filter(|(_, gate)| gate.pauses > 0).map(|(plugin, _)| plugin).collect()
    }

    /// Whether any plugin is paused, or was when a drain began.
    pub(super) fn are_paused(&self) -> bool {
        self.gates.iter().any(|gate| gate.pauses > 0)
    }

    /// Notes that a task reads what was orphaned under the plugin's name. `waits`: no call of the plugin begins before that is done.
    pub(super) fn begin_orphans(&mut self, plugin: PluginNumber, waits: bool) {
        self.change(plugin, |gate| {
            gate.orphan_readers += 1;
            gate.waits_for_orphans |= waits;
        });
    }

    /// Notes that such a task has read everything. `waited`: it is the task that the plugin waits for.
    pub(super) fn end_orphans(&mut self, plugin: PluginNumber, waited: bool) {
        self.change(plugin, |gate| {
            gate.orphan_readers = gate.orphan_readers.saturating_sub(1);
            gate.waits_for_orphans &= !waited;
        });
    }

    /// Whether the plugin waits for its orphans: newer events are kept behind them.
    pub(super) fn waits_for_orphans(&self, plugin: PluginNumber) -> bool {
        self.get(plugin).waits_for_orphans
    }

    /// Whether a task reads the plugin's orphans.
    pub(super) fn reads_orphans(&self, plugin: PluginNumber) -> bool {
        self.get(plugin).orphan_readers > 0
    }

    /// Whether a task reads the orphans of any plugin.
    pub(super) fn some_read_orphans(&self) -> bool {
        self.gates.iter().any(|gate| gate.orphan_readers > 0)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    use lastword_events::{Event, EventKey, Session, SessionStart};

    use super::super::dispatcher::Dispatcher;
    use super::super::ids::QueueId;
    use super::super::job::Job;
    use super::super::tests::{bring_back, calls, dispatcher, drain, owe, queue_of};
    use super::super::worker_step::{Slice, WorkerStep};
    use super::*;
    use crate::queued_delivery::QueuedDelivery;

    /// What plugins are called with next, as (plugin, session).
    fn serve(dispatcher: &Dispatcher) -> Vec<(PluginNumber, u64)> {
        let mut served = Vec::new();
        while let WorkerStep::Serve(Slice { queue, plugin, jobs, .. }) = dispatcher.next(None, &[]) {
            let session = |job: &Job| if let Job::Queued(one) = job { one.sequence } else { panic!("an end") };
            served.extend(jobs.iter().map(|taken| (plugin, session(&taken.job))));
            bring_back(dispatcher, queue, jobs, false);
        }
        served
    }

    fn change(dispatcher: &Dispatcher, change: impl FnOnce(&mut PluginGates)) {
        let mut state = dispatcher.state();
        change(state.scheduler_mut().plugin_gates_mut());
        state.apply_plugin_gate(0);
    }

    fn start(n: u64) -> QueuedDelivery {
        let event = Arc::new(Event::Start(SessionStart::default()));
        QueuedDelivery::new(n, EventKey::Start, &Arc::new(Session::new("t", "s")), &event)
    }

    #[test]
    fn of_a_paused_plugin_nothing_begins_and_it_takes_nothing_from_the_others() {
        let dispatcher = dispatcher(16, 2);
        dispatcher.state().scheduler_mut().plugin_gates_mut().pause(0);
        owe(&dispatcher, "t", &calls(Some(4)), 100);
        dispatcher.state().apply_plugin_gate(0);
        owe(&dispatcher, "u", &calls(None), 3);
        {
            let state = dispatcher.state();
            assert_eq!(state.scheduler().fair().ready_deliveries(), 103, "those of the other plugin");
            assert_eq!(state.scheduler().counts_of(0).ready, 103, "and what waits is counted");
        }
        let WorkerStep::Serve(slice) = dispatcher.next(None, &[]) else { panic!("the other plugin") };
        assert_eq!((slice.plugin, slice.jobs.len()), (1, 4), "all calls of its tenant");
        bring_back(&dispatcher, slice.queue, slice.jobs, false);
        assert!(serve(&dispatcher).iter().all(|(plugin, _)| *plugin == 1) && dispatcher.state().is_quiet());
        change(&dispatcher, |gates| gates.resume(0));
        assert_eq!(serve(&dispatcher).len(), 103);
    }

    #[test]
    fn a_drain_ends_a_pause_and_what_may_take_the_process_down_is_held_back_by_one() {
        let dispatcher = dispatcher(16, 2);
        owe(&dispatcher, "t", &calls(None), 0);
        change(&dispatcher, |gates| gates.pause(0));
        let queue: QueueId = queue_of(&dispatcher, "t");
        let suspect = QueuedDelivery { suspect: true, ..start(1) };
        dispatcher.state().push(queue, suspect);
        owe(&dispatcher, "u", &calls(None), 1);
        assert_eq!(serve(&dispatcher), [(1, 0)], "nobody waits for it");
        assert!(matches!(dispatcher.next(None, &[]), WorkerStep::Idle(None)) && dispatcher.state().is_quiet());
        let cut_at = Instant::now() + Duration::from_secs(60);
        dispatcher.begin_drain(drain(cut_at), HashMap::new());
        let mut served = serve(&dispatcher);
        served.sort_unstable();
        assert_eq!(served, [(0, 0), (0, 1)]);
    }

    #[test]
    fn what_comes_while_orphans_are_read_follows_them() {
        let dispatcher = dispatcher(16, 2);
        owe(&dispatcher, "t", &calls(None), 0);
        let queue = queue_of(&dispatcher, "t");
        change(&dispatcher, |gates| gates.begin_orphans(0, true));
        let mut state = dispatcher.state();
        state.push(queue, start(7));
        state.push_orphan(queue, start(1));
        state.push(queue, start(8));
        state.push_orphan(queue, start(2));
        assert!(!state.is_quiet(), "they are to come");
        assert_eq!(state.scheduler().counts_of(0).ready, 1, "of one session");
        drop(state);
        assert_eq!(serve(&dispatcher), []);
        dispatcher.end_orphans(0, true);
        assert_eq!(serve(&dispatcher), [(0, 1), (0, 2), (0, 7), (0, 8)]);
        assert!(dispatcher.state().is_quiet() && dispatcher.state().scheduler().tenants().all_owed() == 0);
    }

    #[test]
    fn a_pause_lasts_until_the_last_guard_is_gone_or_a_drain_begins_and_orphans_are_read_in_a_drain_too() {
        let mut gates = PluginGates::default();
        gates.begin_orphans(1, true);
        gates.begin_orphans(1, false);
        gates.pause(0);
        gates.pause(0);
        gates.resume(0);
        assert_eq!([gates.is_closed(0), gates.is_closed(1), gates.is_closed(2)], [true, true, false]);
        assert_eq!(gates.end_pauses(), [0]);
        assert_eq!([gates.is_closed(0), gates.is_closed(1)], [false, true]);
        gates.end_orphans(1, true);
        assert!(gates.reads_orphans(1) && !gates.is_closed(1));
        gates.resume(0);
        gates.end_orphans(1, false);
        assert!(!gates.are_paused() && !gates.some_read_orphans() && !gates.is_closed(1));
    }
}
