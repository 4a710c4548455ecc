//! The rows of the page's lists. An unknown text is empty.

use std::time::Duration;

use lastword::events::{Session, Timestamp};
use lastword::{DeliveryRow, DeliveryState};

use super::bar::Bar;
use crate::findings::{Finding, shown};
use crate::observer::{Drained, EndCounts, Health, OfTenant, PastDeath, PastDrain};
use crate::status::PluginStatus;
use crate::units::{ago, many, size, time};

/// A moment, exact and for people.
#[derive(Default)]
pub(super) struct When {
    pub(super) at: String,
    pub(super) ago: String,
}

impl When {
    fn new(at: Timestamp, now: Timestamp) -> Self {
        Self { at: at.to_string(), ago: ago(at, now) }
    }
}

/// The name of something, and the tenant that it belongs to.
#[derive(Default)]
pub(super) struct Named {
    pub(super) name: String,
    pub(super) tenant: String,
}

impl Named {
    fn new(name: Option<&str>, tenant: Option<&str>) -> Self {
        Self { name: known(name), tenant: known(tenant) }
    }
}

/// Returns a text from outside for the page. Empty if it is not known.
fn known(text: Option<&str>) -> String {
    shown(text.unwrap_or_default())
}

/// A prominent number.
pub(super) struct Tile {
    pub(super) label: &'static str,
    pub(super) value: String,
    pub(super) tone: &'static str,
}

/// A finding.
pub(super) struct FindingRow {
    pub(super) is_wrong: bool,
    pub(super) subject: String,
    pub(super) what: String,
    pub(super) remedy: Vec<Piece>,
    pub(super) place: &'static str,
    /// What the link to the place says.
    pub(super) link: &'static str,
}

/// A part of a sentence.
pub(super) struct Piece {
    pub(super) is_code: bool,
    pub(super) text: String,
}

impl From<Finding> for FindingRow {
    fn from(finding: Finding) -> Self {
        let Finding { is_wrong, subject, what, remedy, place } = finding;
        // Every second piece is between backticks.
        let pieces = remedy.split('`').zip([false, true].into_iter().cycle());
        let remedy = pieces.map(|(text, is_code)| Piece { is_code, text: text.to_owned() }).collect();
        let link = match place {
            "owed" => "Show the deliveries",
            "plugins" => "Show the plugins",
            "owners" => "Show the owners that died",
            _ => "Show it",
        };
        // A finding without a subject begins its sentence.
        let what = if subject.is_empty() { capitalized(&what) } else { what };
        Self { is_wrong, subject, what, remedy, place, link }
    }
}

