//! Starts the journal, the plugins and the runtime, in this order, for every command that runs plugins for owners.

use std::sync::Arc;

use lastword::{BuildError, Builder, Journal, Plugin, Runtime, Sandbox, SlotsBound, Tenants};
use lastword_events::Hook;
use lastword_protocol::output::{Ready, ReadyPlugin, Recovered};

use crate::args::RuntimeArgs;
use crate::config::Config;
use crate::early::EarlyExit;
use crate::exit::{Exit, Failure};
use crate::journal::JournalLocation;
use crate::plugins;
use crate::report::Reports;
use crate::threads;

/// A runtime that serves.
pub(crate) struct Started {
    pub(crate) runtime: Runtime,
    /// The sandbox of the plugins.
    pub(crate) sandbox: Sandbox,
}

/// The number of calls that can run at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slots {
    calls: u32,
    /// The reason for the number.
    bound: SlotsBound,
}

impl Slots {
    pub(crate) fn of(sandbox: &Sandbox) -> Self {
        let allocation = sandbox.allocation();
        Self { calls: allocation.slots, bound: allocation.bound }
    }
}

/// Opens the journal, unless it is on a cluster, loads the plugins and starts the runtime. `more` adds the command's own
/// settings to the builder.
/// Call it in a tokio runtime.
///
/// # Errors
/// When the journal cannot be used, a plugin does not fit, or the machine lacks a resource.
pub(crate) fn start(
    args: &RuntimeArgs,
    config: Config,
    early: &EarlyExit,
    more: impl FnOnce(Builder) -> Builder,
) -> Result<Started, Failure> {
    // Comes first, so that a program that finds the journal in use does not compile plugins before.
    let location = locate(args, &config)?;
    location.keep_for(args.config.as_deref().filter(|_| args.journal.is_none() && config.journal.is_none()));
    if location.may_owe() {
        // A large journal takes seconds to read.
        early.expect(true);
    }
    let journal = location.open_within(args.journal_patience)?;
    early.expect(journal.owes);
    early.opened(journal.journal.clone());
    let sandbox = sandbox(args, &config)?;
    start_on(config, sandbox, journal.journal, more)
}

/// Chooses the journal.
///
/// # Errors
/// When the user's state directory is unknown.
pub(crate) fn locate(args: &RuntimeArgs, config: &Config) -> Result<JournalLocation, Failure> {
    JournalLocation::choose(args.journal.as_deref(), config.journal.as_ref(), args.config.as_deref())
}

/// Makes the sandbox of the plugins.
///
/// # Errors
/// When this machine cannot make one.
pub(crate) fn sandbox(args: &RuntimeArgs, config: &Config) -> Result<Sandbox, Failure> {
    let sandbox = plugins::sandbox_for_serving(&args.cache, &config.plugins, config.calls)?;
    if let Err(error) = sandbox.remove_leftovers() {
        tracing::warn!(%error, "cannot look for transcripts that a killed process left in the temporary directory");
    }
    Ok(sandbox)
}

/// Loads the plugins, and starts the runtime on an open journal. Call it in a tokio runtime.
///
/// # Errors
/// When the journal cannot be read, a plugin does not fit, or the machine lacks a resource.
pub(crate) fn start_on(
    config: Config,
    sandbox: Sandbox,
    journal: Arc<dyn Journal>,
    more: impl FnOnce(Builder) -> Builder,
) -> Result<Started, Failure> {
    if config.plugins.is_empty() {
        tracing::warn!(
            "there is no plugin: sessions are tracked, and their ends are delivered to nobody; see --plugin and [[plugin]]"
        );
    }
    let builder = Runtime::builder().drain_budget(config.drain.budget).quota(config.quota).journal(journal);
    let mut builder = more(builder);
    for (tenant, quota) in config.tenant_quotas {
        builder = builder.tenant_quota(&tenant, quota);
    }
    let tenants: Vec<Tenants> = config.plugins.iter().map(|entry| tenants_of(entry.tenants.as_deref())).collect();
    for (plugin, tenants) in plugins::load_all(&sandbox, config.plugins)?.into_iter().zip(tenants) {
        builder = builder.plugin(plugin, tenants);
    }
    let runtime = builder.sandbox(sandbox.clone()).build().map_err(|error| match error {
        BuildError::Journal(_) => Failure { exit: Exit::Journal, error: error.into() },
        BuildError::Worker(error) => threads::too_few(1, &error.to_string()),
        error => Failure::internal(error),
    })?;
    Ok(Started { runtime, sandbox })
}

/// Adds the report's observer, if there is one.
pub(crate) fn observed(builder: Builder, reports: Option<&Reports>) -> Builder {
    match reports {
        Some(reports) => builder.observer(reports.observer()),
        None => builder,
    }
}

/// Converts the configured `tenants`.
pub(crate) fn tenants_of(said: Option<&[Arc<str>]>) -> Tenants {
    said.map_or(Tenants::Every, |tenants| Tenants::Only(tenants.to_vec()))
}

/// Returns the `ready` line's content.
pub(crate) fn ready<'a>(runtime: &Runtime, plugins: &'a [Plugin], slots: Slots) -> Ready<'a> {
    let plugins = plugins.iter().map(|plugin| {
        // `session-end`, which every plugin has, comes first.
        let order = [Hook::SessionEnd, Hook::SessionStart, Hook::SessionCompaction];
        ReadyPlugin { name: plugin.name(), hooks: order.into_iter().filter(|h| plugin.hooks().contains(*h)).collect() }
    });
    let recovered = runtime.recovered();
    Ready {
        journal: runtime.journal_name(),
        plugins: plugins.collect(),
        slots: slots.calls,
        slots_bound: Some(slots.bound.as_str()),
        recovered: Recovered { sessions: recovered.sessions, deliveries: recovered.deliveries },
    }
}
