//! What a scrape says.

use std::fmt;

/// Metrics in the text format.
pub(crate) struct Scrape {
    text: String,
}

impl Scrape {
    pub(super) fn of(text: String) -> Self {
        Self { text }
    }

    /// The sum of a metric over all its lines with these labels; 0 when there is none.
    pub(crate) fn sum(&self, metric: &str, labels: &[(&str, &str)]) -> u64 {
        let lines = self.text.lines().filter_map(|line| line.strip_prefix(metric)?.rsplit_once(' '));
        // The name ends where its labels begin.
        let lines = lines.filter(|(of, _)| of.is_empty() || of.starts_with('{'));
        let has_all = |of: &str| labels.iter().all(|(name, value)| of.contains(&format!("{name}=\"{value}\"")));
        lines.filter(|(of, _)| has_all(of)).map(|(_, value)| value.parse::<u64>().unwrap()).sum()
    }

    /// Calls of a plugin for ends that it answered with ok.
    pub(crate) fn delivered_ends(&self, plugin: &str) -> u64 {
        self.sum("lastword_outcomes_total", &[("plugin", plugin), ("hook", "session-end"), ("outcome", "delivered")])
    }

    /// Deliveries that are to be made still, of all plugins.
    pub(crate) fn owed(&self) -> u64 {
        ["ready", "running", "waiting"].iter().map(|state| self.sum("lastword_deliveries", &[("state", state)])).sum()
    }
}

impl fmt::Display for Scrape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
