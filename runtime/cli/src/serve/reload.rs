//! Reads the configuration again, and applies the settings that can change at run time. Finds all mistakes before it
//! changes anything.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::anyhow;
use futures_util::FutureExt as _;
use lastword::{InstallError, Leave, Plugin, Runtime, Sandbox, TenantQuota, Tenants};
use lastword_events::{PluginKey, PluginName};
use lastword_server::{Reloaded, Token, TokenStore};
use tokio::sync::Mutex;

use super::applied::{Applied, Definition};
use super::systemd;
use crate::args::RuntimeArgs;
use crate::config::PluginEntry;
use crate::exit::Failure;
use crate::inputs;
use crate::node::Adopted;
use crate::plugins;
use crate::start::tenants_of;
use crate::threads;
use crate::tokens;

/// The sources of a reload, and the targets of its changes.
pub(super) struct Reloader {
    args: RuntimeArgs,
    runtime: Runtime,
    sandbox: Sandbox,
    /// The runtimes of adopted journals, which change as the own one does.
    adopted: Arc<Adopted>,
    /// The file of tokens, and the valid ones.
    tokens: (Option<PathBuf>, Arc<TokenStore>),
    /// Serializes reloads.
    applied: Arc<Mutex<Applied>>,
}

/// A configuration that was read and can be applied.
struct Prepared {
    next: Applied,
    changes: Vec<Change>,
    /// The new tokens, if they differ.
    tokens: Option<Vec<Token>>,
    needs_restart: Vec<String>,
}

#[derive(Clone)]
enum Change {
    Uninstall(PluginName),
    Replace(Plugin),
    Install(Plugin, Tenants),
    Quota(Arc<str>, Option<TenantQuota>),
}

impl Reloader {
    pub(super) fn new(
        args: RuntimeArgs,
        runtime: Runtime,
        sandbox: Sandbox,
        adopted: Arc<Adopted>,
        tokens: (Option<PathBuf>, Arc<TokenStore>),
        applied: Applied,
    ) -> Self {
        Self { args, runtime, sandbox, adopted, tokens, applied: Arc::new(Mutex::new(applied)) }
    }

    /// # Errors
    /// The mistakes in the configuration. Nothing is changed then.
    pub(super) async fn reload(self: Arc<Self>) -> Result<Reloaded, String> {
        let mut applied = Arc::clone(&self.applied).lock_owned().await;
        systemd::reloading();
        // Plugins are compiled, and an adopted journal may just be read: no change is made meanwhile.
        let reloaded = tokio::task::spawn_blocking(move || match self.prepare(&applied) {
            Ok(prepared) => self.apply(prepared, &mut applied),
            Err(failure) => Err(format!("{:#}", threads::explain(failure).error)),
        });
        let reloaded =
            reloaded.await.unwrap_or_else(|panic| Err(format!("the configuration could not be applied: {panic}")));
        systemd::ready();
        match &reloaded {
            Ok(reloaded) => log(reloaded),
            Err(why) => tracing::error!("the configuration is as it was: {why}"),
        }
        reloaded
    }

    /// Reads everything, and compiles new plugins.
    fn prepare(&self, before: &Applied) -> Result<Prepared, Failure> {
        if self.args.config.as_deref().is_some_and(inputs::is_passing) {
            return Err(Failure::usage(anyhow!(
                "the configuration came through a pipe, and cannot be read again: name a file with --config"
            )));
        }
        let config = plugins::gather(&self.args)?;
        let tokens = self.tokens.0.as_deref().map(tokens::read).transpose()?.unwrap_or_default();
        let mut next = Applied::of(&config, tokens);
        let tokens = (next.tokens != before.tokens).then(|| tokens::valid(&next.tokens)).transpose()?;
        let mut needs_restart = before.needs_restart(&next);
        let gone = before.plugins.keys().filter(|name| !next.plugins.contains_key(*name));
        let mut changes: Vec<Change> = gone.cloned().map(Change::Uninstall).collect();
        changes.extend(quota_changes(before, &next));
        let mut entries = Vec::new();
        for entry in config.plugins {
            let definition = Definition::of(&entry);
            match before.plugins.get(&entry.name) {
                Some(installed) if *installed == definition => {}
                Some(installed) if !installed.serves_as(&definition) => {
                    needs_restart
                        .push(format!("{} is to serve other tenants: restart the daemon to apply it", entry.name));
                    next.plugins.insert(entry.name.clone(), installed.clone());
                }
                _ => entries.push(entry),
            }
        }
        changes.extend(self.load(before, entries)?);
        Ok(Prepared { next: next.keeping_fixed_of(before), changes, tokens, needs_restart })
    }

