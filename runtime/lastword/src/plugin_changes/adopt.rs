//! Adopts deliveries that were orphaned under the name of a plugin which is installed again, or has the hook again: reads them from the
//! journal a page at a time, and enqueues them.

use std::sync::{Arc, Weak};
use std::time::Duration;

use lastword_journal::{
    DeliveryChange, DeliveryFilter, DeliveryKey, DeliveryRow, DeliveryState, JournalError, JournalErrorKind, JournalOp,
    PageRequest, PendingDelivery,
};
use tokio::sync::watch;

use crate::core::Core;
use crate::decided_ops::DecidedOps;
use crate::installed::{Installed, PluginNumber};
use crate::limits::CHANGES_AT_ONCE;
use crate::operators::deliveries;
use crate::phase::Phase;
use crate::tenants::Tenants;
use crate::time::Time;

/// How long to wait when the journal cannot be read or written.
const RETRY: Duration = Duration::from_secs(1);

/// Adopts the orphans of a plugin. The plugin keeps its number meanwhile.
pub(super) struct Adoption {
    number: PluginNumber,
    installed: Arc<Installed>,
    /// Whether no call of the plugin begins before all orphans are enqueued. Otherwise the plugin is told of newer events already, and the
    /// orphans are late.
    before_calls: bool,
}

/// What the adoption holds while it waits. It does not keep the runtime alive.
struct Waits {
    runtime: Weak<Core>,
    calls: watch::Receiver<()>,
    phase: watch::Receiver<Phase>,
    time: Time,
}

/// The adoption stops: the run is over, the plugin was uninstalled, or the journal is closed.
struct Stopped;

impl Adoption {
    /// Adopts for a plugin that was installed just now.
    pub(super) fn before_calls(number: PluginNumber, installed: Arc<Installed>) -> Self {
        Self { number, installed, before_calls: true }
    }

    /// Adopts for a plugin with a new version, which may have a hook that the version before had not.
    pub(super) fn beside_calls(number: PluginNumber, installed: Arc<Installed>) -> Self {
        Self { number, installed, before_calls: false }
    }

    pub(super) fn begin(self, core: &Arc<Core>) {
        let waits = Waits {
            runtime: Arc::downgrade(core),
            calls: core.dispatcher().watch_calls(),
            phase: core.dispatcher().watch_phase(),
            time: core.time().clone(),
        };
        core.handle().spawn(self.run(waits));
    }

    async fn run(self, mut waits: Waits) {
        let mut adopted = Adopted::default();
        let stopped = self.adopt_all(&mut waits, &mut adopted).await.is_err();
        let Some(core) = waits.runtime.upgrade() else { return };
        self.enqueue(&core, adopted.take_all());
        core.dispatcher().end_orphans(self.number, self.before_calls);
        tracing::info!(
            plugin = %self.installed.plugin.key(), deliveries = adopted.count, stopped, "took over what was orphaned"
        );
    }

    async fn adopt_all(&self, waits: &mut Waits, adopted: &mut Adopted) -> Result<(), Stopped> {
        self.until_others_are_out(waits).await?;
        self.until_on_record(waits).await?;
        let mut filter = DeliveryFilter::in_state(DeliveryState::Orphaned).of_plugin(self.installed.name().clone());
        if let Tenants::Only(tenants) = &self.installed.tenants
            && let [tenant] = &**tenants
        {
            filter = filter.of_tenant(tenant);
        }
        let mut page = PageRequest::first(CHANGES_AT_ONCE);
        loop {
            let core = self.runtime(waits)?;
            let found = match deliveries(core, filter.clone(), page.clone()).await {
                Ok(found) => found,
                Err(error) => {
                    waits.retry(&error).await?;
                    continue;
                }
            };
            let last = found.rows.last().map(|row| row.delivery.sequence);
            self.adopt_page(waits, adopted, found.rows).await?;
            page.after = found.next;
            // If the adoption stops here, [`run`](Self::run) deals with what is adopted.
            let core = self.runtime(waits)?;
            let ready = match (&page.after, last) {
                // The rows of one session may be on two pages, and are not in the order of the session's events.
                (Some(_), Some(last)) => adopted.take_before(last),
                (Some(_), None) => Vec::new(),
                (None, _) => adopted.take_all(),
            };
            self.enqueue(&core, ready);
            drop(core);
            if page.after.is_none() {
                return Ok(());
            }
        }
    }

