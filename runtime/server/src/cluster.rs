//! A cluster of nodes, as the program tells of it: who is alive, and which journals of dead nodes this one looks after.

use lastword::Runtime;
use lastword::events::JournalName;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a program that is a node of a cluster tells the server. Pass it to
/// [`ServerBuilder::cluster`](crate::ServerBuilder::cluster). No method may block.
pub trait Cluster: Send + Sync + 'static {
    /// What this node knows of the cluster now.
    fn status(&self) -> ClusterStatus;

    /// The runtimes of the journals that this node has adopted. Requests of a session that is active in one of them go
    /// there, so that an owner that comes back goes on with its session. So do ends that one of them has on record, so that
    /// an end that is sent again keeps its delivery ids: keep a runtime for
    /// [`DUPLICATE_WITHIN`](lastword::journal::DUPLICATE_WITHIN) after nothing is left to do in it.
    fn adopted(&self) -> Vec<Runtime>;

    /// The runtime of this adopted journal.
    fn adopted_of(&self, journal: JournalName) -> Option<Runtime> {
        self.adopted().into_iter().find(|runtime| runtime.journal_name() == journal)
    }
}

/// What a node knows of the cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ClusterStatus {
    /// What this node is called.
    pub node: String,
    /// This run's journal.
    pub journal: String,
    /// Whether this node hears nobody, not even itself.
    pub cut_off: bool,
    /// Journals that this run has taken over.
    pub adoptions: u64,
    /// The stream of this run's journal.
    pub stream: StreamStatus,
    /// All journals of the cluster, with who has them, by name of the node.
    pub nodes: Vec<NodeStatus>,
}

/// The stream of a journal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StreamStatus {
    /// The stream's name on the servers.
    pub name: String,
    /// The sequence of the fence that this run writes behind.
    pub epoch: u64,
    /// The sequence of the last acknowledged message.
    pub last_sequence: u64,
    /// The size of the stream.
    pub bytes: u64,
    /// The most that the stream can have.
    pub max_bytes: u64,
    /// Writes that wait to be acknowledged.
    pub waiting: u64,
    /// For how many milliseconds nothing was acknowledged although something waits.
    pub silent_ms: Option<u64>,
    /// Whether there is a connection to a server.
    pub connected: bool,
    /// The servers that have a copy, and whether it is current.
    pub replicas: Vec<ReplicaStatus>,
    /// Which server says that it does not sync before it acknowledges, and how. It had proved the contrary.
    pub unproven: Option<String>,
    /// Which servers were asked whether they sync, and did not answer. They are asked again every 10 s. What they proved before holds.
    #[serde(default)]
    pub unanswered: Option<String>,
}

/// A server's copy of the stream.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReplicaStatus {
    /// The server's name.
    pub server: String,
    /// Whether the copy has everything.
    pub current: bool,
}

/// A node's journal, and who has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NodeStatus {
    /// What the node is called whose journal it is.
    pub node: String,
    /// Where that node's owners reach it, if it says so.
    pub address: String,
    /// The journal.
    pub journal: String,
    /// `active`, `suspected`, `leaving`, `adopted`, `resting` (it waits for its node), `lost`, `damaged` or `empty`.
    pub state: String,
    /// The node that has adopted the journal.
    pub by: Option<String>,
    /// The newest epoch that the registry was told of.
    pub epoch: u64,
    /// For how many milliseconds nothing was heard of whoever has it, as far as this node can tell.
    pub silent_ms: Option<u64>,
    /// What this node still has to do in it, if it has adopted it.
    pub left: Option<LeftStatus>,
}

/// What is left to do in an adopted journal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LeftStatus {
    /// Active sessions, whose owners may come back.
    pub sessions: u64,
    /// Deliveries that are owed.
    pub owed: u64,
    /// Deliveries that were given up: the journal is kept until they are redelivered or dropped.
    pub dead: u64,
    /// Deliveries whose plugin is not installed: the journal is kept for them too.
    pub orphaned: u64,
    /// Calls that can be under way in it at once now.
    #[serde(default)]
    pub slots: u32,
}
