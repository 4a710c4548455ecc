//! Listens to the registry and to the heartbeats, and tells the driver. What cannot go on is begun again.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use lastword_cluster::Entry;
use lastword_events::JournalName;
use lastword_jetstream::{ClusterError, Registered, Registry};
use tokio::sync::mpsc::Sender;
use tokio::time::timeout;

use super::driver::Heard;
use crate::limits::LISTEN_AGAIN;

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

/// Tells of each heartbeat, the own ones too.
pub(super) async fn beats(registry: Arc<Registry>, tell: Sender<Heard>) {
    loop {
        match registry.beats().await {
            Ok(beats) => {
                let mut beats = std::pin::pin!(beats);
                while let Some(name) = beats.next().await {
                    let Ok(name) = name.parse::<JournalName>() else { continue };
                    // A beat that the driver has no time for says no more than the next one.
                    tell.try_send(Heard::Beat(name)).ok();
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
    while let Some(registered) = entries.next().await {
        let Registered { journal, entry, revision } = registered?;
        // A key that is no journal's is not ours.
        let Ok(name) = journal.parse::<JournalName>() else { continue };
        if tell.send(Heard::Entry { name, entry, revision }).await.is_err() {
            return Ok(());
        }
    }
    Ok(())
}

/// Waits for this long, and says whether nobody listens any more.
async fn is_over(tell: &Sender<Heard>, time: Duration) -> bool {
    timeout(time, tell.closed()).await.is_ok()
}
