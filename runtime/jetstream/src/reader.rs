//! Reads journals for operators, and writes nothing: no fence, no entry of the registry, no heartbeat. So whoever has a journal goes on with it.

use async_nats::jetstream::Context;
use async_nats::jetstream::context::ContextBuilder;
use lastword_events::JournalName;
use serde::de::DeserializeOwned;

use crate::cluster::Cluster;
use crate::connect::{Client, Connection, connect};
use crate::error::ClusterError;
use crate::fence;
use crate::limits::REQUEST_TIMEOUT;
use crate::registry::{Registered, existing_bucket, listed, watched};
use crate::replay::Replayed;
use crate::stream::JournalStream;
use crate::subjects::Subjects;

/// Reads journals, and writes nothing. Their nodes may be alive, and write.
pub struct JournalReader {
    client: Client,
    context: Context,
    prefix: String,
}

/// A journal as it was at one moment.
#[derive(Debug)]
pub struct ReadJournal {
    /// What its messages have made. No run has begun with it.
    pub replayed: Replayed,
    /// Why the servers can lose what is in its stream, and what to do: somebody has changed the stream. A node refuses to take it over.
    pub unfit: Option<String>,
}

/// How far the reading of a stream is. It begins anew when messages were purged meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadProgress {
    /// The first sequence of the stream.
    pub first: u64,
    /// The last one, when the reading began.
    pub last: u64,
    /// The one that was read last.
    pub sequence: u64,
}

impl JournalReader {
    /// Connects. That the servers sync each write need not be proved for reading.
    ///
    /// # Errors
    /// When there is no connection.
    pub async fn open(cluster: &Cluster) -> Result<Self, ClusterError> {
        let settings = cluster.settings();
        let Connection { client, .. } = connect(cluster, &settings.credentials, cluster.node()).await?;
        let context = ContextBuilder::new().timeout(REQUEST_TIMEOUT).build(client.clone());
        Ok(Self { client, context, prefix: settings.prefix.clone() })
    }

    /// All entries of the registry as they are now. An entry that was changed meanwhile may be there twice, and the last one counts.
    ///
    /// # Errors
    /// When there is no registry, or JetStream does not answer or refuses, or does not tell all of them within 10 s.
    pub async fn entries<T: DeserializeOwned>(&self) -> Result<Vec<Registered<T>>, ClusterError> {
        let store = existing_bucket(&self.context, &self.prefix).await?;
        listed(async { watched(&store).await.map(|(_, told)| told) }).await
    }

    /// The stream of a journal.
    #[must_use]
    pub fn stream_of(&self, journal: JournalName) -> String {
        Subjects::new(&self.prefix, journal).stream
    }

    /// Reads a journal up to the last message that it has now, with all checks of a take-over: about 2 s for 1 GiB. It is in memory then.
    /// `told` hears of each message, and must not block.
    ///
    /// # Errors
    /// [`Missing`](ClusterError::Missing) when the stream is not there, or nothing was ever in it, and
    /// [`Damaged`](ClusterError::Damaged), with the sequence, when it cannot be read as a journal. Otherwise when JetStream does not answer or
    /// refuses, the journal is of a newer form, or so much was written that messages were purged at each of 13 tries.
    pub async fn read(
        &self,
        journal: JournalName,
        mut told: impl FnMut(ReadProgress) + Send,
    ) -> Result<ReadJournal, ClusterError> {
        let stream = JournalStream::new(self.client.clone(), &self.prefix, journal);
        stream.info().await?;
        // What a newer program has written is not damaged.
        if let Some((sequence, body)) = stream.last_fence().await? {
            fence::check(&stream, sequence, &body)?;
        }
        stream.read_now(&mut told).await
    }
}

impl std::fmt::Debug for JournalReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JournalReader").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}
