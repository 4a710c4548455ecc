//! Begins a journal or takes one over, on the thread that writes it from then on.

use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use lastword_events::JournalName;

use crate::chain::Chain;
use crate::cluster::Cluster;
use crate::connect::{Connection, connect};
use crate::error::ClusterError;
use crate::fence;
use crate::replay::Replayed;
use crate::shared::Shared;
use crate::status::JournalStatus;
use crate::stream::JournalStream;
use crate::writer::Writer;

/// How a journal comes into this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opening {
    /// It is new.
    Begin,
    /// It is there, and perhaps another node has it.
    TakeOver,
}

/// Starts the thread, and waits until it has the journal. `is_wanted` is asked right before anything is written that fences a writer.
pub(crate) fn start(
    cluster: &Cluster,
    name: JournalName,
    opening: Opening,
    is_wanted: impl Fn() -> bool + Send + 'static,
) -> Result<Arc<Shared>, ClusterError> {
    let (answer, opened) = channel();
    let cluster = cluster.clone();
    let run = move || {
        // A runtime of its own: no caller's task holds up what is written, and no end of a caller's runtime stops it.
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return drop(answer.send(Err(ClusterError::Thread(error)))),
        };
        runtime.block_on(async move {
            match open(&cluster, name, opening, &is_wanted).await {
                Ok(writer) => {
                    if answer.send(Ok(writer.shared().clone())).is_ok() {
                        writer.run().await;
                    }
                }
                Err(error) => drop(answer.send(Err(error))),
            }
        });
    };
    std::thread::Builder::new().name("lastword-journal".to_owned()).spawn(run).map_err(ClusterError::Thread)?;
    opened.recv().unwrap_or(Err(ClusterError::Defect))
}

async fn open(
    cluster: &Cluster,
    name: JournalName,
    opening: Opening,
    is_wanted: &dyn Fn() -> bool,
) -> Result<Writer, ClusterError> {
    let began = Instant::now();
    let settings = cluster.settings();
    let connection = connect(settings, &settings.credentials, cluster.node()).await?;
    let Connection { client, .. } = &connection;
    let proven = match opening {
        Opening::Begin => cluster.proven(client).await?,
        Opening::TakeOver => cluster.proven_before(client).await?,
    };
    let stream = JournalStream::new(client.clone(), &settings.prefix, name);
    let facts = match opening {
        Opening::Begin => stream.create(settings.max_bytes, &proven).await?,
        Opening::TakeOver => {
            let facts = stream.open(&proven).await?;
            // Whoever cannot read it does not fence the one who can.
            if let Some((sequence, body)) = stream.last_fence().await? {
                fence::check(&stream, sequence, &body)?;
            }
            facts
        }
    };
    let ready = began.elapsed();
    let sequence = fence::append(&stream, &fence::record(cluster.node(), true), is_wanted).await?;
    let fenced = began.elapsed();
    let Replayed { state, position, tail_bytes, snapshot_bytes, purge_below, stale, unfinished } =
        stream.read(sequence).await?;
    tracing::info!(
        journal = %name,
        epoch = sequence,
        tail_bytes,
        snapshot_bytes,
        stale,
        unfinished,
        connected = ?ready,
        fenced = ?fenced.saturating_sub(ready),
        read = ?began.elapsed().saturating_sub(fenced),
        "the journal is ours"
    );
    let status = JournalStatus {
        journal: name,
        stream: stream.subjects().stream.clone(),
        epoch: position.epoch,
        last_sequence: position.last_sequence,
        bytes: facts.bytes,
        max_bytes: facts.max_bytes,
        waiting: 0,
        silent_for: None::<Duration>,
        is_connected: true,
        replicas: facts.replicas.clone(),
        unproven: None,
        ended: None,
    };
    let shared = Arc::new(Shared::new(state, status, began));
    let chain = Chain::new(stream.subjects().clone(), position).with_tail(tail_bytes);
    Ok(Writer::new(shared, cluster.clone(), connection, stream, facts, chain, (snapshot_bytes, purge_below)))
}
