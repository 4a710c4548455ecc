//! The report of a drain.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::{DrainReason, PluginName};

/// The name of the warning of a drain that left deliveries owed.
pub const DRAIN_WARNING: &str = "session-end-drain";

/// The report of a drain. Counts are of `session-end` deliveries, and `delivered + failed + deferred` is what was owed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct DrainReport {
    /// Why the set was ended.
    pub reason: DrainReason,
    /// The budget of the drain. In JSON `budget_ms`, whole milliseconds.
    #[serde(rename = "budget_ms", with = "crate::millis")]
    pub budget: Duration,
    /// The duration of the drain. In JSON `elapsed_ms`, whole milliseconds.
    #[serde(rename = "elapsed_ms", with = "crate::millis")]
    pub elapsed: Duration,
    /// Active sessions that the drain ended.
    pub sessions: u64,
    /// Deliveries that the plugin answered with ok.
    pub delivered: u64,
    /// Deliveries that had an attempt, which failed.
    pub failed: u64,
    /// Deliveries that are left for later.
    pub deferred: u64,
    /// Whether the budget ended before the work did.
    pub timed_out: bool,
    /// One line for each (tenant, plugin) that was owed deliveries, in the order of the configuration. If there are
    /// more than 1 000, those with most undelivered ones.
    pub plugins: Vec<PluginDrain>,
    /// The counts of the tenants without a line of their own, by plugin.
    pub rest: Vec<PluginRest>,
    /// Warnings for the operator.
    pub warnings: Vec<DrainWarning>,
    /// Deferred ends that were not reported one by one, because the budget was over.
    pub unreported: u64,
}

impl DrainReport {
    /// Makes the report of a drain that found nothing to do.
    #[must_use]
    pub fn empty(reason: DrainReason, budget: Duration) -> Self {
        Self {
            reason,
            budget,
            elapsed: Duration::ZERO,
            sessions: 0,
            delivered: 0,
            failed: 0,
            deferred: 0,
            timed_out: false,
            plugins: Vec::new(),
            rest: Vec::new(),
            warnings: Vec::new(),
            unreported: 0,
        }
    }

    /// Returns the number of `session-end` deliveries that were owed when the drain began.
    #[must_use]
    pub fn owed(&self) -> u64 {
        self.delivered + self.failed + self.deferred
    }
}

/// One (tenant, plugin) pair's part of a drain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PluginDrain {
    /// The tenant of the sessions.
    pub tenant: Arc<str>,
    /// The plugin that was owed the deliveries.
    pub plugin: PluginName,
    /// Deliveries that the plugin answered with ok.
    pub delivered: u64,
    /// Deliveries that had an attempt, which failed.
    pub failed: u64,
    /// Deliveries that are left for later.
    pub deferred: u64,
    /// Whether the breaker skipped the plugin.
    pub broken: bool,
}

impl PluginDrain {
    /// Makes a line without counts.
    #[must_use]
    pub fn new(tenant: Arc<str>, plugin: PluginName) -> Self {
        Self { tenant, plugin, delivered: 0, failed: 0, deferred: 0, broken: false }
    }
}

/// The counts of one plugin for the tenants that have no line of their own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PluginRest {
    /// The plugin that was owed the deliveries.
    pub plugin: PluginName,
    /// The number of these tenants.
    pub tenants: u64,
    /// Deliveries that the plugin answered with ok.
    pub delivered: u64,
    /// Deliveries that had an attempt, which failed.
    pub failed: u64,
    /// Deliveries that are left for later.
    pub deferred: u64,
}

impl PluginRest {
    /// Makes a line without counts.
    #[must_use]
    pub fn new(plugin: PluginName) -> Self {
        Self { plugin, tenants: 0, delivered: 0, failed: 0, deferred: 0 }
    }
}

/// A warning for the operator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct DrainWarning {
    /// A stable word for programs, e.g. [`DRAIN_WARNING`].
    pub name: &'static str,
    /// The message, for people.
    pub message: String,
}

impl DrainWarning {
    /// Makes a warning called `name`.
    #[must_use]
    pub fn new(name: &'static str, message: String) -> Self {
        Self { name, message }
    }
}
