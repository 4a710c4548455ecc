//! The metrics of `/metrics`.
//!
//! Label values are the runtime's own words, names of plugins and kinds of owners. [`MAX_PLUGIN_LABELS`] plugins and
//! [`MAX_KIND_LABELS`](crate::limits::MAX_KIND_LABELS) kinds have a value of their own. Tenants have one only if the
//! settings ask for it.

mod bounded;
mod scrape;

use lastword::events::{DrainReport, Hook, Outcome};
use lastword::{CallReport, Commit};
use parking_lot::Mutex;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use crate::limits::{MAX_PLUGIN_LABELS, MAX_TENANT_LABELS};
use crate::owners::Loss;
use bounded::BoundedLabel;
pub(crate) use scrape::Scraped;

/// Names and values.
type Labels<const N: usize> = [(&'static str, String); N];
type Counters<const N: usize> = Family<Labels<N>, Counter>;
type Gauges<const N: usize> = Family<Labels<N>, Gauge>;
type Histograms<const N: usize> = Family<Labels<N>, Histogram, fn() -> Histogram>;
type Seconds = Gauge<f64, std::sync::atomic::AtomicU64>;

/// From 100 µs, the time of a small guest, to 52 s.
fn durations() -> Histogram {
    Histogram::new(exponential_buckets(0.0001, 2.0, 20))
}

/// From 1000 units, which no useful guest stays below, to 10¹², ten times a call's default.
fn fuels() -> Histogram {
    Histogram::new(exponential_buckets(1e3, 10.0, 10))
}

/// All metrics.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    plugins: BoundedLabel,
    calls: Counters<3>,
    call_durations: Histograms<1>,
    call_fuel: Histograms<1>,
    call_waiting: Histograms<1>,
    refused: Counters<2>,
    commits: Histogram,
    commit_errors: Counter,
    commit_rows: Counters<1>,
    commit_bytes: Counter,
    owners_lost: Counters<1>,
    requests: Counters<3>,
    drained: Gauges<1>,
    drain_duration: Seconds,
    stream_missed: Counter,
    tenants: Option<(BoundedLabel, Counters<2>)>,
    scraped: scrape::Gauges,
    /// Serializes scrapes: each sets the values that it shows.
    scrapes: Mutex<()>,
}

impl Metrics {
    /// Makes the metrics. `with_tenants` counts calls by tenant as well.
    pub(crate) fn new(with_tenants: bool) -> Self {
        let mut registry = Registry::with_prefix("lastword");
        let tenants = with_tenants.then(|| (BoundedLabel::new(MAX_TENANT_LABELS), Counters::default()));
        let scraped = scrape::Gauges::register(&mut registry);
        let metrics = Self {
            plugins: BoundedLabel::new(MAX_PLUGIN_LABELS),
            calls: Family::default(),
            call_durations: Family::new_with_constructor(durations as fn() -> Histogram),
            call_fuel: Family::new_with_constructor(fuels as fn() -> Histogram),
            call_waiting: Family::new_with_constructor(durations as fn() -> Histogram),
            refused: Family::default(),
            commits: durations(),
            commit_errors: Counter::default(),
            commit_rows: Family::default(),
            commit_bytes: Counter::default(),
            owners_lost: Family::default(),
            requests: Family::default(),
            drained: Family::default(),
            drain_duration: Gauge::default(),
            stream_missed: Counter::default(),
            tenants,
            scraped,
            scrapes: Mutex::default(),
            registry,
        };
        metrics.registered()
    }

    fn registered(mut self) -> Self {
        let r = &mut self.registry;
        r.register("calls", "Calls of plugins, by how they ended", self.calls.clone());
        let seconds = Unit::Seconds;
        let help = "From a call's first poll to its answer";
        r.register_with_unit("call_duration", help, seconds.clone(), self.call_durations.clone());
        r.register("call_fuel", "Fuel that a call used", self.call_fuel.clone());
        let help = "What of a call's duration it was ready and others had the processor";
        r.register_with_unit("call_waiting", help, seconds.clone(), self.call_waiting.clone());
        r.register("refused", "Requests that were refused, by hook and code", self.refused.clone());
        let help = "Commits of the journal, from the first statement to the answer of the disk";
        r.register_with_unit("journal_commit", help, seconds.clone(), self.commits.clone());
        r.register("journal_commit_errors", "Commits that failed", self.commit_errors.clone());
        r.register(
            "journal_rows",
            "What was committed: requests' operations, and attempts' completions",
            self.commit_rows.clone(),
        );
        r.register_with_unit("journal_written", "What commits counted for", Unit::Bytes, self.commit_bytes.clone());
        r.register("owners_lost", "Owners that died, by how it was noticed", self.owners_lost.clone());
        r.register("http_requests", "Requests that were answered, by route", self.requests.clone());
        r.register("drain_ends", "What became of the ends that the last drain was owed", self.drained.clone());
        r.register_with_unit("drain_duration", "What the last drain took", seconds, self.drain_duration.clone());
        r.register("stream_missed", "Events that readers of a stream were too slow for", self.stream_missed.clone());
        if let Some((_, counters)) = &self.tenants {
            r.register("tenant_calls", "Calls of plugins, by tenant", counters.clone());
        }
        self
    }

    /// Counts a call. `scoped`: the plugin is this tenant's own.
    pub(crate) fn call(
        &self,
        tenant: &str,
        (plugin, scoped): (&str, bool),
        outcome: &Outcome,
        report: Option<&CallReport>,
    ) {
        let plugin = plugin_label(plugin, scoped.then_some(tenant), self.tenants.as_ref().map(|(names, _)| names));
        let plugin = &self.plugins.value(&plugin);
        let cause = match outcome {
            Outcome::Delivered => "",
            Outcome::Failed { cause, .. } => cause.as_str(),
            Outcome::Deferred(why) => why.as_str(),
        };
        let labels = [label("plugin", plugin), label("outcome", outcome.as_str()), label("cause", cause)];
        self.calls.get_or_create(&labels).inc();
        if let Some((names, counters)) = &self.tenants {
            let labels = [label("tenant", &names.value(tenant)), label("outcome", outcome.as_str())];
            counters.get_or_create(&labels).inc();
        }
        let Some(report) = report else { return };
        let plugin = [label("plugin", plugin)];
        self.call_durations.get_or_create(&plugin).observe(report.wall.as_secs_f64());
        self.call_waiting.get_or_create(&plugin).observe(report.wall.saturating_sub(report.active).as_secs_f64());
        self.call_fuel.get_or_create(&plugin).observe(as_f64(report.fuel_used));
    }

    pub(crate) fn refused(&self, hook: Hook, code: &str) {
        self.refused.get_or_create(&[label("hook", hook.as_str()), label("code", code)]).inc();
    }

    pub(crate) fn commit(&self, commit: &Commit<'_>) {
        if commit.error.is_some() {
            self.commit_errors.inc();
            return;
        }
        self.commits.observe(commit.duration.as_secs_f64());
        for (what, rows) in [("operations", commit.operations), ("completions", commit.completions)] {
            self.commit_rows.get_or_create(&[label("what", what)]).inc_by(rows as u64);
        }
        self.commit_bytes.inc_by(commit.bytes);
    }

    pub(crate) fn owner_lost(&self, how: Loss) {
        self.owners_lost.get_or_create(&[label("how", how.as_str())]).inc();
    }

    /// Counts a request. `route` is one of our route patterns, not the client's text.
    pub(crate) fn request(&self, method: &str, route: &str, status: u16) {
        let status = status.to_string();
        self.requests.get_or_create(&[label("method", method), label("route", route), label("status", &status)]).inc();
    }

    pub(crate) fn drained(&self, report: &DrainReport) {
        let counts = [("delivered", report.delivered), ("failed", report.failed), ("deferred", report.deferred)];
        for (outcome, count) in counts {
            self.drained.get_or_create(&[label("outcome", outcome)]).set(as_i64(count));
        }
        self.drain_duration.set(report.elapsed.as_secs_f64());
    }

    pub(crate) fn stream_missed(&self, events: u64) {
        self.stream_missed.inc_by(events);
    }
}

/// Returns a plugin's label: the key of a scoped plugin, as [`PluginKey`](lastword::events::PluginKey) is written,
/// where tenants are shown.
fn plugin_label(plugin: &str, tenant: Option<&str>, tenants: Option<&BoundedLabel>) -> String {
    match (tenant, tenants) {
        (Some(tenant), Some(tenants)) => format!("{}/{plugin}", tenants.value(tenant)),
        _ => plugin.to_owned(),
    }
}

fn label(name: &'static str, value: &str) -> (&'static str, String) {
    (name, value.to_owned())
}

fn as_i64(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// A histogram's sum is a float. Fuel has less than its 53 bits.
fn as_f64(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use lastword::events::FailureCause;

    use super::*;

    fn text(metrics: &Metrics) -> String {
        metrics.encode(&Scraped::default())
    }

    #[test]
    fn calls_are_counted_by_plugin_outcome_and_cause() {
        let metrics = Metrics::new(false);
        let failed = Outcome::Failed { cause: FailureCause::Trap("unreachable".into()), message: "m".into() };
        for outcome in [&Outcome::Delivered, &failed, &failed] {
            metrics.call("acme", ("memory", true), outcome, None);
        }
        let text = text(&metrics);
        assert!(text.contains(r#"lastword_calls_total{plugin="memory",outcome="delivered",cause=""} 1"#), "{text}");
        assert!(text.contains(r#"lastword_calls_total{plugin="memory",outcome="failed",cause="trap"} 2"#), "{text}");
        assert!(!text.contains("acme"), "tenants are shown only when that was asked for");
        assert!(text.ends_with("# EOF\n"));
    }

    #[test]
    fn tenants_have_labels_when_they_are_asked_for_and_not_without_a_bound() {
        let metrics = Metrics::new(true);
        for n in 0..MAX_TENANT_LABELS + 7 {
            metrics.call(&format!("t{n}"), ("memory", n < 2), &Outcome::Delivered, None);
        }
        let text = text(&metrics);
        assert_eq!(text.matches("lastword_tenant_calls_total{").count(), MAX_TENANT_LABELS + 1);
        assert!(text.contains(r#"lastword_tenant_calls_total{tenant="other",outcome="delivered"} 7"#), "{text}");
        let others = MAX_TENANT_LABELS + 7 - 2;
        for (plugin, calls) in [("t0/memory", 1), ("t1/memory", 1), ("memory", others)] {
            let line = format!(r#"lastword_calls_total{{plugin="{plugin}",outcome="delivered",cause=""}} {calls}"#);
            assert!(text.contains(&line), "{line} is not in {text}");
        }
    }

    #[test]
    fn plugins_that_come_and_go_under_ever_new_names_do_not_add_series_without_end() {
        let metrics = Metrics::new(false);
        for n in 0..MAX_PLUGIN_LABELS + 7 {
            metrics.call("acme", (&format!("p{n}"), false), &Outcome::Delivered, None);
        }
        let text = text(&metrics);
        assert_eq!(text.matches("lastword_calls_total{").count(), MAX_PLUGIN_LABELS + 1);
        assert!(text.contains(r#"lastword_calls_total{plugin="other",outcome="delivered",cause=""} 7"#), "{text}");
    }

    #[test]
    fn a_commit_that_failed_is_no_commit() {
        let metrics = Metrics::new(false);
        metrics.commit(&Commit::new(2, 3, 100, Duration::from_millis(1)));
        let error = lastword::JournalError::Full("no room".into());
        metrics.commit(&Commit::new(9, 9, 900, Duration::from_secs(1)).failed(&error));
        let text = text(&metrics);
        for line in [
            "lastword_journal_commit_seconds_count 1",
            "lastword_journal_commit_errors_total 1",
            r#"lastword_journal_rows_total{what="completions"} 3"#,
            "lastword_journal_written_bytes_total 100",
        ] {
            assert!(text.contains(line), "{line} is not in {text}");
        }
    }
}
