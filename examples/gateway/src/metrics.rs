//! Metrics for Prometheus: counters and histograms that the observer keeps, and what there is at the moment of a scrape.
//!
//! No metric has a tenant: there may be thousands, and each would be a series for each metric. `GET /deliveries` looks at one.

use lastword::{PluginStats, Runtime};
use prometheus::core::Collector;
use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, Result,
    TextEncoder,
};

/// Seconds. A call takes microseconds, its deadline is 500 ms by default.
const CALL_BUCKETS: [f64; 10] = [1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 5e-1];
/// Seconds. A commit takes a millisecond on a disk that is well, and up to some hundred on one that is not.
const COMMIT_BUCKETS: [f64; 9] = [3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1.0, 3.0];
/// What labels a call.
const CALL: [&str; 2] = ["plugin", "hook"];

/// What is counted as it happens.
pub(crate) struct Metrics {
    registry: Registry,
    pub(crate) calls: IntCounterVec,
    pub(crate) repeated_calls: IntCounterVec,
    pub(crate) outcomes: IntCounterVec,
    pub(crate) call_duration: HistogramVec,
    pub(crate) fuel: IntCounterVec,
    pub(crate) recorded: IntCounterVec,
    pub(crate) commits: IntCounterVec,
    pub(crate) commit_duration: Histogram,
    pub(crate) committed_bytes: IntCounter,
    pub(crate) breakers_opened: IntCounterVec,
    pub(crate) refusals: IntCounterVec,
}

impl Metrics {
    pub(crate) fn new() -> Result<Self> {
        let registry = Registry::new();
        let counters = |name: &str, help: &str, labels: &[&str]| {
            registered(&registry, IntCounterVec::new(Opts::new(name, help), labels)?)
        };
        let call_duration = HistogramOpts::new("lastword_call_duration_seconds", "Time of calls, by the clock");
        let commit_duration = HistogramOpts::new("lastword_commit_duration_seconds", "Time of the journal's commits");
        let commit_duration = Histogram::with_opts(commit_duration.buckets(COMMIT_BUCKETS.into()))?;
        let committed_bytes =
            IntCounter::new("lastword_committed_bytes_total", "Bytes that the journal has committed")?;
        Ok(Self {
            calls: counters("lastword_calls_total", "Calls of plugins that have begun", &CALL)?,
            repeated_calls: counters(
                "lastword_repeated_calls_total",
                "Of those, the ones that were no first attempt",
                &CALL,
            )?,
            outcomes: counters(
                "lastword_outcomes_total",
                "How attempts ended: delivered, failed or deferred, and why",
                &["plugin", "hook", "outcome", "cause"],
            )?,
            call_duration: registered(
                &registry,
                HistogramVec::new(call_duration.buckets(CALL_BUCKETS.into()), &CALL)?,
            )?,
            fuel: counters("lastword_fuel_total", "Units of fuel that calls have used", &CALL)?,
            recorded: counters(
                "lastword_recorded_total",
                "Outcomes on record: the delivery is delivered, owed again or dead",
                &["plugin", "settlement"],
            )?,
            commits: counters("lastword_commits_total", "The journal's commits, and those that failed", &["result"])?,
            commit_duration: registered(&registry, commit_duration)?,
            committed_bytes: registered(&registry, committed_bytes)?,
            breakers_opened: counters(
                "lastword_breakers_opened_total",
                "Pairs of tenant and plugin that a drain calls no more",
                &["plugin"],
            )?,
            refusals: counters("lastword_refusals_total", "Requests that were refused", &["hook", "code"])?,
            registry,
        })
    }

    /// Everything, in the text format of Prometheus.
    pub(crate) fn scrape(&self, runtime: &Runtime) -> Result<String> {
        Ok(self.counted()? + &present(runtime)?)
    }

    /// What was counted as it happened.
    pub(crate) fn counted(&self) -> Result<String> {
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }
}

/// What there is now. In a registry of its own: a plugin that is gone has no line, and two scrapes at once do not meet.
fn present(runtime: &Runtime) -> Result<String> {
    let registry = Registry::new();
    let gauge = |name: &str, help: &str, value: u64| -> Result<()> {
        registered(&registry, IntGauge::new(name, help)?)?.set(as_i64(value));
        Ok(())
    };
    let (stats, recovered) = (runtime.stats(), runtime.recovered());
    gauge("lastword_sessions", "Active sessions", stats.sessions)?;
    gauge(
        "lastword_unwritten_bytes",
        "Bytes that plugins have stored and that are not on the disk yet",
        stats.unwritten_bytes,
    )?;
    gauge(
        "lastword_recovered_sessions",
        "Active sessions that the start has found in the journal",
        recovered.sessions,
    )?;
    gauge(
        "lastword_recovered_deliveries",
        "Owed deliveries that the start has found in the journal",
        recovered.deliveries,
    )?;
    let deliveries = IntGaugeVec::new(
        Opts::new("lastword_deliveries", "Deliveries that were not made, by what they wait for"),
        &["plugin", "state"],
    )?;
    let deliveries = registered(&registry, deliveries)?;
    for PluginStats { plugin, ready, running, waiting, dead, orphaned, .. } in stats.plugins {
        // Plugins of one name, each of its tenant, are one series.
        let states =
            [("ready", ready), ("running", running), ("waiting", waiting), ("dead", dead), ("orphaned", orphaned)];
        for (state, count) in states {
            deliveries.with_label_values(&[plugin.as_str(), state]).add(as_i64(count));
        }
    }
    TextEncoder::new().encode_to_string(&registry.gather())
}

fn registered<C: Collector + Clone + 'static>(registry: &Registry, collector: C) -> Result<C> {
    registry.register(Box::new(collector.clone()))?;
    Ok(collector)
}

fn as_i64(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
