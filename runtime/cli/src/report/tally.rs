//! Counts the outcomes of the calls of each pair of tenant and plugin during a drain.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use lastword_events::{Deferral, Outcome, PluginName};

use super::bins::{Bins, Ended, Scale, nanos};
use crate::limits::MAX_PICTURED_PAIRS;

/// A tenant and one of its plugins.
pub(super) type Pair = (Arc<str>, PluginName);

/// The outcomes of one pair's calls.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    pub(super) delivered: u64,
    /// Failures by cause.
    pub(super) failed: BTreeMap<&'static str, u64>,
    /// Calls that were running when the time was over.
    pub(super) cut: u64,
    /// Deliveries that were deferred without a call, as far as they were reported, by reason.
    pub(super) not_begun: BTreeMap<&'static str, u64>,
    /// The time of all calls together, in nanoseconds.
    pub(super) time: u64,
    pub(super) bins: Bins,
}

impl Tally {
    /// Adds another pair's counts.
    pub(super) fn merge(&mut self, other: Self) {
        self.delivered += other.delivered;
        self.cut += other.cut;
        self.time = self.time.saturating_add(other.time);
        for (mine, others) in [(&mut self.failed, other.failed), (&mut self.not_begun, other.not_begun)] {
            for (why, times) in others {
                *mine.entry(why).or_default() += times;
            }
        }
        self.bins.merge(other.bins);
    }
}

/// The pairs of one drain.
#[derive(Debug)]
pub(crate) struct Tallies {
    pub(super) began: Instant,
    pub(super) scale: Scale,
    pub(super) pairs: HashMap<Pair, Tally>,
    /// The counts of the pairs that there was no room for.
    pub(super) rest: Tally,
    /// The time after which the first delivery was reported that the time did not suffice for.
    pub(super) cut: Option<Duration>,
}

/// The report of one delivery.
#[derive(Clone, Copy, Debug)]
pub(super) struct Told<'a> {
    pub(super) tenant: &'a Arc<str>,
    pub(super) plugin: &'a PluginName,
    /// When its call began. `None` if it was not begun.
    pub(super) since: Option<Instant>,
    pub(super) until: Instant,
}

impl Tallies {
    pub(super) fn begin(began: Instant, budget: Duration) -> Self {
        Self { began, scale: Scale::of(budget), pairs: HashMap::new(), rest: Tally::default(), cut: None }
    }

    pub(super) fn add(&mut self, told: Told<'_>, outcome: &Outcome) {
        let no_time = matches!(outcome, Outcome::Deferred(Deferral::Budget | Deferral::Journal));
        if no_time && self.cut.is_none() {
            self.cut = Some(told.until.saturating_duration_since(self.began));
        }
        // The beginning of an outcome without a call is unknown.
        let since = told.since.unwrap_or(told.until);
        match outcome {
            Outcome::Delivered => self.call(told, since, Ended::Delivered).delivered += 1,
            Outcome::Failed { cause, .. } => {
                *self.call(told, since, Ended::Failed).failed.entry(cause.as_str()).or_default() += 1;
            }
            Outcome::Deferred(_) if told.since.is_some() => self.add_cut(told, since),
            Outcome::Deferred(why) => *self.tally(told).not_begun.entry(why.as_str()).or_default() += 1,
        }
    }

    /// Adds a call that was running when the time was over.
    pub(super) fn add_cut(&mut self, told: Told<'_>, since: Instant) {
        self.call(told, since, Ended::Cut).cut += 1;
    }

    fn call(&mut self, told: Told<'_>, since: Instant, ended: Ended) -> &mut Tally {
        let (began, scale) = (self.began, self.scale);
        let [from, until] = [since, told.until].map(|at| nanos(at.saturating_duration_since(began)));
        let tally = self.tally(told);
        tally.bins.add(scale, ended, (from, until));
        tally.time = tally.time.saturating_add(until.saturating_sub(from));
        tally
    }

    fn tally(&mut self, told: Told<'_>) -> &mut Tally {
        let has_room = self.pairs.len() < MAX_PICTURED_PAIRS;
        match self.pairs.entry((told.tenant.clone(), told.plugin.clone())) {
            Entry::Occupied(pair) => pair.into_mut(),
            Entry::Vacant(pair) if has_room => pair.insert(Tally::default()),
            Entry::Vacant(_) => &mut self.rest,
        }
    }
}

#[cfg(test)]
mod tests {
    use lastword_events::FailureCause;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn each_outcome_counts_once_and_calls_have_their_time() {
        let began = Instant::now();
        let mut tallies = Tallies::begin(began, 100 * MS);
        let (tenant, plugin) = (Arc::from("acme"), PluginName::new("memory").unwrap());
        let told = |since: Option<u32>, until: u32| Told {
            tenant: &tenant,
            plugin: &plugin,
            since: since.map(|since| began + since * MS),
            until: began + until * MS,
        };
        let failed = Outcome::Failed { cause: FailureCause::Trap("exit".to_owned()), message: String::new() };
        tallies.add(told(Some(1), 3), &Outcome::Delivered);
        tallies.add(told(Some(1), 4), &failed);
        tallies.add(told(None, 5), &Outcome::Deferred(Deferral::Breaker));
        assert_eq!(tallies.cut, None, "the breaker is no end of the time");
        tallies.add(told(Some(0), 90), &Outcome::Deferred(Deferral::Budget));
        tallies.add(told(None, 91), &Outcome::Deferred(Deferral::Budget));
        let tally = &tallies.pairs[&(tenant.clone(), plugin.clone())];
        assert_eq!((tally.delivered, tally.cut, tally.time), (1, 1, 95_000_000));
        assert_eq!(tally.failed, BTreeMap::from([("trap", 1)]));
        assert_eq!(tally.not_begun, BTreeMap::from([("breaker", 1), ("budget", 1)]));
        assert_eq!(tallies.cut, Some(90 * MS));
    }

    #[test]
    fn there_is_room_for_so_many_pairs_and_the_others_are_one() {
        let began = Instant::now();
        let mut tallies = Tallies::begin(began, 100 * MS);
        let plugin = PluginName::new("memory").unwrap();
        for tenant in 0..MAX_PICTURED_PAIRS + 7 {
            let tenant = Arc::from(tenant.to_string());
            let told = Told { tenant: &tenant, plugin: &plugin, since: Some(began), until: began + MS };
            tallies.add(told, &Outcome::Delivered);
        }
        assert_eq!((tallies.pairs.len(), tallies.rest.delivered), (MAX_PICTURED_PAIRS, 7));
    }
}