fn capitalized(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// A delivery that was not made.
pub(super) struct DeliveryLine {
    pub(super) delivery: String,
    /// `owed`, `dead` or `orphaned`.
    pub(super) state: &'static str,
    pub(super) word: &'static str,
    pub(super) may_redeliver: bool,
    pub(super) may_drop: bool,
    pub(super) plugin: String,
    pub(super) hook: &'static str,
    pub(super) session: Named,
    pub(super) generation: u32,
    pub(super) cause: String,
    pub(super) message: String,
    pub(super) retry: String,
    /// Whether there is no text about why.
    pub(super) is_blank: bool,
    pub(super) attempts: u32,
}

impl DeliveryLine {
    pub(super) fn new(row: &DeliveryRow, now: Timestamp) -> Self {
        let (cause, message) = (known(row.cause.as_deref()), known(row.message.as_deref()));
        let retry = match row.retry_at {
            Some(at) if at > now => format!("again {}", ago(at, now)),
            Some(_) => "again as soon as its turn comes".to_owned(),
            None => String::new(),
        };
        Self {
            delivery: row.delivery.to_string(),
            state: row.state.as_str(),
            word: match row.state {
                DeliveryState::Owed => "owed",
                DeliveryState::Dead => "given up",
                DeliveryState::Orphaned => "no such plugin",
            },
            may_redeliver: row.state == DeliveryState::Dead,
            // A delivery that is owed may be under way, and cannot be dropped then.
            may_drop: row.state != DeliveryState::Owed,
            plugin: row.delivery.plugin.to_string(),
            hook: row.delivery.event.hook().as_str(),
            session: Named::new(Some(row.session.as_str()), Some(row.tenant.as_str())),
            generation: row.generation,
            is_blank: cause.is_empty() && message.is_empty() && retry.is_empty(),
            cause,
            message,
            retry,
            attempts: row.attempt,
        }
    }
}

/// What an operator can do with all deliveries of a plugin that are in one state.
pub(super) struct PluginChange {
    pub(super) plugin: String,
    /// `dead` or `orphaned`.
    pub(super) state: &'static str,
    /// Which of the plugin's deliveries these are.
    pub(super) which: &'static str,
    pub(super) may_redeliver: bool,
}

impl PluginChange {
    pub(super) fn new(plugin: &str, state: DeliveryState) -> Self {
        let is_dead = state == DeliveryState::Dead;
        Self {
            plugin: plugin.to_owned(),
            state: state.as_str(),
            which: if is_dead { "that were given up" } else { "that it has left behind" },
            may_redeliver: is_dead,
        }
    }
}

/// A plugin.
#[derive(Default)]
pub(super) struct PluginRow {
    pub(super) plugin: Named,
    pub(super) health: String,
    pub(super) tone: &'static str,
    pub(super) delivered: String,
    pub(super) failed: String,
    pub(super) median: String,
    pub(super) p99: String,
    pub(super) memory: String,
    pub(super) last: String,
    pub(super) queued: u64,
    pub(super) running: u64,
    pub(super) dead: u64,
}

impl PluginRow {
    /// Makes the row from its calls and its queue.
    pub(super) fn new(health: Option<&Health>, status: Option<&PluginStatus>, now: Timestamp) -> Self {
        let is_gone = status.is_some_and(|status| !status.installed);
        let (word, tone) = match health {
            _ if is_gone => ("not installed".to_owned(), "to-know"),
            None => ("not called yet".to_owned(), ""),
            Some(health) => match health.cause {
                None => ("well".to_owned(), "is-good"),
                Some(cause) if health.is_wrong() => (format!("{} × {cause}", health.failures_in_a_row), "is-wrong"),
                Some(cause) => (format!("failed: {cause}"), "to-know"),
            },
        };
        let mut row = Self { health: word, tone, ..Self::default() };
        if let Some(status) = status {
            row.plugin = Named::new(Some(status.plugin.as_str()), status.tenant.as_deref());
            (row.queued, row.running, row.dead) = (status.ready + status.waiting, status.running, status.dead);
        }
        if let Some(health) = health {
            row.plugin = Named::new(Some(health.plugin.as_str()), health.tenant.as_deref());
            (row.delivered, row.failed) = (health.delivered.to_string(), health.failed.to_string());
            (row.median, row.p99) = (time(health.median), time(health.p99));
            row.memory = size(health.peak_memory);
            row.last = ago(health.last, now);
        }
        row
    }
}

/// A drain that is over.
pub(super) struct DrainRow {
    pub(super) when: When,
    pub(super) owner: Named,
    /// A description of what was drained, if the owner has no name.
    pub(super) whose: &'static str,
    pub(super) reason: String,
    pub(super) sessions: String,
    pub(super) bar: Bar,
    /// The bar's content in words.
    pub(super) picture: String,
    pub(super) delivered: u64,
    pub(super) failed: u64,
    pub(super) deferred: u64,
    pub(super) took: String,
    pub(super) budget: String,
    pub(super) timed_out: bool,
}

impl DrainRow {
    /// Makes the row, with the outcomes that the caller may see, on this scale. `has_sessions` says whether it may see
    /// the number of sessions.
    pub(super) fn new(
        drain: &OfTenant<PastDrain>,
        counts: EndCounts,
        has_sessions: bool,
        scale: Duration,
        now: Timestamp,
    ) -> Self {
        let OfTenant { tenant, what } = drain;
        let (owner, whose) = match &what.of {
            Drained::Daemon(_) => (None, "the daemon"),
            Drained::Owner(Some(name)) => (Some(&**name), ""),
            Drained::Owner(None) => (None, "a connection"),
        };
        let EndCounts { delivered, failed, deferred } = counts;
        let (took, budget) = (time(what.elapsed), time(what.budget));
        Self {
            when: When::new(what.began, now),
            owner: Named::new(owner, tenant.as_deref()),
            whose,
            reason: what.reason.clone(),
            sessions: if has_sessions { many(what.sessions, "session") } else { String::new() },
            bar: Bar::new(scale, what.budget, what.elapsed, counts),
            picture: format!("{took} of {budget}: {delivered} delivered, {failed} failed, {deferred} left for later"),
            delivered,
            failed,
            deferred,
            took,
            budget,
            timed_out: what.timed_out,
        }
    }
}

/// An owner that died.
pub(super) struct DeathRow {
    pub(super) when: When,
    pub(super) owner: Named,
    pub(super) kind: String,
    pub(super) how: &'static str,
    pub(super) sessions: usize,
    pub(super) since: &'static str,
}

impl DeathRow {
    pub(super) fn new(death: &OfTenant<PastDeath>, grace: Duration, now: Timestamp) -> Self {
        let OfTenant { tenant, what } = death;
        Self {
            when: When::new(what.at, now),
            owner: Named::new(what.name.as_deref(), tenant.as_deref()),
            kind: shown(&what.kind),
            how: what.how_noticed(),
            sessions: what.sessions,
            since: match what {
                _ if what.is_back => "it came back",
                _ if what.at.plus(grace) > now => "it may come back yet",
                _ => "its sessions were ended",
            },
        }
    }
}

/// An active session.
pub(super) struct SessionLine {
    pub(super) session: Named,
    pub(super) scope: String,
    pub(super) generation: u32,
    pub(super) kind: String,
    pub(super) owner: String,
    pub(super) began: When,
    pub(super) agent: &'static str,
    pub(super) cwd: String,
}

impl SessionLine {
    pub(super) fn new(session: &Session, turn_open: Option<bool>, now: Timestamp) -> Self {
        let identity = &session.identity;
        Self {
            session: Named::new(Some(&*identity.id), Some(&*identity.tenant)),
            scope: shown(&identity.scope),
            generation: session.generation,
            kind: known(session.owner_kind.as_deref()),
            owner: known(session.owner.as_deref().map(|owner| owner.name.as_str())),
            began: session.started_at.map(|at| When::new(at, now)).unwrap_or_default(),
            agent: match turn_open {
                Some(true) => "at work",
                Some(false) => "waits",
                None => "",
            },
            cwd: known(session.cwd.as_deref()),
        }
    }
}
