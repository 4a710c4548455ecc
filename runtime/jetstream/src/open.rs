//! Begins a journal or takes one over, on the thread that writes it from then on.

use std::sync::Arc;
use std::time::Duration;

use lastword_events::JournalName;

use crate::chain::Chain;
use crate::cluster::Cluster;
use crate::connect::{Connection, connect};
use crate::error::ClusterError;
use crate::fence;
use crate::proof::{ProofError, Proven};
use crate::replay::Replayed;
use crate::shared::Shared;
use crate::status::JournalStatus;
use crate::stream::JournalStream;
use crate::sync::{Instant, channel, runtime, thread};
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
        let runtime = match runtime() {
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
    thread::Builder::new().name("lastword-journal".to_owned()).spawn(run).map_err(ClusterError::Thread)?;
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
    let connection = connect(cluster, &settings.credentials, cluster.node()).await?;
    let Connection { client, .. } = &connection;
    let proven = match opening {
        Opening::Begin => cluster.proven(client).await?,
        Opening::TakeOver => cluster.proven_before(client).await?,
    };
    let stream = JournalStream::new(client.clone(), &settings.prefix, name);
    let look = async |proven: &Proven| match opening {
        Opening::Begin => stream.create(settings.max_bytes, proven).await,
        Opening::TakeOver => stream.open(proven).await,
    };
    let facts = with_later_proof(&proven, look, async || cluster.prove(client).await).await?;
    // Whoever cannot read it does not fence the one who can.
    if opening == Opening::TakeOver
        && let Some((sequence, body)) = stream.last_fence().await?
    {
        fence::check(&stream, sequence, &body)?;
    }
    let ready = began.elapsed();
    let sequence = fence::append(&stream, &fence::record(cluster.node(), true), is_wanted).await?;
    let fenced = began.elapsed();
    let Replayed { state, position, tail_bytes, snapshot_bytes, purge_below, stale, unfinished, .. } =
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
        unanswered: None,
        ended: None,
    };
    let shared = Arc::new(Shared::new(state, status, began));
    let chain = Chain::new(stream.subjects().clone(), position).with_tail(tail_bytes);
    Ok(Writer::new(shared, cluster.clone(), connection, stream, facts, chain, (snapshot_bytes, purge_below)))
}

/// Looks at the stream. If a copy is on a server that has proved nothing, the servers have to prove it now, once: what they have proved
/// before may be an hour old, and a server may have been replaced since.
async fn with_later_proof<T>(
    proven: &Proven,
    look: impl AsyncFn(&Proven) -> Result<T, ClusterError>,
    prove: impl AsyncFnOnce() -> Result<Proven, ClusterError>,
) -> Result<T, ClusterError> {
    match look(proven).await {
        Err(ClusterError::Unproven(error @ ProofError::Elsewhere { .. })) => {
            tracing::info!(%error, "the NATS servers are asked again");
            look(&prove().await?).await
        }
        looked => looked,
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn servers(names: [&str; 3]) -> Proven {
        Some(names.map(str::to_owned).into())
    }

    /// Opens a stream with a copy on n4. The servers prove this when they are asked. Gives what came of it, and how often they were asked.
    async fn opened(before: Proven, now: Proven) -> (Result<(), ClusterError>, u32) {
        let asked = Cell::new(0);
        let look = async |proven: &Proven| -> Result<(), ClusterError> {
            if proven.iter().flatten().any(|server| server == "n4") {
                return Ok(());
            }
            Err(ProofError::Elsewhere { stream: "LW_J_abcd1234".to_owned(), server: "n4".to_owned() }.into())
        };
        let prove = async || -> Result<Proven, ClusterError> {
            asked.set(asked.get() + 1);
            Ok(now)
        };
        let opened = with_later_proof(&before, look, prove).await;
        (opened, asked.get())
    }

    #[tokio::test]
    async fn a_server_that_has_taken_the_place_of_another_is_asked_for_its_proof_and_one_that_has_none_is_refused() {
        let (old, new) = (["n1", "n2", "n3"], ["n1", "n2", "n4"]);
        assert!(matches!(opened(servers(old), servers(new)).await, (Ok(()), 1)));
        assert!(matches!(opened(servers(new), servers(new)).await, (Ok(()), 0)));
        let refused = opened(servers(old), servers(old)).await;
        assert!(matches!(refused, (Err(ClusterError::Unproven(ProofError::Elsewhere { .. })), 1)), "{refused:?}");
    }

    #[tokio::test]
    async fn what_else_is_wrong_with_a_stream_is_told_without_another_proof() {
        let look =
            async |_: &Proven| -> Result<(), ClusterError> { Err(ClusterError::Missing("abcd1234".parse().unwrap())) };
        let prove = async || -> Result<Proven, ClusterError> { panic!("nothing is to be proved") };
        let opened = with_later_proof(&None, look, prove).await;
        assert!(matches!(opened, Err(ClusterError::Missing(_))), "{opened:?}");
    }
}
