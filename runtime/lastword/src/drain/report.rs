//! The report of a drain.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::time::Duration;

use lastword_events::{DRAIN_WARNING, DrainReason, DrainReport, DrainWarning, PluginDrain, PluginName, PluginRest};

use crate::dispatch::{ClosedAccount, ClosedQueue};
use crate::installed::{InstalledId, InstalledPlugins, PluginNumber};
use crate::limits::{MAX_REPORTED, MAX_WARNINGS};

/// Makes a drain's report.
pub(super) struct Reporter<'a> {
    pub(super) installed: &'a InstalledPlugins,
}

impl Reporter<'_> {
    /// Makes the report. The queues of `account` are used up.
    pub(super) fn make(&self, reason: DrainReason, budget: Duration, account: &mut ClosedAccount) -> DrainReport {
        let mut report = DrainReport::empty(reason, budget);
        report.sessions = account.sessions;
        for ClosedQueue { tally, .. } in &account.queues {
            report.delivered += tally.delivered;
            report.failed += tally.failed;
            report.deferred += tally.deferred;
            report.timed_out |= tally.timed_out;
        }
        let place = |plugin| self.installed.get(plugin).map(|one| one.id);
        let rest = most_undelivered_first(&mut account.queues, MAX_REPORTED, place);
        report.plugins = account.queues.iter().filter_map(|queue| self.line(queue)).collect();
        report.rest = self.rest(&rest);
        report.warnings =
            self.warnings(&mut account.queues, rest.iter().filter(|queue| has_undelivered(queue)).count());
        report
    }

    /// The line of one pair of tenant and plugin.
    fn line(&self, queue: &ClosedQueue) -> Option<PluginDrain> {
        let plugin = self.installed.get(queue.plugin)?;
        let mut line = PluginDrain::new(queue.tenant.clone(), plugin.name().clone());
        line.delivered = queue.tally.delivered;
        line.failed = queue.tally.failed;
        line.deferred = queue.tally.deferred;
        line.broken = queue.tally.broken;
        Some(line)
    }

    /// One line for each plugin name.
    fn rest(&self, queues: &[ClosedQueue]) -> Vec<PluginRest> {
        let mut lines: HashMap<&PluginName, (InstalledId, PluginRest)> = HashMap::new();
        for ClosedQueue { plugin, tally, .. } in queues {
            let Some(installed) = self.installed.get(*plugin) else { continue };
            let new = || (installed.id, PluginRest::new(installed.name().clone()));
            let (first, line) = lines.entry(installed.name()).or_insert_with(new);
            *first = installed.id.min(*first);
            line.tenants += 1;
            line.delivered += tally.delivered;
            line.failed += tally.failed;
            line.deferred += tally.deferred;
        }
        let mut lines: Vec<(InstalledId, PluginRest)> = lines.into_values().collect();
        lines.sort_unstable_by_key(|(first, _)| *first);
        lines.into_iter().map(|(_, line)| line).collect()
    }

    /// Warns by name of the pairs of tenant and plugin with the most undelivered ends. `more` pairs are not among `queues`.
    fn warnings(&self, queues: &mut Vec<ClosedQueue>, more: usize) -> Vec<DrainWarning> {
        queues.retain(has_undelivered);
        let place = |plugin| self.installed.get(plugin).map(|one| one.id);
        let more = more + most_undelivered_first(queues, MAX_WARNINGS, place).len();
        let mut warnings: Vec<DrainWarning> = queues.iter().filter_map(|queue| self.warning(queue)).collect();
        if more > 0 {
            warnings.push(DrainWarning::new(
                DRAIN_WARNING,
                format!("and deliveries of {more} more pairs of tenant and plugin"),
            ));
        }
        warnings
    }

    fn warning(&self, ClosedQueue { tenant, plugin, tally }: &ClosedQueue) -> Option<DrainWarning> {
        let plugin = self.installed.get(*plugin)?.name();
        let causes: Vec<String> = tally.causes.iter().map(|(outcome, count)| format!("{count} {outcome}")).collect();
        let message = format!(
            "{} of {} session-end deliveries of plugin {plugin} (tenant {tenant}) were not made: {}",
            tally.failed + tally.deferred,
            tally.owed(),
            causes.join(", ")
        );
        Some(DrainWarning::new(DRAIN_WARNING, message))
    }
}

fn has_undelivered(queue: &ClosedQueue) -> bool {
    queue.tally.failed + queue.tally.deferred > 0
}

/// Keeps in `queues` the `most` queues with the most undelivered ends, in the order of their plugins' places. Gives the others.
fn most_undelivered_first<T: Ord>(
    queues: &mut Vec<ClosedQueue>,
    most: usize,
    place: impl Fn(PluginNumber) -> T,
) -> Vec<ClosedQueue> {
    if queues.len() > most {
        let undelivered = |queue: &ClosedQueue| Reverse(queue.tally.failed + queue.tally.deferred);
        queues.select_nth_unstable_by_key(most, undelivered);
    }
    let others = queues.split_off(most.min(queues.len()));
    queues.sort_by(|a, b| (place(a.plugin), &a.tenant).cmp(&(place(b.plugin), &b.tenant)));
    others
}

#[cfg(test)]
mod tests {
    use lastword_events::Deferral;

    use super::*;

    fn queue(tenant: &str, plugin: usize, deferred: u64) -> ClosedQueue {
        let mut queue = ClosedQueue { tenant: tenant.into(), plugin, tally: Default::default() };
        queue.tally.defer(Deferral::Budget, deferred);
        queue
    }

