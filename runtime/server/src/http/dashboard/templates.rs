//! The templates, and what they are filled with. Names of others are made printable and cut before they come here; the templates escape
//! all of it, and isolate each one (`<bdi>`).

use askama::Template;

use super::rows::{DeathRow, DeliveryLine, DrainRow, FindingRow, PluginRow, SessionLine, Tile};

/// The form for the token.
#[derive(Template)]
#[template(path = "login.html")]
pub(super) struct LoginPage {
    /// One was shown that is not valid.
    pub(super) is_wrong: bool,
}

/// The page.
#[derive(Template)]
#[template(path = "dashboard.html")]
pub(super) struct Dashboard {
    pub(super) title: String,
    pub(super) version: &'static str,
    pub(super) role: &'static str,
    /// The caller's own; empty: every tenant.
    pub(super) tenant: String,
    pub(super) now: String,
    pub(super) can_log_out: bool,
    pub(super) form_token: String,
    /// What was done a moment ago; empty: nothing.
    pub(super) message: String,
    /// `is-wrong`, `to-know` or `is-good`.
    pub(super) state: &'static str,
    pub(super) headline: String,
    pub(super) findings: Vec<FindingRow>,
    pub(super) has_more_findings: bool,
    pub(super) tiles: Vec<Tile>,
    pub(super) may_operate: bool,
    /// Of what is owed not all could be read in time.
    pub(super) is_too_slow: bool,
    /// Of what is owed not all could be read, in time or at all.
    pub(super) is_unread: bool,
    pub(super) has_actions: bool,
    /// Plugins that gave something up.
    pub(super) dead_plugins: Vec<String>,
    pub(super) deliveries: Vec<DeliveryLine>,
    pub(super) has_more_deliveries: bool,
    pub(super) recent_calls: usize,
    /// Whether it is seen what plugins are owed: that is of every tenant.
    pub(super) has_queues: bool,
    pub(super) plugins: Vec<PluginRow>,
    pub(super) has_more_plugins: bool,
    /// What the pictures of drains are as wide as.
    pub(super) drains_scale: String,
    pub(super) drains: Vec<DrainRow>,
    pub(super) deaths: Vec<DeathRow>,
    pub(super) sessions: Vec<SessionLine>,
    pub(super) has_more_sessions: bool,
    /// The process and its journal; empty for who has one tenant.
    pub(super) about: String,
}
