//! What this node knows of the cluster, for operators and for the program.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use lastword::Runtime;
use lastword_cluster::{EntryState, Member, Seen};
use lastword_events::JournalName;
use lastword_jetstream::{Ended, JetStreamJournal};
use lastword_server::{Cluster, ClusterStatus, LeftStatus, NodeStatus, ReplicaStatus, StreamStatus};
use parking_lot::Mutex;
use tokio::sync::watch;

use super::states::{self, Runs};
use super::{Adopted, Over};

/// What this node knows.
pub(super) struct View {
    node: String,
    /// The own journal, once it has begun.
    journal: OnceLock<Arc<JetStreamJournal>>,
    adopted: Arc<Adopted>,
    known: Mutex<Known>,
    over: watch::Sender<Option<String>>,
    left: watch::Sender<bool>,
}

#[derive(Default)]
struct Known {
    is_cut_off: bool,
    /// The run that lives under this node's name, and the journal.
    waits_for: Option<(JournalName, JournalName)>,
    adoptions: u64,
    nodes: Vec<NodeStatus>,
}

impl View {
    pub(super) fn new(node: String, adopted: Arc<Adopted>) -> Self {
        let (over, left) = (watch::Sender::new(None), watch::Sender::new(false));
        Self { node, journal: OnceLock::new(), adopted, known: Mutex::default(), over, left }
    }

    pub(super) fn begins(&self, journal: Arc<JetStreamJournal>) {
        // There is one.
        self.journal.set(journal).ok();
    }

    pub(super) fn has_adopted(&self) {
        self.known.lock().adoptions += 1;
    }

    /// Takes over what the member knows now.
    pub(super) fn knows(&self, member: &Member, now: Duration) {
        let seen: Vec<Seen<'_>> = member.journals(now).collect();
        let runs = states::runs(seen.iter().map(|seen| (seen.name, seen.entry)));
        let mut nodes: Vec<NodeStatus> = seen.iter().map(|seen| node_status(seen, &runs)).collect();
        nodes.sort_by(|a, b| (&a.node, &a.journal).cmp(&(&b.node, &b.journal)));
        let mut known = self.known.lock();
        known.is_cut_off = member.is_cut_off();
        known.waits_for = member.waits_for();
        known.nodes = nodes;
    }

    pub(super) fn node(&self) -> &str {
        &self.node
    }

    /// The run that lives under this node's name and has the journal that this one would go on with, and that journal.
    pub(super) fn waits_for(&self) -> Option<(JournalName, JournalName)> {
        self.known.lock().waits_for
    }

    /// The own journal is another node's: this run is over. The first reason counts.
    pub(super) fn is_over(&self, why: String) {
        self.over.send_if_modified(|over| {
            let is_first = over.is_none();
            over.get_or_insert(why);
            is_first
        });
    }

    pub(super) fn has_left(&self) {
        self.left.send_replace(true);
    }

    /// Resolves with the reason when the own journal is another node's, or takes nothing more.
    pub(super) async fn ended(&self) -> Over {
        let mut over = self.over.subscribe();
        let of_registry = async move {
            match over.wait_for(Option::is_some).await {
                Ok(why) => Over::Taken(why.clone().unwrap_or_default()),
                // The sender lives as long as the view.
                Err(_) => std::future::pending().await,
            }
        };
        let mut ended = self.journal.get().map(|journal| journal.ended());
        let of_stream = async move {
            let is_lost = |ended: &Option<Ended>| ended.as_ref().is_some_and(|ended| !matches!(ended, Ended::Released));
            let over = match &mut ended {
                Some(ended) => ended.wait_for(is_lost).await.ok().and_then(|ended| ended.as_ref().map(over_by)),
                None => None,
            };
            match over {
                Some(over) => over,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            why = of_stream => why,
            why = of_registry => why,
        }
    }

    /// Resolves when the registry has everything that others need.
    pub(super) async fn left(&self) {
        // The sender lives as long as the view.
        self.left.subscribe().wait_for(|left| *left).await.ok();
    }

    fn stream(&self) -> StreamStatus {
        let Some(status) = self.journal.get().map(|journal| journal.status()) else { return StreamStatus::default() };
        let replica = |replica: &lastword_jetstream::Replica| ReplicaStatus {
            server: replica.server.clone(),
            current: replica.current,
        };
        StreamStatus {
            name: status.stream,
            epoch: status.epoch,
            last_sequence: status.last_sequence,
            bytes: status.bytes,
            max_bytes: status.max_bytes,
            waiting: u64::try_from(status.waiting).unwrap_or(u64::MAX),
            silent_ms: status.silent_for.map(millis),
            connected: status.is_connected,
            replicas: status.replicas.iter().map(replica).collect(),
            unproven: status.unproven,
            unanswered: status.unanswered,
        }
    }

    fn left_in(&self, journal: &str) -> Option<LeftStatus> {
        let stats = self.adopted.get(journal.parse().ok()?)?.stats();
        let mut left = LeftStatus { sessions: stats.sessions, slots: stats.slots, ..LeftStatus::default() };
        for plugin in stats.plugins {
            left.owed += plugin.ready + plugin.running + plugin.waiting;
            left.dead += plugin.dead;
            left.orphaned += plugin.orphaned;
        }
        Some(left)
    }
}

impl Cluster for View {
    fn status(&self) -> ClusterStatus {
        let (cut_off, adoptions, mut nodes) = {
            let known = self.known.lock();
            (known.is_cut_off, known.adoptions, known.nodes.clone())
        };
        for node in &mut nodes {
            node.left = self.left_in(&node.journal);
        }
        let journal = self.journal.get().map(|journal| journal.status().journal.to_string()).unwrap_or_default();
        ClusterStatus { node: self.node.clone(), journal, cut_off, adoptions, stream: self.stream(), nodes }
    }

    fn adopted(&self) -> Vec<Runtime> {
        self.adopted.all()
    }

    fn adopted_of(&self, journal: JournalName) -> Option<Runtime> {
        self.adopted.get(journal)
    }
}

/// Why a run is over whose journal takes nothing more for this reason.
fn over_by(ended: &Ended) -> Over {
    let why = ended.to_string();
    match ended {
        Ended::Lost { .. } => Over::Lost(why),
        Ended::Defect => Over::Defect(why),
        _ => Over::Taken(why),
    }
}

fn node_status(seen: &Seen<'_>, runs: &Runs<'_>) -> NodeStatus {
    let Seen { name, entry, silent, is_suspected, .. } = seen;
    let state = match entry.state {
        EntryState::Active if *is_suspected => "suspected",
        state => states::word(state),
    };
    NodeStatus {
        node: entry.node.clone(),
        address: entry.address.clone(),
        journal: name.to_string(),
        state: state.to_owned(),
        by: states::adopter(entry.state, runs),
        epoch: entry.epoch,
        silent_ms: silent.map(millis),
        left: None,
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_journal_that_the_servers_have_lost_is_not_another_nodes() {
        let journal: JournalName = "aaaaaaaa".parse().unwrap();
        let taken_over = Ended::TakenOver { journal, by: None, sequence: 7 };
        assert!(matches!(over_by(&taken_over), Over::Taken(_)));
        let lost = Ended::Lost { journal, why: "it is gone".to_owned() };
        assert!(matches!(over_by(&lost), Over::Lost(why) if why.contains("it is gone")));
        assert!(matches!(over_by(&Ended::Defect), Over::Defect(_)));
    }
}
