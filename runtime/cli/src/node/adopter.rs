//! Takes a dead node's journal over: a second runtime in this process ends its sessions, unless their owners come back,
//! and makes its deliveries.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use lastword::journal::DUPLICATE_WITHIN;
use lastword::{BuildError, DeliveryFilter, Journal, PageRequest, Runtime, Stats};
use lastword_cluster::TakenOver;
use lastword_events::{DrainReason, JournalName};
use lastword_jetstream::{Cluster, ClusterError, Ended, JetStreamJournal};
use tokio::sync::mpsc::Sender;
use tokio::time::timeout;

use super::adopted::{Adoption, IsClosed};
use super::adopted_slots::{AdoptedSlots, work};
use super::division::Work;
use super::driver::Heard;
use super::{Adopted, Beside};
use crate::limits::{ADOPTED_LOOK, ADOPTED_WORKERS};

/// Takes journals over.
pub(super) struct Adopter {
    pub(super) beside: Beside,
    pub(super) slots: Arc<AdoptedSlots>,
    pub(super) adopted: Arc<Adopted>,
}

/// A journal that was taken over.
pub(super) struct Taken {
    runtime: Runtime,
    journal: Arc<JetStreamJournal>,
    pub(super) epoch: u64,
}

impl Adopter {
    /// Takes a journal over, and begins its runtime. Blocks while the servers are asked and the journal is read: call it
    /// on a thread that may, in a tokio runtime. It stops before it fences anybody, and before the runtime begins, when
    /// the journal is not wanted any more.
    ///
    /// # Errors
    /// What the member is told instead. The log has the error.
    pub(super) fn take_over(
        &self,
        cluster: &Cluster,
        name: JournalName,
        node: &str,
        is_wanted: &Arc<AtomicBool>,
    ) -> Result<Taken, TakenOver> {
        // Before anything of the journal is read or written.
        let Some(place) = self.slots.enter() else {
            // It is tried again until they have ended.
            tracing::info!(%node, journal = %name, "calls of journals that this node has let go of are still under way: there is no slot for another");
            return Err(TakenOver::Beaten);
        };
        let asked = is_wanted.clone();
        let journal = JetStreamJournal::take_over_if(cluster, name, move || asked.load(Ordering::Relaxed))
            .map_err(|error| not_taken(name, node, &error))?;
        let (epoch, journal) = (journal.status().epoch, Arc::new(journal));
        // Neither plugins nor quotas change until it is among those that are changed too.
        let _unchanged = self.adopted.hold();
        if !is_wanted.load(Ordering::Relaxed) {
            return Err(TakenOver::Beaten);
        }
        if self.adopted.is_closed() {
            return Err(TakenOver::Unavailable);
        }
        let runtime = self.runtime(journal.clone()).map_err(|error| {
            tracing::error!(%node, journal = %name, %error, "a dead node's journal was taken over, and cannot be served");
            TakenOver::Unavailable
        })?;
        let place_number = place.number();
        match self.adopted.insert(name, Adoption { epoch, runtime: runtime.clone(), _place: place }) {
            // This node leaves: another one takes it over. What was decided here is on record there, or is decided again.
            Err(IsClosed) => return Err(TakenOver::Unavailable),
            // It was fenced before anybody here has seen that.
            Ok(Some(before)) => drop(tokio::spawn(let_go(name, before))),
            Ok(None) => {}
        }
        self.slots.begins(place_number, &runtime);
        let recovered = runtime.recovered();
        let (sessions, deliveries) = (recovered.sessions, recovered.deliveries);
        tracing::info!(%node, journal = %name, epoch, sessions, deliveries, "the journal of a node that is gone was taken over");
        Ok(Taken { runtime, journal, epoch })
    }

    fn runtime(&self, journal: Arc<dyn Journal>) -> Result<Runtime, BuildError> {
        let Beside { own, sandbox, observed, quota, grace, budget } = &self.beside;
        let mut builder = Runtime::builder()
            .sandbox(sandbox.clone())
            .journal(journal)
            .quota(*quota)
            .attach_grace(*grace)
            .drain_budget(*budget)
            .slots(self.slots.least())
            .workers(ADOPTED_WORKERS);
        for (tenant, quota) in self.adopted.quotas() {
            builder = builder.tenant_quota(&tenant, quota);
        }
        for (plugin, tenants) in own.installed() {
            builder = builder.plugin(plugin, tenants);
        }
        observed(builder).build()
    }

