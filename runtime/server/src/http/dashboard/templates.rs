//! The templates and their data. Text from outside is made printable and cut before it comes here. The templates escape
//! all text, and isolate each piece from outside (`<bdi>`).

use askama::Template;

use super::rows::{DeathRow, DeliveryLine, DrainRow, FindingRow, PluginChange, PluginRow, SessionLine, Tile};

/// The form for the token.
#[derive(Template)]
#[template(path = "login.html")]
pub(super) struct LoginPage {
    /// Whether the token that was shown is not valid.
    pub(super) is_wrong: bool,
}

/// The page.
#[derive(Template)]
#[template(path = "dashboard.html")]
pub(super) struct Dashboard {
    pub(super) title: String,
    pub(super) version: &'static str,
    pub(super) role: &'static str,
    /// The caller's tenant. Empty: every tenant.
    pub(super) tenant: String,
    pub(super) now: String,
    pub(super) can_log_out: bool,
    pub(super) form_token: String,
    /// The result of the last form. Empty: none.
    pub(super) message: String,
    /// `is-wrong`, `to-know` or `is-good`.
    pub(super) state: &'static str,
    pub(super) headline: String,
    pub(super) findings: Vec<FindingRow>,
    pub(super) has_more_findings: bool,
    pub(super) tiles: Vec<Tile>,
    pub(super) may_operate: bool,
    /// Whether the owed deliveries could not all be read in time.
    pub(super) is_too_slow: bool,
    /// Whether the owed deliveries could not all be read, in time or at all.
    pub(super) is_unread: bool,
    /// What an operator can do with all deliveries of a plugin.
    pub(super) changes: Vec<PluginChange>,
    pub(super) deliveries: Vec<DeliveryLine>,
    pub(super) has_more_deliveries: bool,
    pub(super) recent_calls: usize,
    /// Whether the page shows the queues of plugins, which span every tenant.
    pub(super) has_queues: bool,
    pub(super) plugins: Vec<PluginRow>,
    pub(super) has_more_plugins: bool,
    /// The time that the full width of a drain's picture stands for.
    pub(super) drains_scale: String,
    pub(super) drains: Vec<DrainRow>,
    pub(super) deaths: Vec<DeathRow>,
    pub(super) sessions: Vec<SessionLine>,
    pub(super) has_more_sessions: bool,
    /// The process and its journal. Empty for a caller of one tenant.
    pub(super) about: String,
}
