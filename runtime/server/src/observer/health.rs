//! The health of each plugin in its last calls.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use lastword::OutcomeRecord;
use lastword::events::{Outcome, PluginKey, PluginName, Timestamp};
use parking_lot::Mutex;

use crate::limits::{FAILURES_THAT_ARE_WRONG, MAX_RECENT_PAIRS, RECENT_CALLS};

/// The last calls of each plugin for each tenant.
#[derive(Default)]
pub(super) struct RecentCalls {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    tenants: HashMap<Arc<str>, HashMap<PluginName, Calls>>,
    /// Pairs of tenant and plugin.
    pairs: usize,
    /// Calls so far.
    numbered: u64,
}

/// The last calls of a plugin for a tenant, oldest first.
struct Calls {
    scoped: bool,
    last: VecDeque<Call>,
}

/// A copy of the calls with the plugin's name, to be read without the lock.
struct Copied {
    plugin: PluginName,
    scoped: bool,
    last: Vec<Call>,
}

/// One call.
#[derive(Clone, Copy, Debug)]
struct Call {
    /// The order of all calls.
    number: u64,
    at: Timestamp,
    /// Why the call failed, in the outcome's word. `None`: it was delivered.
    failed: Option<&'static str>,
    wall: Duration,
    peak_memory: u64,
}

/// A plugin's health in its last calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Health {
    pub(crate) plugin: PluginName,
    /// The tenant of a scoped plugin.
    pub(crate) tenant: Option<Arc<str>>,
    pub(crate) delivered: usize,
    pub(crate) failed: usize,
    /// Failures since the last call that was delivered.
    pub(crate) failures_in_a_row: usize,
    /// Why the last call failed. `None`: it was delivered.
    pub(crate) cause: Option<&'static str>,
    /// Half of the calls took no longer.
    pub(crate) median: Duration,
    /// 99 of 100 calls took no longer.
    pub(crate) p99: Duration,
    /// The largest memory of a call, in bytes.
    pub(crate) peak_memory: u64,
    /// When the last call ended.
    pub(crate) last: Timestamp,
}

impl Health {
    /// Whether the plugin fails repeatedly.
    pub(crate) fn is_wrong(&self) -> bool {
        self.failures_in_a_row >= FAILURES_THAT_ARE_WRONG
    }

    fn of(plugin: &PluginName, tenant: Option<&Arc<str>>, mut calls: Vec<Call>) -> Option<Self> {
        calls.sort_unstable_by_key(|call| call.number);
        let calls = calls.get(calls.len().saturating_sub(RECENT_CALLS)..).unwrap_or_default();
        let last = calls.last()?;
        let failed = calls.iter().filter(|call| call.failed.is_some()).count();
        let mut walls: Vec<Duration> = calls.iter().map(|call| call.wall).collect();
        walls.sort_unstable();
        Some(Self {
            plugin: plugin.clone(),
            tenant: tenant.cloned(),
            delivered: calls.len() - failed,
            failed,
            failures_in_a_row: calls.iter().rev().take_while(|call| call.failed.is_some()).count(),
            cause: last.failed,
            median: percentile(&walls, 50),
            p99: percentile(&walls, 99),
            peak_memory: calls.iter().map(|call| call.peak_memory).max().unwrap_or(0),
            last: last.at,
        })
    }
}

/// Returns the smallest duration that this percentage of the sorted durations do not exceed.
fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

/// Forgets calls that are not among the last ones. Runs rarely, because it looks at all calls.
fn forget_older(calls: &mut Vec<Call>) {
    if calls.len() > 8 * RECENT_CALLS {
        calls.sort_unstable_by_key(|call| Reverse(call.number));
        calls.truncate(RECENT_CALLS);
    }
}

impl RecentCalls {
    /// Records the end of a call. A deferred delivery had no attempt, so it says nothing of the plugin.
    pub(super) fn put(&self, record: &OutcomeRecord<'_>) {
        let failed = match record.outcome {
            Outcome::Delivered => None,
            Outcome::Failed { cause, .. } => Some(cause.as_str()),
            Outcome::Deferred(_) => return,
        };
        let (tenant, plugin) = (&record.session.identity.tenant, &record.id.plugin);
        let (wall, peak_memory) =
            record.report.map_or_else(Default::default, |report| (report.wall, report.peak_memory));
        let call = Call { number: 0, at: Timestamp::now(), failed, wall, peak_memory };
        self.state.lock().put(tenant, plugin, record.scoped, call);
    }

