//! What is counted as it happens. Every function here returns at once: a worker, or the journal's writer, waits for it.

use std::sync::Arc;

use lastword::events::{DeliveryId, Hook, Identity, Outcome, PluginName};
use lastword::{CallStart, Commit, Observer, OutcomeRecord, Refusal, Settlement};

use crate::metrics::Metrics;

/// Counts what the runtime tells. It keeps nothing of the runtime, which keeps it.
pub(crate) struct MetricsObserver {
    metrics: Arc<Metrics>,
}

impl MetricsObserver {
    pub(crate) fn new(metrics: Arc<Metrics>) -> Self {
        Self { metrics }
    }
}

impl Observer for MetricsObserver {
    /// What the guest prints is in this span, so each line of the log says which delivery it is of.
    fn call(&self, call: &CallStart<'_>) -> tracing::Span {
        let labels = [call.id.plugin.as_str(), call.event.hook().as_str()];
        self.metrics.calls.with_label_values(&labels).inc();
        if call.attempt > 1 {
            self.metrics.repeated_calls.with_label_values(&labels).inc();
        }
        tracing::info_span!("hook", delivery = %call.id, attempt = call.attempt)
    }

    fn outcome(&self, record: &OutcomeRecord<'_>) {
        let (plugin, hook) = (record.id.plugin.as_str(), record.id.event.hook().as_str());
        let cause = match record.outcome {
            Outcome::Delivered => "",
            Outcome::Failed { cause, .. } => cause.as_str(),
            Outcome::Deferred(why) => why.as_str(),
        };
        self.metrics.outcomes.with_label_values(&[plugin, hook, record.outcome.as_str(), cause]).inc();
        if let Some(report) = record.report {
            self.metrics.call_duration.with_label_values(&[plugin, hook]).observe(report.wall.as_secs_f64());
            self.metrics.fuel.with_label_values(&[plugin, hook]).inc_by(report.fuel_used);
        }
    }

    fn recorded(&self, delivery: &DeliveryId, settlement: &Settlement) {
        let settlement = match settlement {
            Settlement::Delivered => "delivered",
            Settlement::Owed { .. } => "owed",
            Settlement::Dead { .. } => "dead",
        };
        self.metrics.recorded.with_label_values(&[delivery.plugin.as_str(), settlement]).inc();
    }

    fn journal(&self, commit: &Commit<'_>) {
        let result = if commit.error.is_none() { "ok" } else { "error" };
        self.metrics.commits.with_label_values(&[result]).inc();
        self.metrics.commit_duration.observe(commit.duration.as_secs_f64());
        self.metrics.committed_bytes.inc_by(if commit.error.is_none() { commit.bytes } else { 0 });
    }

    fn breaker_opened(&self, _tenant: &str, plugin: &PluginName) {
        self.metrics.breakers_opened.with_label_values(&[plugin.as_str()]).inc();
    }

    fn refused(&self, _session: &Identity, hook: Hook, refusal: &Refusal) {
        self.metrics.refusals.with_label_values(&[hook.as_str(), refusal.code()]).inc();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use lastword::JournalError;
    use lastword::events::FailureCause;

    use super::*;

    fn observed(tell: impl FnOnce(&MetricsObserver)) -> String {
        let metrics = Arc::new(Metrics::new().unwrap());
        tell(&MetricsObserver::new(metrics.clone()));
        metrics.counted().unwrap()
    }

    #[test]
    fn a_call_and_its_outcome_are_counted_by_plugin_hook_and_cause() {
        let failed = Outcome::Failed { cause: FailureCause::Deadline, message: "500 ms".to_owned() };
        let (mut call, mut record) = (CallStart::example(), OutcomeRecord::example());
        let plugin = record.id.plugin.to_string();
        let text = observed(|observer| {
            drop(observer.call(&call));
            observer.outcome(&record);
            call.attempt = 2;
            record.outcome = &failed;
            drop(observer.call(&call));
            observer.outcome(&record);
        });
        for (name, labels, count) in [
            ("calls", "", 2),
            ("repeated_calls", "", 1),
            ("outcomes", "outcome=\"delivered\"", 1),
            ("outcomes", "outcome=\"failed\"", 1),
        ] {
            let is_it = |line: &&str| {
                line.starts_with(&format!("lastword_{name}_total{{"))
                    && line.contains(&format!("plugin=\"{plugin}\""))
                    && line.contains("hook=\"session-end\"")
                    && line.contains(labels)
            };
            let line = text.lines().find(is_it).unwrap_or_else(|| panic!("no {name} with {labels} in {text}"));
            assert!(line.ends_with(&format!(" {count}")), "{line}");
        }
        assert!(text.contains("cause=\"deadline\""), "{text}");
    }

    #[test]
    fn a_commit_that_failed_writes_no_bytes() {
        let full = JournalError::Full("no room".to_owned());
        let text = observed(|observer| {
            observer.journal(&Commit::new(1, 0, 100, Duration::from_millis(2)));
            observer.journal(&Commit::new(1, 0, 50, Duration::from_millis(2)).failed(&full));
        });
        for line in [
            "lastword_commits_total{result=\"ok\"} 1",
            "lastword_commits_total{result=\"error\"} 1",
            "lastword_committed_bytes_total 100",
            "lastword_commit_duration_seconds_count 2",
        ] {
            assert!(text.lines().any(|found| found == line), "no {line} in {text}");
        }
    }
}
