//! Uninstalls a plugin. From that moment no call of it begins. Then what the plugin was owed is written down as orphaned or dropped. The
//! uninstalling is over when the calls under way have ended and their outcomes are handed over.

use std::future::Future;
use std::sync::{Arc, Weak};

use lastword_events::{EventKey, Identity, PluginKey};
use lastword_journal::{Changed, DeliveryChange, DeliveryFilter, DeliveryKey, DeliveryState, JournalError, JournalOp};
use tokio::sync::watch;

use super::install::record_plugins;
use crate::core::Core;
use crate::decided_ops::DecidedOps;
use crate::dispatch::{PluginChange, TakenOut, UninstallStep, Unstarted};
use crate::in_flight::Ticket;
use crate::install_error::InstallError;
use crate::installed::{Installed, Leave, PluginNumber};
use crate::limits::CHANGES_AT_ONCE;
use crate::operators::change_all;
use crate::orphans::orphan;
use crate::queued_delivery::QueuedDelivery;
use crate::request::Refusal;
use crate::sandbox::Plugin;
use crate::tenants::Tenants;
use crate::waiters::Settled;

/// A plugin that was uninstalled.
#[derive(Debug)]
#[non_exhaustive]
pub struct Uninstalled {
    /// The plugin.
    pub plugin: Plugin,
    /// How many deliveries were orphaned or dropped. Ends of active sessions do not count.
    pub owed: u64,
}

pub(crate) fn uninstall(
    core: &Arc<Core>,
    key: &PluginKey,
    leave: Leave,
) -> impl Future<Output = Result<Uninstalled, InstallError>> + Send + 'static + use<> {
    let begun = begin(core, key, leave).map(|(uninstalling, first)| core.handle().spawn(uninstalling.finish(first)));
    async move {
        match begun {
            // The task is gone only when the tokio runtime is shutting down.
            Ok(task) => task.await.unwrap_or(Err(JournalError::Closed.into())),
            Err(error) => Err(error),
        }
    }
}

/// A plugin that is being uninstalled. While this waits, it does not keep the runtime alive.
struct Uninstalling {
    runtime: Weak<Core>,
    /// Is told when calls may have ended.
    calls: watch::Receiver<()>,
    number: PluginNumber,
    installed: Arc<Installed>,
    leave: Leave,
    /// How many deliveries were orphaned or dropped.
    owed: u64,
    /// Why some deliveries could not be dropped.
    failed: Option<JournalError>,
}

/// What is to be written down at once.
struct First {
    unstarted: Vec<Unstarted>,
    /// Active sessions whose end the plugin is not owed any more.
    not_owed: Vec<u64>,
    /// A drain waits a little while this is held.
    ticket: Ticket,
}

fn begin(core: &Arc<Core>, key: &PluginKey, leave: Leave) -> Result<(Uninstalling, First), InstallError> {
    let ticket = core.in_flight().enter().ok_or(InstallError::Draining)?;
    let mut set = core.lock_active();
    let TakenOut { number, installed, unstarted } = PluginChange::begin(core.dispatcher())?.uninstall(key, leave)?;
    record_plugins(core);
    let not_owed = match leave {
        Leave::Orphaned => {
            // The ends were counted as those of active sessions, and now count as orphaned.
            core.dispatcher().count_orphaned_ends(set.keep_started(&installed));
            Vec::new()
        }
        Leave::Dropped => set.forget_started(&installed),
    };
    drop(set);
    tracing::info!(plugin = %key, ?leave, "uninstalled");
    let (runtime, calls) = (Arc::downgrade(core), core.dispatcher().watch_calls());
    let uninstalling = Uninstalling { runtime, calls, number, installed, leave, owed: 0, failed: None };
    Ok((uninstalling, First { unstarted, not_owed, ticket }))
}

impl Uninstalling {
    async fn finish(mut self, first: First) -> Result<Uninstalled, InstallError> {
        let First { unstarted, not_owed, ticket } = first;
        self.record_not_owed(not_owed)?;
        for queue in unstarted {
            self.orphan_or_drop(queue).await?;
        }
        drop(ticket);
        loop {
            // Subscribed before the look, so that a later change is told.
            self.calls.mark_unchanged();
            let step = self.runtime()?.dispatcher().uninstall_step(self.number);
            match step.ok_or(JournalError::Closed)? {
                UninstallStep::BroughtBack(deliveries) => self.orphan_or_drop(deliveries.into_iter()).await?,
                UninstallStep::Waits => self.calls.changed().await.map_err(|_gone| JournalError::Closed)?,
                UninstallStep::Over => break,
            }
        }
        if self.leave == Leave::Dropped {
            self.drop_orphans().await?;
        }
        self.runtime()?.dispatcher().remove_plugin(self.number);
        match self.failed {
            Some(error) => Err(error.into()),
            None => Ok(Uninstalled { plugin: self.installed.plugin.clone(), owed: self.owed }),
        }
    }

