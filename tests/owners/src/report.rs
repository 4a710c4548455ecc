//! What a trial has shown.

use serde::{Deserialize, Serialize};

use crate::named::{Mode, Owner, Way};

/// What became of an agent, and of its sessions.
#[derive(Debug, Serialize, Deserialize)]
pub struct Report {
    /// Which agent it was.
    pub owner: Owner,
    /// Where it ran.
    pub mode: Mode,
    /// What happened to it.
    pub way: Way,
    /// How many ends the agent's own hook was told of, by the time that no process of it was left.
    pub own_ends: usize,
    /// The agent went on. The end was then forced with SIGKILL.
    pub stayed: bool,
    /// Sessions that were not active any more while their agent went on, and that it had not ended: there must be none.
    pub ended_while_it_stayed: usize,
    /// What the plugin was told, for each session that it was told of, in the order of their starts.
    pub sessions: Vec<SessionTold>,
}

/// What the plugin was told of a session.
#[derive(Debug, Serialize, Deserialize)]
pub struct SessionTold {
    /// The agent's id of it.
    pub id: String,
    /// How often that id was started.
    pub generation: u32,
    /// How many starts it was told of.
    pub starts: usize,
    /// How many ends of this id the agent's own hook was told of.
    pub own_ends: usize,
    /// How many compactions, before and after.
    pub compactions: usize,
    /// Its ends.
    pub ends: Vec<End>,
}

/// One call of the plugin's `session-end`.
#[derive(Debug, Serialize, Deserialize)]
pub struct End {
    /// As plugins have it.
    pub reason: String,
    /// From the exit of the agent's process to the plugin's own word of it, in milliseconds. 0: it came before the
    /// exit.
    pub after_exit_ms: u64,
    /// It came only when the daemon was stopped at the end of the trial.
    pub by_drain: bool,
}