    fn load(&self, before: &Applied, entries: Vec<PluginEntry>) -> Result<Vec<Change>, Failure> {
        let tenants: Vec<Tenants> = entries.iter().map(|entry| tenants_of(entry.tenants.as_deref())).collect();
        let loaded = plugins::load_all(&self.sandbox, entries)?;
        let change = |(plugin, tenants): (Plugin, Tenants)| match before.plugins.contains_key(plugin.name()) {
            true => Change::Replace(plugin),
            false => Change::Install(plugin, tenants),
        };
        Ok(loaded.into_iter().zip(tenants).map(change).collect())
    }

    /// Changes what has changed. Blocks, in a tokio runtime.
    fn apply(&self, prepared: Prepared, applied: &mut Applied) -> Result<Reloaded, String> {
        let Prepared { next, changes, tokens, needs_restart } = prepared;
        let mut reloaded = Reloaded { changed: Vec::new(), needs_restart };
        let _unchanged = self.adopted.hold();
        for change in changes {
            let followed = change.clone();
            // Only a drain refuses such a change, and then the daemon is about to exit.
            reloaded.changed.push(self.change(change).map_err(|error| error.to_string())?);
            self.follow(&followed);
        }
        if let Some(tokens) = tokens {
            let many = tokens.len();
            self.tokens.1.replace(tokens);
            reloaded.changed.push(format!("{many} {} valid", if many == 1 { "token is" } else { "tokens are" }));
        }
        *applied = next;
        Ok(reloaded)
    }

    fn change(&self, change: Change) -> Result<String, InstallError> {
        match change {
            Change::Uninstall(name) => self.uninstall(name),
            Change::Replace(plugin) => {
                let name = plugin.name().clone();
                // Running calls finish with the old version, which is then dropped.
                self.runtime.replace(plugin).map(drop)?;
                Ok(format!("{name} is replaced"))
            }
            Change::Install(plugin, tenants) => {
                let name = plugin.name().clone();
                self.runtime.install(plugin, tenants)?;
                Ok(format!("{name} is installed"))
            }
            Change::Quota(tenant, quota) => {
                self.runtime.set_quota(&tenant, quota)?;
                Ok(format!("the quota of tenant {tenant} has changed"))
            }
        }
    }

    /// Changes the runtimes of adopted journals as the own one was changed. One that is about to end refuses it.
    fn follow(&self, change: &Change) {
        if let Change::Quota(tenant, quota) = change {
            self.adopted.set_quota(tenant, *quota);
        }
        for runtime in self.adopted.all() {
            let followed = match change {
                Change::Uninstall(name) => {
                    let uninstalled = runtime.uninstall(&PluginKey::from(name.clone()), Leave::Orphaned);
                    tokio::spawn(async move { uninstalled.await.map(drop) });
                    Ok(())
                }
                Change::Replace(plugin) => runtime.replace(plugin.clone()).map(drop),
                Change::Install(plugin, tenants) => runtime.install(plugin.clone(), tenants.clone()),
                Change::Quota(tenant, quota) => runtime.set_quota(tenant, *quota),
            };
            if let Err(error) = followed {
                tracing::warn!(journal = %runtime.journal_name(), %error, "an adopted journal goes on as it was");
            }
        }
    }

    /// Uninstalls a plugin: no call begins any more. Does not wait for running calls, whose deadline may be long.
    fn uninstall(&self, name: PluginName) -> Result<String, InstallError> {
        let said = format!("{name} is uninstalled, and what it is owed is kept for its return");
        let mut uninstalled = Box::pin(self.runtime.uninstall(&PluginKey::from(name.clone()), Leave::Orphaned));
        match uninstalled.as_mut().now_or_never() {
            Some(Err(error)) => return Err(error),
            Some(Ok(_)) => {}
            None => {
                tokio::spawn(async move {
                    if let Err(error) = uninstalled.await {
                        tracing::warn!(plugin = %name, %error, "what a plugin left could not be written down");
                    }
                });
            }
        }
        Ok(said)
    }
}

/// Returns the tenants whose own quota changed, is new, or is gone.
fn quota_changes(before: &Applied, next: &Applied) -> Vec<Change> {
    let gone = before.quotas.keys().filter(|tenant| !next.quotas.contains_key(*tenant));
    let gone = gone.map(|tenant| Change::Quota(tenant.clone(), None));
    let other = next.quotas.iter().filter(|(tenant, quota)| before.quotas.get(*tenant) != Some(*quota));
    gone.chain(other.map(|(tenant, quota)| Change::Quota(tenant.clone(), Some(*quota)))).collect()
}

fn log(reloaded: &Reloaded) {
    for change in &reloaded.changed {
        tracing::info!("{change}");
    }
    for needed in &reloaded.needs_restart {
        tracing::warn!("{needed}");
    }
    if reloaded.changed.is_empty() && reloaded.needs_restart.is_empty() {
        tracing::info!("the configuration was read again: nothing has changed");
    }
}
