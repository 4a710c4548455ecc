//! The status that `lastword status` shows.

use lastword::{Durability, PluginStats};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What is active, owed and wrong, as `GET /v1/status` and [`Server::status`](crate::Server::status) say it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Status {
    /// The version of the program that serves.
    pub version: String,
    /// Its process.
    pub pid: u32,
    /// For how long it has served, in seconds.
    pub uptime_s: u64,
    /// The name that its deliveries carry.
    pub journal: String,
    /// `disk`, or `memory`, whose deliveries are lost with the process.
    pub durability: String,
    /// Whether it takes no new sessions, because it is about to leave.
    pub draining: bool,
    /// Active sessions.
    pub sessions: u64,
    /// Active sessions that an owner is known of.
    pub owned_sessions: u64,
    /// The owners that are alive, by kind.
    pub owners: Vec<OwnerCount>,
    /// When the last hook of each kind of owner came, since the start.
    #[serde(default)]
    pub last_hooks: Vec<LastHook>,
    /// Owners that are dead, and whose sessions end when their grace is over.
    pub owners_in_grace: u64,
    /// Owners that died, since the start.
    pub owners_lost: u64,
    /// `session-end` deliveries that are owed, or that active sessions will owe.
    pub undelivered_ends: u64,
    /// The plugins, and others of which deliveries are left.
    pub plugins: Vec<PluginStatus>,
    /// Bytes that plugins have stored and that are not written yet.
    pub unwritten_bytes: u64,
    /// Open connections.
    pub connections: u64,
    /// Calls that can be under way at once.
    #[serde(default)]
    pub slots: u32,
    /// Why they are not more: `configured`, `default`, `memory`, `mappings`, `descriptors`, `address-space` or `least`.
    #[serde(default)]
    pub slots_bound: String,
    /// Where a browser finds the daemon's page.
    #[serde(default)]
    pub pages: Vec<String>,
    /// What an operator should look at, a sentence each. Empty when all is well.
    pub wrong: Vec<String>,
}

/// How many owners of a kind there are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OwnerCount {
    /// The kind, e.g. `claude-code`; empty for owners that have not said theirs.
    pub kind: String,
    /// Owners.
    pub owners: u64,
    /// Their active sessions.
    pub sessions: u64,
}

/// When a kind of owner was heard of last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LastHook {
    /// The kind, e.g. `claude-code`.
    pub kind: String,
    /// When its last hook came, in UTC.
    pub at: String,
}

/// What one plugin is owed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PluginStatus {
    /// Its name.
    pub plugin: String,
    /// The tenant that it belongs to, if it is scoped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// Whether it is installed.
    pub installed: bool,
    /// Deliveries that may begin.
    pub ready: u64,
    /// Deliveries that it is being called with.
    pub running: u64,
    /// Deliveries that wait, for a retry for instance.
    pub waiting: u64,
    /// Deliveries that were given up.
    pub dead: u64,
    /// Deliveries for tenants that it is not installed for.
    pub orphaned: u64,
}

impl From<PluginStats> for PluginStatus {
    fn from(stats: PluginStats) -> Self {
        Self {
            plugin: stats.plugin.to_string(),
            tenant: stats.tenant.map(|tenant| tenant.to_string()),
            installed: stats.is_installed,
            ready: stats.ready,
            running: stats.running,
            waiting: stats.waiting,
            dead: stats.dead,
            orphaned: stats.orphaned,
        }
    }
}

/// Returns the word for the journal's durability.
pub(crate) fn durability(durability: Durability) -> &'static str {
    match durability {
        Durability::Disk => "disk",
        Durability::Memory => "memory",
    }
}
