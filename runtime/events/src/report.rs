//! What a drain did.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::{DrainReason, PluginName};

/// The name of the warning that a drain gives when something stayed owed.
pub const DRAIN_WARNING: &str = "session-end-drain";

/// What a drain did. Counts are of `session-end` deliveries, and `delivered + failed + deferred` is what was owed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct DrainReport {
    /// Why the set was ended.
    pub reason: DrainReason,
    /// How much time the drain had. In JSON `budget_ms`, whole milliseconds.
    #[serde(rename = "budget_ms", with = "crate::millis")]
    pub budget: Duration,
    /// How much time it took. In JSON `elapsed_ms`, whole milliseconds.
    #[serde(rename = "elapsed_ms", with = "crate::millis")]
    pub elapsed: Duration,
    /// Active sessions that it ended.
    pub sessions: u64,
    /// Deliveries that the plugin answered with ok.
    pub delivered: u64,
    /// Deliveries that had an attempt, which failed.
    pub failed: u64,
    /// Deliveries that are left for later.
    pub deferred: u64,
    /// Whether the budget ended before the work did.
    pub timed_out: bool,
    /// One line for each (tenant, plugin) that was owed something, in the order of the configuration; of the 1 000 that most was
    /// not delivered of, if there are more.
    pub plugins: Vec<PluginDrain>,
    /// What the tenants without a line of their own come to, by plugin.
    pub rest: Vec<PluginRest>,
    /// What an operator should read.
    pub warnings: Vec<DrainWarning>,
    /// Deferred ends that nobody was told of one by one, because the time to leave had come.
    pub unreported: u64,
}

impl DrainReport {
    /// The report of a drain that found nothing to do.
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

    /// `session-end` deliveries that were owed when the drain began.
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
    /// The plugin that was owed them.
    pub plugin: PluginName,
    /// Deliveries that the plugin answered with ok.
    pub delivered: u64,
    /// Deliveries that had an attempt, which failed.
    pub failed: u64,
    /// Deliveries that are left for later.
    pub deferred: u64,
    /// Whether the breaker passed it over.
    pub broken: bool,
}

impl PluginDrain {
    /// A line with nothing counted yet.
    #[must_use]
    pub fn new(tenant: Arc<str>, plugin: PluginName) -> Self {
        Self { tenant, plugin, delivered: 0, failed: 0, deferred: 0, broken: false }
    }
}

/// What a drain did of one plugin for the tenants that have no line of their own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PluginRest {
    /// The plugin that was owed them.
    pub plugin: PluginName,
    /// How many tenants it is for.
    pub tenants: u64,
    /// Deliveries that the plugin answered with ok.
    pub delivered: u64,
    /// Deliveries that had an attempt, which failed.
    pub failed: u64,
    /// Deliveries that are left for later.
    pub deferred: u64,
}

impl PluginRest {
    /// A line with nothing counted yet.
    #[must_use]
    pub fn new(plugin: PluginName) -> Self {
        Self { plugin, tenants: 0, delivered: 0, failed: 0, deferred: 0 }
    }
}

/// Something that an operator should read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct DrainWarning {
    /// A stable word for programs, e.g. [`DRAIN_WARNING`].
    pub name: &'static str,
    /// What happened, for people.
    pub message: String,
}

impl DrainWarning {
    /// A warning called `name`.
    #[must_use]
    pub fn new(name: &'static str, message: String) -> Self {
        Self { name, message }
    }
}
