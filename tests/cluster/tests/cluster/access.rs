//! Who is let in by the servers, and what everybody else is told.

use std::fs;
use std::path::{Path, PathBuf};

use lastword_cluster_tests::{NatsCluster, start_op};
use lastword_jetstream::{Cluster, ClusterSettings, Ended, JetStreamJournal};
use lastword_journal::{Appended, Journal};
use tempfile::TempDir;

use crate::support::{begun, taken_over};

/// A journal begins with these settings and has a start on record, and another node that takes it over with them finds the start.
pub(crate) async fn is_let_in(servers: &NatsCluster, settings: &ClusterSettings) {
    servers.wait_until_streams_can_be_made(settings.clone());
    let journal = begun(&Cluster::new(settings.clone(), "the first").unwrap());
    let answer = journal.append(start_op("s")).await.unwrap();
    let Appended::Session { sequence, .. } = answer else { panic!("a start was answered with {answer:?}") };
    let (next, recovered) = taken_over(&Cluster::new(settings.clone(), "the second").unwrap(), journal.name());
    let found: Vec<_> = recovered.sessions.iter().map(|one| (&*one.session.identity.id, one.sequence)).collect();
    assert_eq!(found, [("s", sequence)]);
    journal.append(start_op("late")).await.unwrap_err();
    assert!(matches!(&*journal.ended().borrow(), Some(Ended::TakenOver { .. })));
    next.release().await.unwrap();
}

/// What is said when a journal is to begin with these settings.
#[track_caller]
pub(crate) fn refused(settings: ClusterSettings) -> String {
    let node = Cluster::new(settings, "n").unwrap();
    JetStreamJournal::begin(&node, JetStreamJournal::random_name()).unwrap_err().to_string()
}

#[track_caller]
pub(crate) fn says(said: &str, words: &[&str]) {
    assert!(words.iter().all(|word| said.contains(word)), "{said:?} does not say {words:?}");
}

/// Files with secrets, which are gone with this.
pub(crate) struct Secrets(TempDir);

impl Secrets {
    pub(crate) fn new() -> Self {
        Self(tempfile::Builder::new().prefix("lastword-secrets-").tempdir().unwrap())
    }

    /// A file that says this.
    pub(crate) fn file(&self, name: &str, secret: &str) -> PathBuf {
        let file = self.folder().join(name);
        fs::write(&file, format!("{secret}\n")).unwrap();
        file
    }

    pub(crate) fn folder(&self) -> &Path {
        self.0.path()
    }
}
