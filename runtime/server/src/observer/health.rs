//! The health of each plugin in its last calls.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use lastword::OutcomeRecord;
use lastword::events::{Outcome, PluginName, Timestamp};
use parking_lot::Mutex;

use crate::limits::{FAILURES_THAT_ARE_WRONG, MAX_RECENT_PAIRS, RECENT_CALLS};

/// The last calls of each plugin for each tenant. Each version of a plugin has calls of its own.
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

/// The last calls of the newest version of a plugin that was called for a tenant, oldest first.
struct Calls {
    version: Version,
    last: VecDeque<Call>,
}

/// A copy of the calls with the plugin's name, to be read without the lock.
struct Copied {
    plugin: PluginName,
    version: Version,
    last: Vec<Call>,
}

/// A version of a plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Version {
    /// Newer versions have higher numbers.
    number: u32,
    /// Whether the plugin belongs to the tenant.
    scoped: bool,
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
    /// The number of the version that had these calls.
    pub(crate) version: u32,
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

    fn of(plugin: PluginName, tenant: Option<Arc<str>>, version: u32, mut calls: Vec<Call>) -> Option<Self> {
        calls.sort_unstable_by_key(|call| call.number);
        let calls = calls.get(calls.len().saturating_sub(RECENT_CALLS)..).unwrap_or_default();
        let last = calls.last()?;
        let failed = calls.iter().filter(|call| call.failed.is_some()).count();
        let mut walls: Vec<Duration> = calls.iter().map(|call| call.wall).collect();
        walls.sort_unstable();
        Some(Self {
            plugin,
            tenant,
            version,
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

/// A version of a plugin: its name, its tenant if it is a scoped one, and the version's number.
type VersionKey = (PluginName, Option<Arc<str>>, u32);

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
        let version = Version { number: record.version, scoped: record.scoped };
        self.state.lock().put(tenant, plugin, version, call);
    }

    /// Returns the health of each version of each plugin, over all tenants.
    pub(super) fn of_all(&self) -> Vec<Health> {
        let mut by_version: BTreeMap<VersionKey, Vec<Call>> = BTreeMap::new();
        let tenants: Vec<Arc<str>> = self.state.lock().tenants.keys().cloned().collect();
        // One tenant at a time, so that the end of a call waits for one tenant's at most.
        for tenant in tenants {
            let copied = self.state.lock().copy_of(&tenant);
            for Copied { plugin, version: Version { number, scoped }, last } in copied {
                let all = by_version.entry((plugin, scoped.then(|| tenant.clone()), number)).or_default();
                all.extend(last);
                forget_older(all);
            }
        }
        by_version
            .into_iter()
            .filter_map(|((plugin, tenant, version), calls)| Health::of(plugin, tenant, version, calls))
            .collect()
    }

    /// Returns the health of each plugin in its calls for this tenant: of the newest version that was called for it.
    pub(super) fn of_tenant(&self, tenant: &Arc<str>) -> Vec<Health> {
        let mut plugins = self.state.lock().copy_of(tenant);
        plugins.sort_unstable_by(|one, other| Ord::cmp(&one.plugin, &other.plugin));
        let health = plugins.into_iter().filter_map(|Copied { plugin, version: Version { number, scoped }, last }| {
            Health::of(plugin, scoped.then(|| tenant.clone()), number, last)
        });
        health.collect()
    }
}

impl State {
    fn put(&mut self, tenant: &Arc<str>, plugin: &PluginName, version: Version, call: Call) {
        self.numbered += 1;
        let call = Call { number: self.numbered, ..call };
        if let Some(calls) = self.tenants.get_mut(tenant).and_then(|plugins| plugins.get_mut(plugin)) {
            if calls.version.number > version.number {
                // The version was replaced while the call was under way.
                return;
            }
            if calls.version != version {
                *calls = Calls::of(version);
            }
            calls.put(call);
            return;
        }
        if self.pairs >= MAX_RECENT_PAIRS {
            self.forget_half();
        }
        let mut calls = Calls::of(version);
        calls.put(call);
        self.tenants.entry(tenant.clone()).or_default().insert(plugin.clone(), calls);
        self.pairs += 1;
    }

    fn copy_of(&self, tenant: &Arc<str>) -> Vec<Copied> {
        let plugins = self.tenants.get(tenant).into_iter().flatten();
        let copied = plugins.map(|(plugin, calls)| {
            let last = calls.last.iter().copied().collect();
            Copied { plugin: plugin.clone(), version: calls.version, last }
        });
        copied.collect()
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
    fn of(version: Version) -> Self {
        Self { version, last: VecDeque::new() }
    }

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

    fn shared(number: u32) -> Version {
        Version { number, scoped: false }
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
            calls.state.lock().put(&a, &memory, shared(1), call(9_000, Some("trap")));
        }
        for millis in 1..=128 {
            calls.state.lock().put(&a, &memory, shared(1), call(millis, None));
        }
        let health = calls.of_all().remove(0);
        assert_eq!((health.delivered, health.failed, health.cause), (128, 0, None));
        assert_eq!((health.median, health.p99), (Duration::from_millis(64), Duration::from_millis(127)));
        assert_eq!((health.peak_memory, health.is_wrong()), (128_000, false));
        for _ in 0..FAILURES_THAT_ARE_WRONG {
            calls.state.lock().put(&a, &memory, shared(1), call(1, Some("deadline")));
        }
        let health = calls.of_tenant(&a).remove(0);
        assert_eq!((health.failures_in_a_row, health.cause, health.is_wrong()), (3, Some("deadline"), true));
        calls.state.lock().put(&a, &memory, shared(1), call(1, None));
        assert!(!calls.of_all().remove(0).is_wrong());
    }

    #[test]
    fn a_tenant_is_told_of_its_own_calls_and_who_sees_all_of_each_plugin_once() {
        let calls = RecentCalls::default();
        let (a, b) = (Arc::from("a"), Arc::from("b"));
        for (tenant, name, scoped) in [(&a, "memory", false), (&b, "memory", false), (&b, "own", true)] {
            calls.state.lock().put(tenant, &plugin(name), Version { number: 1, scoped }, call(1, None));
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
    fn each_version_is_judged_by_its_own_calls_also_by_those_that_end_after_it_was_replaced() {
        let calls = RecentCalls::default();
        let (a, b) = (Arc::from("a"), Arc::from("b"));
        let put = |tenant: &Arc<str>, number, failed| {
            calls.state.lock().put(tenant, &plugin("memory"), shared(number), call(1, failed));
        };
        let shown = |health: Vec<Health>| -> Vec<(u32, usize, usize)> {
            health.iter().map(|one| (one.version, one.delivered, one.failures_in_a_row)).collect()
        };
        put(&a, 1, Some("trap"));
        put(&a, 2, None);
        // These were under way when it was replaced. The first tenant has a call of the new version, and the second has none.
        put(&a, 1, Some("trap"));
        put(&b, 1, Some("trap"));
        assert_eq!(shown(calls.of_all()), [(1, 0, 1), (2, 1, 0)]);
        assert_eq!((shown(calls.of_tenant(&a)), shown(calls.of_tenant(&b))), (vec![(2, 1, 0)], vec![(1, 0, 1)]));
        put(&b, 2, None);
        assert_eq!(shown(calls.of_all()), [(2, 2, 0)]);
    }

    #[test]
    fn of_however_many_tenants_the_last_calls_of_a_plugin_are_looked_at() {
        let calls = RecentCalls::default();
        for n in 0..20_u64 {
            for _ in 0..RECENT_CALLS {
                calls.state.lock().put(&format!("t{n}").into(), &plugin("memory"), shared(1), call(n, None));
            }
        }
        let health = calls.of_all().remove(0);
        assert_eq!((health.delivered, health.median), (RECENT_CALLS, Duration::from_millis(19)));
    }

    #[test]
    fn ever_new_tenants_push_out_those_that_were_called_longest_ago() {
        let calls = RecentCalls::default();
        for n in 0..3 * MAX_RECENT_PAIRS {
            calls.state.lock().put(&format!("t{n}").into(), &plugin("memory"), shared(1), call(1, None));
        }
        let newest = Arc::from(format!("t{}", 3 * MAX_RECENT_PAIRS - 1));
        assert_eq!((calls.of_tenant(&newest).len(), calls.of_tenant(&Arc::from("t0")).len()), (1, 0));
        let state = calls.state.lock();
        assert!(state.pairs <= MAX_RECENT_PAIRS && state.tenants.len() == state.pairs, "{}", state.pairs);
    }
}