    fn names(queues: &[ClosedQueue]) -> Vec<(&str, usize)> {
        queues.iter().map(|queue| (&*queue.tenant, queue.plugin)).collect()
    }

    #[test]
    fn the_sums_are_those_of_all_pairs_and_of_those_that_are_not_named_it_is_said_how_many_there_are() {
        let installed = InstalledPlugins::default();
        let reporter = Reporter { installed: &installed };
        let make = |queues| {
            let mut account = ClosedAccount { queues, sessions: 7, ..ClosedAccount::default() };
            reporter.make(DrainReason::Shutdown, Duration::from_secs(2), &mut account)
        };
        let mut made = queue("a", 0, 0);
        made.tally.delivered = 3;
        let mut failed = queue("b", 0, 0);
        failed.tally.failed = 4;
        let report = make(vec![made, failed, queue("c", 0, 5), queue("d", 0, 6)]);
        assert_eq!((report.sessions, report.delivered, report.failed, report.deferred), (7, 3, 4, 11));
        assert!(report.timed_out && report.warnings.is_empty(), "nobody has these plugins' names");
        let report = make(vec![queue("a", 0, 0)]);
        assert!(!report.timed_out && report.warnings.is_empty());
        let many = MAX_REPORTED + 5;
        let mut queues: Vec<ClosedQueue> = (0..many).map(|n| queue(&format!("t{n}"), 0, 1)).collect();
        queues.extend((0..10).map(|n| queue(&format!("made{n}"), 0, 0)));
        let report = make(queues);
        let said = format!("and deliveries of {} more pairs of tenant and plugin", many - MAX_WARNINGS);
        assert_eq!(report.warnings.iter().map(|warning| warning.message.as_str()).collect::<Vec<_>>(), [said]);
    }

    #[cfg(feature = "test-util")]
    #[test]
    fn each_pair_has_its_line_and_its_warning_and_where_there_are_many_the_others_share_a_line_for_each_plugin() {
        use lastword_events::{FailureCause, Hook, Outcome};

        use crate::sandbox::Plugin;
        use crate::tenants::Tenants;

        let plugin = |name| {
            let (name, hooks) = (PluginName::new(name).unwrap(), [Hook::SessionEnd].into_iter().collect());
            (Plugin::native(name, hooks, |_| Outcome::Delivered).unwrap(), Tenants::Every)
        };
        let installed = InstalledPlugins::new(vec![plugin("second"), plugin("first")]).unwrap();
        let reporter = Reporter { installed: &installed };
        let make = |queues| {
            let mut account = ClosedAccount { queues, ..ClosedAccount::default() };
            reporter.make(DrainReason::Shutdown, Duration::from_secs(2), &mut account)
        };
        let mut failed = queue("a", 1, 0);
        (0..2).for_each(|_| failed.tally.add(&Outcome::Delivered));
        failed.tally.add(&Outcome::Failed { cause: FailureCause::Retry, message: String::new() });
        let mut broken = queue("b", 0, 1);
        broken.tally.defer(Deferral::Breaker, 3);
        broken.tally.broken = true;
        let mut made = queue("c", 1, 0);
        made.tally.add(&Outcome::Delivered);
        let report = make(vec![made, failed, broken]);
        let lines = report
            .plugins
            .iter()
            .map(|one| (&*one.tenant, one.plugin.as_str(), one.delivered, one.failed, one.deferred, one.broken));
        let expected = [("b", "second", 0, 0, 4, true), ("a", "first", 2, 1, 0, false), ("c", "first", 1, 0, 0, false)];
        assert_eq!(lines.collect::<Vec<_>>(), expected);
        let of_second = "4 of 4 session-end deliveries of plugin second (tenant b) were not made: \
                         3 deferred(breaker), 1 deferred(budget)";
        let of_first = "1 of 3 session-end deliveries of plugin first (tenant a) were not made: 1 failed(retry)";
        assert_eq!(report.warnings.iter().map(|one| one.message.as_str()).collect::<Vec<_>>(), [of_second, of_first]);
        assert!(report.rest.is_empty());

        let mut queues: Vec<ClosedQueue> = (0..MAX_REPORTED).map(|n| queue(&format!("t{n}"), 1, 9)).collect();
        queues.extend((0..3).map(|n| queue(&format!("u{n}"), 1, 2)));
        for n in 0..2 {
            let mut other = queue(&format!("u{n}"), 0, 1);
            (other.tally.delivered, other.tally.failed) = (4, 3);
            queues.push(other);
        }
        let report = make(queues);
        assert!(report.plugins.len() == MAX_REPORTED && report.plugins.iter().all(|one| one.deferred == 9));
        let rest =
            report.rest.iter().map(|one| (one.plugin.as_str(), one.tenants, one.delivered, one.failed, one.deferred));
        assert_eq!(rest.collect::<Vec<_>>(), [("second", 2, 8, 6, 2), ("first", 3, 0, 0, 6)]);
        assert_eq!(report.warnings.len(), MAX_WARNINGS + 1);
    }

    #[test]
    fn those_that_most_was_not_delivered_of_are_named_in_the_order_of_the_configuration() {
        let mut queues = vec![queue("c", 1, 3), queue("b", 0, 0), queue("a", 1, 9), queue("a", 0, 1), queue("b", 1, 2)];
        let others = most_undelivered_first(&mut queues, 3, |plugin| plugin);
        assert_eq!(names(&queues), [("a", 1), ("b", 1), ("c", 1)]);
        assert_eq!(others.len(), 2);
        assert!(most_undelivered_first(&mut queues, 3, |plugin| plugin).is_empty());
    }
}
