//! The rows of the page's lists. An unknown text is empty.

use std::time::Duration;

use lastword::events::{Session, Timestamp};
use lastword::{DeliveryRow, DeliveryState};

use super::bar::Bar;
use super::units::{ago, many, size, time};
use crate::findings::{Finding, shown};
use crate::observer::{Drained, EndCounts, Health, OfTenant, PastDeath, PastDrain};
use crate::owners::Loss;
use crate::status::PluginStatus;

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
        Self { is_wrong, subject, what, remedy, place }
    }
}

/// A delivery that was not made.
pub(super) struct DeliveryLine {
    pub(super) delivery: String,
    /// `owed`, `dead` or `orphaned`.
    pub(super) state: &'static str,
    pub(super) word: &'static str,
    pub(super) is_dead: bool,
    pub(super) plugin: String,
    pub(super) hook: &'static str,
    pub(super) tenant: String,
    pub(super) session: String,
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
        let text = |text: &Option<String>| shown(text.as_deref().unwrap_or_default());
        let (cause, message) = (text(&row.cause), text(&row.message));
        let retry = row.retry_at.map(|at| ago(at, now)).unwrap_or_default();
        Self {
            delivery: row.delivery.to_string(),
            state: row.state.as_str(),
            word: match row.state {
                DeliveryState::Owed => "owed",
                DeliveryState::Dead => "given up",
                DeliveryState::Orphaned => "no such plugin",
            },
            is_dead: row.state == DeliveryState::Dead,
            plugin: row.delivery.plugin.to_string(),
            hook: row.delivery.event.hook().as_str(),
            tenant: shown(&row.tenant),
            session: shown(&row.session),
            generation: row.generation,
            is_blank: cause.is_empty() && message.is_empty() && retry.is_empty(),
            cause,
            message,
            retry,
            attempts: row.attempt,
        }
    }
}

/// A plugin.
#[derive(Default)]
pub(super) struct PluginRow {
    pub(super) plugin: String,
    pub(super) tenant: String,
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
            row.plugin.clone_from(&status.plugin);
            row.tenant = shown(status.tenant.as_deref().unwrap_or_default());
            (row.queued, row.running, row.dead) = (status.ready + status.waiting, status.running, status.dead);
        }
        if let Some(health) = health {
            row.plugin = health.plugin.to_string();
            row.tenant = shown(health.tenant.as_deref().unwrap_or_default());
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
    pub(super) at: String,
    pub(super) ago: String,
    /// The owner's name.
    pub(super) owner: String,
    /// A description of what was drained, if it has no name.
    pub(super) whose: &'static str,
    pub(super) tenant: String,
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
            Drained::Daemon(_) => (String::new(), "the daemon"),
            Drained::Owner(Some(name)) => (shown(name), ""),
            Drained::Owner(None) => (String::new(), "a connection"),
        };
        let EndCounts { delivered, failed, deferred } = counts;
        let (took, budget) = (time(what.elapsed), time(what.budget));
        Self {
            at: what.began.to_string(),
            ago: ago(what.began, now),
            owner,
            whose,
            tenant: shown(tenant.as_deref().unwrap_or_default()),
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
    pub(super) at: String,
    pub(super) ago: String,
    pub(super) owner: String,
    pub(super) tenant: String,
    pub(super) kind: String,
    pub(super) how: &'static str,
    pub(super) sessions: usize,
    pub(super) since: &'static str,
}

impl DeathRow {
    pub(super) fn new(death: &OfTenant<PastDeath>, grace: Duration, now: Timestamp) -> Self {
        let OfTenant { tenant, what } = death;
        Self {
            at: what.at.to_string(),
            ago: ago(what.at, now),
            owner: shown(what.name.as_deref().unwrap_or_default()),
            tenant: shown(tenant.as_deref().unwrap_or_default()),
            kind: shown(&what.kind),
            how: how(what.how),
            sessions: what.sessions,
            since: match what {
                _ if what.is_back => "it came back",
                _ if what.at.plus(grace) > now => "it may come back yet",
                _ => "its sessions were ended",
            },
        }
    }
}

/// Returns how the server noticed a death.
pub(super) fn how(loss: Loss) -> &'static str {
    match loss {
        Loss::Process => "its process exited",
        Loss::Connection => "its connection closed",
        Loss::Lease => "its lease lapsed",
    }
}

/// An active session.
pub(super) struct SessionLine {
    pub(super) id: String,
    pub(super) scope: String,
    pub(super) generation: u32,
    pub(super) tenant: String,
    pub(super) kind: String,
    pub(super) owner: String,
    pub(super) at: String,
    pub(super) ago: String,
    pub(super) agent: &'static str,
    pub(super) cwd: String,
}

impl SessionLine {
    pub(super) fn new(session: &Session, turn_open: Option<bool>, now: Timestamp) -> Self {
        let text = |text: Option<&str>| shown(text.unwrap_or_default());
        Self {
            id: shown(&session.identity.id),
            scope: shown(&session.identity.scope),
            generation: session.generation,
            tenant: shown(&session.identity.tenant),
            kind: text(session.owner_kind.as_deref()),
            owner: text(session.owner.as_deref().map(|owner| owner.name.as_str())),
            at: session.started_at.map(|at| at.to_string()).unwrap_or_default(),
            ago: session.started_at.map(|at| ago(at, now)).unwrap_or_default(),
            agent: match turn_open {
                Some(true) => "at work",
                Some(false) => "waits",
                None => "",
            },
            cwd: text(session.cwd.as_deref()),
        }
    }
}