    /// Returns the health of each plugin, over all tenants.
    pub(super) fn of_all(&self) -> Vec<Health> {
        let mut by_plugin: BTreeMap<(PluginName, Option<Arc<str>>), Vec<Call>> = BTreeMap::new();
        let tenants: Vec<Arc<str>> = self.state.lock().tenants.keys().cloned().collect();
        // One tenant at a time, so that the end of a call waits for one tenant's at most.
        for tenant in tenants {
            let copied = self.state.lock().copy_of(&tenant);
            for Copied { plugin, scoped, last } in copied {
                let all = by_plugin.entry((plugin, scoped.then(|| tenant.clone()))).or_default();
                all.extend(last);
                forget_older(all);
            }
        }
        by_plugin
            .into_iter()
            .filter_map(|((plugin, tenant), calls)| Health::of(&plugin, tenant.as_ref(), calls))
            .collect()
    }

    /// Returns the health of each plugin in its calls for this tenant.
    pub(super) fn of_tenant(&self, tenant: &Arc<str>) -> Vec<Health> {
        let mut plugins = self.state.lock().copy_of(tenant);
        plugins.sort_unstable_by(|one, other| Ord::cmp(&one.plugin, &other.plugin));
        let health = plugins
            .into_iter()
            .filter_map(|Copied { plugin, scoped, last }| Health::of(&plugin, scoped.then_some(tenant), last));
        health.collect()
    }

    /// Forgets a plugin's calls: it was uninstalled, or another version replaced it.
    pub(super) fn forget(&self, key: &PluginKey) {
        self.state.lock().forget(key);
    }
}

impl State {
    fn put(&mut self, tenant: &Arc<str>, plugin: &PluginName, scoped: bool, call: Call) {
        self.numbered += 1;
        let call = Call { number: self.numbered, ..call };
        if let Some(calls) = self.tenants.get_mut(tenant).and_then(|plugins| plugins.get_mut(plugin)) {
            calls.scoped = scoped;
            calls.put(call);
            return;
        }
        if self.pairs >= MAX_RECENT_PAIRS {
            self.forget_half();
        }
        let mut calls = Calls { scoped, last: VecDeque::new() };
        calls.put(call);
        self.tenants.entry(tenant.clone()).or_default().insert(plugin.clone(), calls);
        self.pairs += 1;
    }

    fn copy_of(&self, tenant: &Arc<str>) -> Vec<Copied> {
        let plugins = self.tenants.get(tenant).into_iter().flatten();
        let copied = plugins.map(|(plugin, calls)| {
            let last = calls.last.iter().copied().collect();
            Copied { plugin: plugin.clone(), scoped: calls.scoped, last }
        });
        copied.collect()
    }

    fn forget(&mut self, key: &PluginKey) {
        self.tenants.retain(|tenant, plugins| {
            let is_meant = |calls: &Calls| match &key.tenant {
                Some(of) => calls.scoped && of == tenant,
                None => !calls.scoped,
            };
            if plugins.get(&key.name).is_some_and(is_meant) {
                plugins.remove(&key.name);
            }
            !plugins.is_empty()
        });
        self.pairs = self.tenants.values().map(HashMap::len).sum();
    }

    /// Forgets the half that was called longest ago. If it forgot one at a time, each call of one of many tenants would
    /// search all pairs.
    fn forget_half(&mut self) {
        let last_of = |calls: &Calls| calls.last.back().map_or(0, |call| call.number);
        let mut numbers: Vec<u64> = self.tenants.values().flat_map(HashMap::values).map(last_of).collect();
        numbers.sort_unstable();
        let middle = numbers.get(numbers.len() / 2).copied().unwrap_or(0);
        self.tenants.retain(|_, plugins| {
            plugins.retain(|_, calls| last_of(calls) > middle);
            !plugins.is_empty()
        });
        self.pairs = self.tenants.values().map(HashMap::len).sum();
    }
}

