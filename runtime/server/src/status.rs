//! The status that `lastword status` shows.

use lastword::{Durability, PluginStats};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The status: what is active, owed and wrong, as in `GET /v1/status` and [`Server::status`](crate::Server::status).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Status {
    /// The version of the program that serves.
    pub version: String,
    /// The daemon's process id.
    pub pid: u32,
    /// The time since the daemon's start, in seconds.
    pub uptime_s: u64,
    /// The journal's name, which its deliveries carry.
    pub journal: String,
    /// `disk`, or `memory`, whose deliveries are lost with the process.
    pub durability: String,
    /// The stream that the journal is written to, if the daemon is a node of a cluster; otherwise empty.
    #[serde(default)]
    pub stream: String,
    /// Whether the daemon takes no new sessions, because it is about to exit.
    pub draining: bool,
    /// Active sessions.
    pub sessions: u64,
    /// Active sessions with a known owner.
    pub owned_sessions: u64,
    /// The live owners, by kind.
    pub owners: Vec<OwnerCount>,
    /// When the last hook of each kind of owner came, since the start.
    #[serde(default)]
    pub last_hooks: Vec<LastHook>,
    /// Dead owners whose sessions end when their grace is over.
    pub owners_in_grace: u64,
    /// Owners that died, since the start.
    pub owners_lost: u64,
    /// `session-end` deliveries that are owed, or that active sessions will owe.
    pub undelivered_ends: u64,
    /// The installed plugins, and uninstalled ones that deliveries are left for.
    pub plugins: Vec<PluginStatus>,
    /// Bytes that plugins have stored and that the journal has not written yet.
    pub unwritten_bytes: u64,
    /// Open connections.
    pub connections: u64,
    /// Calls that can run at once.
    #[serde(default)]
    pub slots: u32,
    /// The reason for their number: `configured`, `default`, `memory`, `mappings`, `descriptors`, `address-space` or
    /// `least`.
    #[serde(default)]
    pub slots_bound: String,
    /// The addresses of the daemon's page.
    #[serde(default)]
    pub pages: Vec<String>,
    /// The findings that an operator should look at, a sentence each. Empty when all is well.
    pub wrong: Vec<String>,
    /// The findings that need no action, such as owners that died in the last hour, a sentence each.
    #[serde(default)]
    pub to_know: Vec<String>,
}

/// The number of owners of a kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OwnerCount {
    /// The kind, e.g. `claude-code`. Empty for owners that have not said theirs.
    pub kind: String,
    /// The number of owners.
    pub owners: u64,
    /// Their active sessions.
    pub sessions: u64,
}

/// The last hook of a kind of owner.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LastHook {
    /// The kind, e.g. `claude-code`.
    pub kind: String,
    /// When the kind's last hook came, in UTC.
    pub at: String,
}

/// The deliveries that one plugin is owed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PluginStatus {
    /// The plugin's name.
    pub plugin: String,
    /// The tenant of a scoped plugin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// Whether the plugin is installed.
    pub installed: bool,
    /// Deliveries that may begin.
    pub ready: u64,
    /// Deliveries in running calls.
    pub running: u64,
    /// Deliveries that wait, for instance for a retry.
    pub waiting: u64,
    /// Dead deliveries.
    pub dead: u64,
    /// Orphaned deliveries: the plugin is not installed for the tenant, or lacks the hook.
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
