//! Counts of each plugin's deliveries and of what it has stored. They are kept as they change, so that reading them does not cost more
//! where there are more tenants.

use crate::installed::PluginNumber;

/// The counts, by the plugins' numbers.
#[derive(Debug, Default)]
pub(super) struct PluginCounts(Vec<PluginCount>);

/// The counts of one plugin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct PluginCount {
    /// Deliveries that may begin.
    pub(super) ready: u64,
    /// Deliveries in the plugin's queues and lanes, and with workers.
    pub(super) owed: u64,
    /// Deferrals that an observer is to be notified of.
    unnotified: u64,
    /// Bytes that the plugin has stored and the journal has not written.
    unwritten: u64,
}

/// Deliveries of one plugin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct InstalledCounts {
    /// Deliveries that may begin.
    pub(crate) ready: u64,
    /// Deliveries that workers have.
    pub(crate) running: u64,
    /// Deliveries that wait for a retry, for an older event of their session, or for the record of a failure.
    pub(crate) waiting: u64,
}

impl PluginCounts {
    pub(super) fn get(&self, plugin: PluginNumber) -> PluginCount {
        self.0.get(plugin).copied().unwrap_or_default()
    }

    /// Notes that a queue of the plugin had `before` deliveries that may begin, and has `now`.
    pub(super) fn change_ready(&mut self, plugin: PluginNumber, before: usize, now: usize) {
        if before != now {
            self.change(plugin, |count| count.ready = (count.ready + wide(now)).saturating_sub(wide(before)));
        }
    }

    pub(super) fn add_owed(&mut self, plugin: PluginNumber, deliveries: u64) {
        self.change(plugin, |count| count.owed += deliveries);
    }

    pub(super) fn remove_owed(&mut self, plugin: PluginNumber, deliveries: u64) {
        self.change(plugin, |count| count.owed = count.owed.saturating_sub(deliveries));
    }

    pub(super) fn add_unnotified(&mut self, plugin: PluginNumber, deferrals: usize) {
        self.change(plugin, |count| count.unnotified += wide(deferrals));
    }

    pub(super) fn notified(&mut self, plugin: PluginNumber) {
        self.change(plugin, |count| count.unnotified = count.unnotified.saturating_sub(1));
    }

    pub(super) fn add_unwritten(&mut self, plugin: PluginNumber, bytes: u64) {
        self.change(plugin, |count| count.unwritten = count.unwritten.saturating_add(bytes));
    }

    pub(super) fn written(&mut self, plugin: PluginNumber, bytes: u64) {
        self.change(plugin, |count| count.unwritten = count.unwritten.saturating_sub(bytes));
    }

    /// Whether all counts of the plugin are 0.
    pub(super) fn has_nothing_of(&self, plugin: PluginNumber) -> bool {
        self.get(plugin) == PluginCount::default()
    }

    fn change(&mut self, plugin: PluginNumber, change: impl FnOnce(&mut PluginCount)) {
        if self.0.len() <= plugin {
            self.0.resize(plugin + 1, PluginCount::default());
        }
        if let Some(count) = self.0.get_mut(plugin) {
            change(count);
        }
    }
}

fn wide(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Change = fn(&mut PluginCounts);

    #[test]
    fn something_is_left_of_a_plugin_as_long_as_any_of_its_counts_is_not_0() {
        let changes: [(Change, Change); 4] = [
            (|counts| counts.change_ready(1, 0, 2), |counts| counts.change_ready(1, 2, 0)),
            (|counts| counts.add_owed(1, 3), |counts| counts.remove_owed(1, 3)),
            (|counts| counts.add_unnotified(1, 1), |counts| counts.notified(1)),
            (|counts| counts.add_unwritten(1, 5), |counts| counts.written(1, 5)),
        ];
        for (begin, end) in changes {
            let mut counts = PluginCounts::default();
            begin(&mut counts);
            assert!(!counts.has_nothing_of(1) && counts.has_nothing_of(0) && counts.has_nothing_of(2));
            end(&mut counts);
            assert!(counts.has_nothing_of(1));
        }
    }

    #[test]
    fn what_is_counted_is_what_came_less_what_went() {
        let mut counts = PluginCounts::default();
        counts.add_owed(0, 5);
        counts.add_owed(0, 2);
        counts.remove_owed(0, 3);
        counts.change_ready(0, 0, 3);
        counts.change_ready(0, 3, 3);
        counts.change_ready(0, 1, 4);
        let PluginCount { ready, owed, .. } = counts.get(0);
        assert_eq!((ready, owed), (6, 4), "of two queues");
    }
}
