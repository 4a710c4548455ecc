//! What an operator does with streams.

use std::thread;

use lastword_jetstream::subjects::Subjects;
use lastword_jetstream::{Cluster, ClusterSettings, Registry};

use crate::cluster::NatsCluster;
use crate::configuration::APPLICATION;
use crate::reached::settings;

/// With what the bucket begins that is made to see whether it can be.
const TRIED: &str = "TRIED";

impl NatsCluster {
    /// Waits until a stream with three copies can be made by whoever these settings let in. That a server has room for one the others learn
    /// some time after its start, when it next says how it is. No monitoring port tells that.
    ///
    /// # Panics
    /// It does not come to that.
    pub fn wait_until_streams_can_be_made(&self, settings: ClusterSettings) {
        let cluster = Cluster::new(ClusterSettings { prefix: TRIED.to_owned(), ..settings }, "operator").unwrap();
        // The bucket of a registry is such a stream, and is tried again until it is made.
        apart(async {
            let registry = Registry::open(&cluster).await.unwrap();
            registry.jetstream().delete_key_value(format!("{TRIED}_NODES")).await.unwrap();
        });
    }

    /// Deletes the stream of a journal, as an operator may do by mistake.
    ///
    /// # Panics
    /// It cannot be deleted.
    pub fn delete_journal(&self, journal: &str) {
        let cluster = Cluster::new(self.for_operators(), "operator").unwrap();
        let journal = journal.parse().unwrap();
        apart(async { Registry::open(&cluster).await.unwrap().delete_stream(journal).await.unwrap() });
    }

    /// Purges groups of a journal below a sequence, as an operator may do by mistake. Fences and snapshots stay.
    ///
    /// # Panics
    /// They cannot be purged.
    pub fn purge_groups(&self, journal: &str, below: u64) {
        let cluster = Cluster::new(self.for_operators(), "operator").unwrap();
        let Subjects { stream, groups, .. } = Subjects::new(&cluster.settings().prefix, journal.parse().unwrap());
        apart(async {
            let registry = Registry::open(&cluster).await.unwrap();
            let stream = registry.jetstream().get_stream(stream).await.unwrap();
            stream.purge().filter(groups).sequence(below).await.unwrap();
        });
    }

    /// How whoever may do anything with streams reaches them.
    pub(crate) fn for_operators(&self) -> ClusterSettings {
        settings(self.urls(), self.monitoring(), APPLICATION, &self.password(APPLICATION))
    }
}

/// Waits for it on a thread with a runtime of its own: the test may have one.
fn apart(task: impl Future<Output = ()> + Send) {
    let run = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(task);
    };
    thread::scope(|scope| scope.spawn(run).join().unwrap());
}