    /// Looks after an adopted journal until nothing is left to do in it, or another node has it, or this one leaves. It is
    /// kept for a while then: an end that an owner sends again has to find the one that is on record there.
    pub(super) async fn look_after(&self, name: JournalName, taken: Taken, tell: Sender<Heard>) {
        let Taken { runtime, journal, epoch } = taken;
        let mut ended = journal.ended();
        let is_lost = |ended: &Option<Ended>| ended.as_ref().is_some_and(|ended| !matches!(ended, Ended::Released));
        let mut done_since: Option<Instant> = None;
        let mut is_set_aside = false;
        loop {
            let lost = timeout(ADOPTED_LOOK, ended.wait_for(is_lost))
                .await
                .map(|ended| ended.ok().and_then(|ended| ended.as_ref().map(ToString::to_string)));
            if self.adopted.is_closed() {
                // What is left is handed over with the rest.
                return;
            }
            if let Ok(why) = lost {
                let why = why.unwrap_or_else(|| "its writer is gone".to_owned());
                tracing::warn!(journal = %name, "an adopted journal is not this node's any more: {why}");
                if let Some(adoption) = self.adopted.remove(name, epoch) {
                    let_go(name, adoption).await;
                    tell.send(Heard::Fenced(name, epoch)).await.ok();
                }
                return;
            }
            if !self.adopted.has(name, epoch) {
                return;
            }
            self.slots.look();
            if is_for_operators(&runtime.stats()) != is_set_aside {
                is_set_aside = !is_set_aside;
                tell.send(Heard::SetAside(name, epoch, is_set_aside)).await.ok();
            }
            let is_done = is_done(&runtime, &journal).await;
            done_since = is_done.then(|| done_since.unwrap_or_else(Instant::now));
            if done_since.is_some_and(|since| since.elapsed() >= DUPLICATE_WITHIN) {
                let Some(adoption) = self.adopted.remove(name, epoch) else { return };
                adoption.runtime.shutdown(DrainReason::Shutdown).await;
                drop(adoption);
                tell.send(what_is_left(name, epoch, &journal)).await.ok();
                return;
            }
        }
    }
}

/// Stops the runtime of a journal that is another node's now. Its slots are another journal's when its last call has ended.
pub(super) async fn let_go(name: JournalName, adoption: Adoption) {
    if let Err(error) = adoption.runtime.detach().await {
        tracing::debug!(journal = %name, %error, "the last outcomes of an adopted journal are not on record");
    }
    drop(adoption);
}

/// What is left in an adopted journal whose runtime has ended.
fn what_is_left(name: JournalName, epoch: u64, journal: &JetStreamJournal) -> Heard {
    if !owes_nothing(journal) {
        // A request came while it ended.
        return Heard::Fenced(name, epoch);
    }
    if journal.has_values() {
        tracing::info!(journal = %name, "nothing is left to do in an adopted journal: it waits for its node, with what plugins have stored");
        Heard::Rests(name, epoch)
    } else {
        tracing::info!(journal = %name, "nothing is left to do in an adopted journal: it is deleted");
        Heard::Emptied(name, epoch)
    }
}

/// Whether nothing is active, owed, given up or orphaned any more, on record.
async fn is_done(runtime: &Runtime, journal: &JetStreamJournal) -> bool {
    is_idle(&runtime.stats()) && runtime.recorded().await.is_ok() && is_idle(&runtime.stats()) && owes_nothing(journal)
}

/// Whether nothing is left to do but what an operator has to decide.
fn is_for_operators(stats: &Stats) -> bool {
    work(stats) == Work::Nothing && to_decide(stats) > 0
}

/// Deliveries that were given up, or are orphaned.
fn to_decide(stats: &Stats) -> u64 {
    stats.plugins.iter().map(|plugin| plugin.dead + plugin.orphaned).sum()
}

fn is_idle(stats: &Stats) -> bool {
    work(stats) == Work::Nothing && to_decide(stats) == 0
}

/// Whether a journal has nothing that anybody would have to look after. It reads all that is unfinished: ask it when that is little.
pub(super) fn owes_nothing(journal: &JetStreamJournal) -> bool {
    let first = journal.deliveries(&DeliveryFilter::default(), &PageRequest::first(1));
    first.is_ok_and(|page| page.rows.is_empty() && page.next.is_none()) && !journal.has_unfinished()
}

/// What the member is told of a journal that could not be taken over.
pub(super) fn not_taken(name: JournalName, node: &str, error: &ClusterError) -> TakenOver {
    match error {
        ClusterError::TakenByAnother(_) | ClusterError::NotWanted(_) => TakenOver::Beaten,
        ClusterError::Missing(_) => TakenOver::Gone,
        error => {
            tracing::error!(%node, journal = %name, %error, "a journal cannot be taken over");
            if matches!(error, ClusterError::Damaged { .. }) { TakenOver::Damaged } else { TakenOver::Unavailable }
        }
    }
}