    /// Adopts what the plugin takes of a page. Events for which it has no hook are late from now on.
    async fn adopt_page(&self, waits: &Waits, adopted: &mut Adopted, rows: Vec<DeliveryRow>) -> Result<(), Stopped> {
        let core = self.runtime(waits)?;
        // The plugin as it is now: it may have been replaced.
        let Some(installed) = core.dispatcher().installed().installed(self.number).cloned() else {
            return Err(Stopped);
        };
        let served = rows.into_iter().filter(|row| installed.tenants.serves(&row.tenant));
        let has_hook = |row: &DeliveryRow| installed.plugin.hooks().contains(row.delivery.event.hook());
        let (taken, others): (Vec<_>, Vec<_>) = served.partition(has_hook);
        let mut ops = DecidedOps::of(core.journal());
        for row in others.iter().filter(|row| !row.late) {
            ops.push(JournalOp::Orphaned { delivery: DeliveryKey::from(&row.delivery), late: true });
        }
        drop(ops);
        let keys: Vec<DeliveryKey> = taken.iter().map(|row| DeliveryKey::from(&row.delivery)).collect();
        if keys.is_empty() {
            return Ok(());
        }
        let changed = core.journal().change_deliveries(DeliveryChange::Adopt, keys);
        drop(core);
        match changed.await {
            Ok(changed) => {
                adopted.add(changed.into_iter().filter_map(|one| one.owed));
                Ok(())
            }
            Err(error) => {
                tracing::error!(%error, "what was orphaned cannot be taken over; it is delivered after the next start");
                Err(Stopped)
            }
        }
    }

    fn enqueue(&self, core: &Core, orphans: Vec<PendingDelivery>) {
        for orphan in orphans {
            core.operators().out_of_queues().remove_orphaned(self.installed.name(), 1);
            core.dispatcher().enqueue_orphan(self.number, &orphan, !self.before_calls);
        }
    }

    /// Waits until no other plugin of this name is being uninstalled: by then everything that such a plugin is owed is orphaned.
    async fn until_others_are_out(&self, waits: &mut Waits) -> Result<(), Stopped> {
        loop {
            // Subscribed before the look, so that a later change is told.
            waits.calls.mark_unchanged();
            let core = self.runtime(waits)?;
            if !core.dispatcher().is_uninstalling_beside(self.number, self.installed.name()) {
                return Ok(());
            }
            drop(core);
            waits.calls.changed().await.map_err(|_gone| Stopped)?;
        }
    }

    /// What was orphaned until now may not be written yet.
    async fn until_on_record(&self, waits: &mut Waits) -> Result<(), Stopped> {
        loop {
            let flushed = self.runtime(waits)?.journal().flush();
            match flushed.await {
                Ok(()) => return Ok(()),
                Err(error) => waits.retry(&error).await?,
            }
        }
    }

    fn runtime(&self, waits: &Waits) -> Result<Arc<Core>, Stopped> {
        let is_over = self.installed.uninstalled().is_some() || waits.phase.borrow().is_over();
        if is_over { Err(Stopped) } else { waits.runtime.upgrade().ok_or(Stopped) }
    }
}

impl Waits {
    async fn retry(&mut self, error: &JournalError) -> Result<(), Stopped> {
        tracing::warn!(%error, "what was orphaned cannot be read now");
        if error.kind() == JournalErrorKind::Closed {
            return Err(Stopped);
        }
        let is_over = self.phase.wait_for(|phase| phase.is_over());
        if self.time.timeout(RETRY, is_over).await.is_some() { Err(Stopped) } else { Ok(()) }
    }
}

/// Orphans that were read from the journal, and are not enqueued yet.
#[derive(Default)]
struct Adopted {
    deliveries: Vec<PendingDelivery>,
    /// How many orphans were read in all.
    count: usize,
}

impl Adopted {
    fn add(&mut self, deliveries: impl Iterator<Item = PendingDelivery>) {
        let before = self.deliveries.len();
        self.deliveries.extend(deliveries);
        self.count += self.deliveries.len() - before;
        self.deliveries.sort_by_key(|one| (one.delivery.sequence, one.delivery.event));
    }

    /// The orphans of sessions with a lower number, in their order.
    fn take_before(&mut self, sequence: u64) -> Vec<PendingDelivery> {
        let kept = self.deliveries.partition_point(|one| one.delivery.sequence < sequence);
        let rest = self.deliveries.split_off(kept);
        std::mem::replace(&mut self.deliveries, rest)
    }

    fn take_all(&mut self) -> Vec<PendingDelivery> {
        std::mem::take(&mut self.deliveries)
    }
}
