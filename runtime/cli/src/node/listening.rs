//! Listens to the registry and to the heartbeats, and tells the driver. What cannot go on is begun again.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use lastword_cluster::Entry;
use lastword_events::JournalName;
use lastword_jetstream::{ClusterError, Registered, Registry, Told};
use tokio::sync::mpsc::Sender;
use tokio::time::timeout;

use super::driver::Heard;
use crate::limits::{LISTEN_AGAIN, SWEEP_EVERY};

/// Tells of each entry of the registry, as it is and as it changes. Ends when nobody listens any more.
pub(super) async fn entries(registry: Arc<Registry>, tell: Sender<Heard>) {
    loop {
        if let Err(error) = each_entry(&registry, &tell).await {
            tracing::warn!(%error, "the registry of the nodes cannot be read: it is tried again");
        }
        if is_over(&tell, LISTEN_AGAIN).await {
            return;
        }
    }
}

/// Lets the registry forget what was deleted long ago. Every node does it: there is little to forget, and nobody has to be chosen.
pub(super) async fn sweep(registry: Arc<Registry>, tell: Sender<Heard>) {
    while !is_over(&tell, SWEEP_EVERY).await {
        if let Err(error) = registry.sweep().await {
            tracing::debug!(%error, "the registry of the nodes was not swept");
        }
    }
}

/// Tells of each heartbeat, the own ones too.
pub(super) async fn beats(registry: Arc<Registry>, tell: Sender<Heard>) {
    loop {
        match registry.beats().await {
            Ok(beats) => {
                let mut beats = std::pin::pin!(beats);
                while let Some(name) = beats.next().await {
                    let Ok(run) = name.parse::<JournalName>() else { continue };
                    // A beat that the driver has no time for says no more than the next one.
                    tell.try_send(Heard::Beat(run)).ok();
                }
            }
            Err(error) => tracing::warn!(%error, "no heartbeat can be heard: it is tried again"),
        }
        if is_over(&tell, LISTEN_AGAIN).await {
            return;
        }
    }
}

async fn each_entry(registry: &Registry, tell: &Sender<Heard>) -> Result<(), ClusterError> {
    let mut entries = std::pin::pin!(registry.watch::<Entry>().await?);
    while let Some(told) = entries.next().await {
        let heard = match told? {
            Told::Anew => Heard::Anew,
            Told::Listed => Heard::Listed,
            Told::Entry(Registered { journal, entry, revision }) => {
                // A key that is no journal's is not ours.
                let Ok(name) = journal.parse::<JournalName>() else { continue };
                Heard::Entry { name, entry, revision }
            }
        };
        if tell.send(heard).await.is_err() {
            return Ok(());
        }
    }
    Ok(())
}

/// Waits for this long, and says whether nobody listens any more.
async fn is_over(tell: &Sender<Heard>, time: Duration) -> bool {
    timeout(time, tell.closed()).await.is_ok()
}