    fn runtime(&self) -> Result<Arc<Core>, JournalError> {
        self.runtime.upgrade().ok_or(JournalError::Closed)
    }

    fn record_not_owed(&self, sessions: Vec<u64>) -> Result<(), JournalError> {
        let core = self.runtime()?;
        let mut ops = DecidedOps::of(core.journal());
        for sequence in sessions {
            ops.push(JournalOp::EndNotOwed { sequence, plugin: self.installed.name().clone() });
        }
        Ok(())
    }

    /// Orphans or drops these deliveries. Nobody calls the plugin with them any more.
    async fn orphan_or_drop(
        &mut self,
        deliveries: impl Iterator<Item = QueuedDelivery> + Send,
    ) -> Result<(), JournalError> {
        match self.leave {
            Leave::Orphaned => self.orphan(deliveries),
            Leave::Dropped => self.drop_all(deliveries).await,
        }
    }

    /// A plugin that is installed under this name waits until the old one is gone, and then looks for these deliveries.
    fn orphan(&mut self, deliveries: impl Iterator<Item = QueuedDelivery>) -> Result<(), JournalError> {
        let core = self.runtime()?;
        let mut ops = DecidedOps::of(core.journal());
        for delivery in deliveries {
            orphan(&core, delivery.delivery_key(self.installed.name()), delivery.late, &mut ops);
            self.owed += 1;
        }
        Ok(())
    }

    async fn drop_all(&mut self, deliveries: impl Iterator<Item = QueuedDelivery> + Send) -> Result<(), JournalError> {
        let name = self.installed.name().clone();
        let mut owed = deliveries.map(|delivery| (delivery.delivery_key(&name), delivery.session.identity.clone()));
        loop {
            let some: Vec<(DeliveryKey, Identity)> = owed.by_ref().take(CHANGES_AT_ONCE).collect();
            if some.is_empty() {
                return Ok(());
            }
            let keys = some.iter().map(|(key, _)| key.clone()).collect();
            let changed = self.runtime()?.journal().change_deliveries(DeliveryChange::Forget, keys);
            match changed.await {
                Ok(changed) => {
                    // A delivery that cannot be changed on record is owed as before, and orphaned at the next start.
                    let answered = some.into_iter().zip(changed);
                    let done = answered.filter(|(_, one)| one.changed == Changed::Done).map(|(one, _)| one);
                    let done: Vec<(DeliveryKey, Identity)> = done.collect();
                    self.owed += u64::try_from(done.len()).unwrap_or(u64::MAX);
                    self.forgotten(done)?;
                }
                // The deliveries are owed as before, and orphaned at the next start.
                Err(error) => self.fail(error),
            }
        }
    }

    /// Keeps the first failure, which is told at the end.
    fn fail(&mut self, error: JournalError) {
        if self.failed.is_none() {
            self.failed = Some(error);
        }
    }

    fn forgotten(&self, deliveries: Vec<(DeliveryKey, Identity)>) -> Result<(), JournalError> {
        let core = self.runtime()?;
        let ends = deliveries.iter().filter(|(one, _)| one.event == EventKey::End).count();
        core.dispatcher().forget_undelivered_ends(u64::try_from(ends).unwrap_or(u64::MAX));
        for (one, session) in &deliveries {
            core.publisher().observers().forgotten(session, &one.id(core.journal_name()));
        }
        let told = deliveries.into_iter().map(|(one, _)| (one, Settled::Forgotten)).collect();
        core.operators().waiters().tell(told, &Ok(()));
        Ok(())
    }

    /// Drops what was orphaned under the plugin's name for the tenants that it served: before it was installed, or because it had no hook.
    async fn drop_orphans(&mut self) -> Result<(), JournalError> {
        let name = self.installed.name();
        if !self.runtime()?.operators().out_of_queues().has_orphaned(name) {
            return Ok(());
        }
        let of_plugin = DeliveryFilter::in_state(DeliveryState::Orphaned).of_plugin(name.clone());
        let filters = match &self.installed.tenants {
            Tenants::Every => vec![of_plugin],
            Tenants::Only(tenants) => tenants.iter().map(|tenant| of_plugin.clone().of_tenant(tenant)).collect(),
        };
        for filter in filters {
            match change_all(self.runtime()?, DeliveryChange::Forget, filter).await {
                Ok(dropped) => self.owed += dropped,
                Err(Refusal::Journal(error)) => self.fail(error),
                Err(_) => (),
            }
        }
        Ok(())
    }
}