impl Calls {
    fn put(&mut self, call: Call) {
        if self.last.len() >= RECENT_CALLS {
            self.last.pop_front();
        }
        self.last.push_back(call);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plugin(name: &str) -> PluginName {
        PluginName::new(name).unwrap()
    }

    fn call(millis: u64, failed: Option<&'static str>) -> Call {
        let wall = Duration::from_millis(millis);
        Call { number: 0, at: Timestamp::from_millisecond(7), failed, wall, peak_memory: millis * 1000 }
    }

    #[test]
    fn percentiles_are_those_of_the_last_calls_and_failures_count_until_one_is_delivered() {
        let calls = RecentCalls::default();
        let (a, memory) = (Arc::from("a"), plugin("memory"));
        // These calls are forgotten.
        for _ in 0..RECENT_CALLS {
            calls.state.lock().put(&a, &memory, false, call(9_000, Some("trap")));
        }
        for millis in 1..=128 {
            calls.state.lock().put(&a, &memory, false, call(millis, None));
        }
        let health = calls.of_all().remove(0);
        assert_eq!((health.delivered, health.failed, health.cause), (128, 0, None));
        assert_eq!((health.median, health.p99), (Duration::from_millis(64), Duration::from_millis(127)));
        assert_eq!((health.peak_memory, health.is_wrong()), (128_000, false));
        for _ in 0..FAILURES_THAT_ARE_WRONG {
            calls.state.lock().put(&a, &memory, false, call(1, Some("deadline")));
        }
        let health = calls.of_tenant(&a).remove(0);
        assert_eq!((health.failures_in_a_row, health.cause, health.is_wrong()), (3, Some("deadline"), true));
        calls.state.lock().put(&a, &memory, false, call(1, None));
        assert!(!calls.of_all().remove(0).is_wrong());
    }

    #[test]
    fn a_tenant_is_told_of_its_own_calls_and_who_sees_all_of_each_plugin_once() {
        let calls = RecentCalls::default();
        let (a, b) = (Arc::from("a"), Arc::from("b"));
        for (tenant, name, scoped) in [(&a, "memory", false), (&b, "memory", false), (&b, "own", true)] {
            calls.state.lock().put(tenant, &plugin(name), scoped, call(1, None));
        }
        let shown = |health: Vec<Health>| -> Vec<String> {
            let names =
                health.iter().map(|one| format!("{} {:?} {}", one.plugin, one.tenant.as_deref(), one.delivered));
            names.collect()
        };
        assert_eq!(shown(calls.of_all()), ["memory None 2", "own Some(\"b\") 1"]);
        assert_eq!(shown(calls.of_tenant(&a)), ["memory None 1"]);
        assert_eq!(shown(calls.of_tenant(&b)), ["memory None 1", "own Some(\"b\") 1"]);
        assert!(calls.of_tenant(&Arc::from("nobody")).is_empty());
    }

    #[test]
    fn a_plugin_that_has_gone_is_forgotten_and_no_other_of_its_name() {
        let calls = RecentCalls::default();
        let (a, b) = (Arc::from("a"), Arc::from("b"));
        for (tenant, name, scoped) in [(&a, "memory", false), (&b, "memory", true), (&b, "other", false)] {
            calls.state.lock().put(tenant, &plugin(name), scoped, call(1, Some("trap")));
        }
        let shown = || -> Vec<String> {
            calls.of_all().iter().map(|one| format!("{} {:?}", one.plugin, one.tenant.as_deref())).collect()
        };
        calls.forget(&PluginKey::from(plugin("memory")));
        assert_eq!(shown(), ["memory Some(\"b\")", "other None"]);
        calls.forget(&PluginKey::from(plugin("memory")).scoped("b"));
        assert_eq!(shown(), ["other None"]);
        let state = calls.state.lock();
        assert_eq!((state.pairs, state.tenants.len()), (1, 1));
    }

    #[test]
    fn of_however_many_tenants_the_last_calls_of_a_plugin_are_looked_at() {
        let calls = RecentCalls::default();
        for n in 0..20_u64 {
            for _ in 0..RECENT_CALLS {
                calls.state.lock().put(&format!("t{n}").into(), &plugin("memory"), false, call(n, None));
            }
        }
        let health = calls.of_all().remove(0);
        assert_eq!((health.delivered, health.median), (RECENT_CALLS, Duration::from_millis(19)));
    }

    #[test]
    fn ever_new_tenants_push_out_those_that_were_called_longest_ago() {
        let calls = RecentCalls::default();
        for n in 0..3 * MAX_RECENT_PAIRS {
            calls.state.lock().put(&format!("t{n}").into(), &plugin("memory"), false, call(1, None));
        }
        let newest = Arc::from(format!("t{}", 3 * MAX_RECENT_PAIRS - 1));
        assert_eq!((calls.of_tenant(&newest).len(), calls.of_tenant(&Arc::from("t0")).len()), (1, 0));
        let state = calls.state.lock();
        assert!(state.pairs <= MAX_RECENT_PAIRS && state.tenants.len() == state.pairs, "{}", state.pairs);
    }
}
