//! Gathers the page's data for a caller. A caller of one tenant sees that tenant's data. A caller of every tenant also
//! sees the daemon's.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use lastword::DeliveryState;
use lastword::events::Timestamp;

use super::bar::scale;
use super::rows::{DeathRow, DeliveryLine, DrainRow, FindingRow, PluginChange, PluginRow, SessionLine, Tile};
use super::templates::Dashboard;
use super::unmade::Unmade;
use crate::access::Needs;
use crate::findings::{self, Counted, Finding};
use crate::http::caller::{Caller, Shown};
use crate::http::problem::Problem;
use crate::http::routes::sessions::first_sessions;
use crate::limits::{PAGE_ROWS, RECENT_CALLS};
use crate::observer::{Drained, EndCounts, Health, OfTenant, PastDeath, PastDrain};
use crate::shared::Shared;
use crate::status::{PluginStatus, Status};
use crate::units::{long_time, many, time};

/// Gathers the page for this caller. `message` says what the form that led here did.
pub(super) async fn dashboard(shared: &Arc<Shared>, caller: &Caller, message: String) -> Result<Dashboard, Problem> {
    caller.needs(Needs::Read)?;
    let (now, tenant) = (Timestamp::now(), caller.access.tenant());
    // All viewers of a tenant share one read, so a tenant takes one turn among the readers of the journal.
    let unmade = shared.page_lists.get(tenant.cloned(), Unmade::of(shared, caller)).await;
    let (sessions, has_more_sessions) = first_sessions(&shared.runtime, tenant, PAGE_ROWS)?;
    let health = shared.health(tenant);
    let status = caller.access.is_of_all().then(|| shared.status_with(&health));
    let (drains, deaths) = (seen_drains(shared, tenant), seen_deaths(shared, tenant));
    let found = found(shared, &Seen { status: status.as_ref(), health: &health, unmade: &unmade, deaths: &deaths });
    let (state, headline) = headline(&found);
    let may_operate = caller.access.allows(Needs::Operate);
    let form_token = match caller.form_binding() {
        Some(binding) => shared.forms.of(&binding).map_err(|error| Problem::nothing_random(&error))?,
        None => String::new(),
    };
    let drains_scale = scale(drains.iter().map(|(drain, _)| (drain.what.budget, drain.what.elapsed)));
    let changes = if may_operate { changes(status.as_ref(), &unmade) } else { Vec::new() };
    let has_more_findings = found.len() > PAGE_ROWS;
    let (plugins, has_more_plugins) = plugins(status.as_ref(), &health, now);
    Ok(Dashboard {
        title: format!("{} – Lastword", title(&found).unwrap_or_else(|| headline.clone())),
        version: env!("CARGO_PKG_VERSION"),
        role: caller.access.role().as_str(),
        tenant: findings::shown(tenant.map(|tenant| &**tenant).unwrap_or_default()),
        now: now.to_string(),
        can_log_out: matches!(caller.shown(), Shown::Login(_)),
        form_token,
        message,
        state,
        headline,
        tiles: tiles(status.as_ref(), &unmade, (sessions.len(), has_more_sessions), &deaths),
        findings: found.into_iter().take(PAGE_ROWS).map(FindingRow::from).collect(),
        has_more_findings,
        may_operate,
        is_too_slow: unmade.is_too_slow(),
        is_unread: unmade.is_too_slow() || unmade.is_unreadable(),
        changes,
        deliveries: unmade.rows().iter().map(|row| DeliveryLine::new(row, now)).collect(),
        has_more_deliveries: unmade.has_more(),
        recent_calls: RECENT_CALLS,
        has_queues: status.is_some(),
        plugins,
        has_more_plugins,
        drains_scale: time(drains_scale),
        drains: drains
            .iter()
            .map(|(drain, counts)| {
                // A tenant does not see the number of sessions in the whole daemon.
                let has_sessions = tenant.is_none() || drain.tenant.is_some();
                DrainRow::new(drain, *counts, has_sessions, drains_scale, now)
            })
            .collect(),
        deaths: deaths.iter().map(|death| DeathRow::new(death, shared.owners.grace(), now)).collect(),
        sessions: sessions
            .iter()
            .map(|session| SessionLine::new(session, shared.owners.is_turn_open(&session.identity), now))
            .collect(),
        has_more_sessions,
        about: status.as_ref().map(about).unwrap_or_default(),
    })
}

fn about(status: &Status) -> String {
    let Status { pid, journal, durability, connections, uptime_s, .. } = status;
    let place = if durability == "disk" { "on disk" } else { "in memory" };
    let up = long_time(*uptime_s);
    format!("process {pid}, up for {up}; journal {journal}, {place}; {}", many(*connections, "connection"))
}

/// Returns the drains that the caller may see, with the outcomes that it may see. Of the daemon's drains a tenant sees
/// its own lines.
fn seen_drains(shared: &Shared, tenant: Option<&Arc<str>>) -> Vec<(OfTenant<PastDrain>, EndCounts)> {
    let all = shared.observer.drains().into_iter();
    all.filter_map(|drain| {
        let counts = match (tenant, &drain.what.of) {
            (None, _) => drain.what.counts,
            (Some(tenant), Drained::Daemon(lines)) => {
                let mut own = lines.iter().filter(|line| line.tenant == *tenant).peekable();
                own.peek()?;
                own.fold(EndCounts::default(), |sum, line| EndCounts {
                    delivered: sum.delivered + line.delivered,
                    failed: sum.failed + line.failed,
                    deferred: sum.deferred + line.deferred,
                })
            }
            (Some(tenant), Drained::Owner(_)) if drain.tenant.as_ref() == Some(tenant) => drain.what.counts,
            (Some(_), Drained::Owner(_)) => return None,
        };
        Some((drain, counts))
    })
    .collect()
}

fn seen_deaths(shared: &Shared, tenant: Option<&Arc<str>>) -> Vec<OfTenant<PastDeath>> {
    let all = shared.observer.deaths().into_iter();
    all.filter(|death| tenant.is_none() || death.tenant.as_ref() == tenant).take(PAGE_ROWS).collect()
}

/// The data that the caller may see.
struct Seen<'a> {
    /// The daemon's status, for callers of every tenant.
    status: Option<&'a Status>,
    health: &'a [Health],
    unmade: &'a Unmade,
    deaths: &'a [OfTenant<PastDeath>],
}

/// Returns the findings, those that need action first.
fn found(shared: &Shared, seen: &Seen<'_>) -> Vec<Finding> {
    let mut found = match seen.status {
        Some(status) => shared.wrong(&status.plugins, seen.health),
        None => {
            let failing = seen.health.iter().filter(|health| health.is_wrong());
            let failing = failing.map(|health| findings::failing(health, 0));
            let unmade = seen.unmade.by_plugin().into_iter();
            failing.chain(unmade.flat_map(|(name, (dead, orphaned))| findings::unmade(name, dead, orphaned))).collect()
        }
    };
    if seen.unmade.is_unreadable() {
        let remedy = "the log says why: look at the disk, or ask again when the daemon has started";
        found.push(Finding::wrong("", "what is owed cannot be read from the journal", remedy, ""));
    }
    // The page shows only the first ones.
    found.extend(shared.to_know(seen.deaths));
    if seen.status.is_some() {
        found.extend(shared.nodes_to_know());
    }
    found
}

/// Returns what can be changed of each plugin at once: its dead deliveries and its orphaned ones.
fn changes(status: Option<&Status>, unmade: &Unmade) -> Vec<PluginChange> {
    let counts: BTreeMap<&str, (u64, u64)> = match status {
        Some(status) => {
            let mut counts: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
            for plugin in &status.plugins {
                // Scoped plugins of several tenants may have one name.
                let (dead, orphaned) = counts.entry(plugin.plugin.as_str()).or_default();
                *dead += plugin.dead;
                *orphaned += plugin.orphaned;
            }
            counts
        }
        None => {
            let counts = unmade.by_plugin().into_iter();
            counts.map(|(plugin, (dead, orphaned))| (plugin, (dead.count, orphaned.count))).collect()
        }
    };
    let changes = counts.into_iter().flat_map(|(plugin, (dead, orphaned))| {
        let states = [(DeliveryState::Dead, dead), (DeliveryState::Orphaned, orphaned)];
        states.into_iter().filter(|(_, count)| *count > 0).map(move |(state, _)| PluginChange::new(plugin, state))
    });
    changes.take(PAGE_ROWS).collect()
}

/// Returns the headline of the page.
fn headline(found: &[Finding]) -> (&'static str, String) {
    let wrong = found.iter().filter(|finding| finding.is_wrong).count() as u64;
    let to_know = found.len() as u64 - wrong;
    match (wrong, to_know) {
        (0, 0) => ("is-good", "All is well".to_owned()),
        (0, 1) => ("to-know", "All is well; 1 thing to know".to_owned()),
        (0, _) => ("to-know", format!("All is well; {to_know} things to know")),
        (1, 0) => ("is-wrong", "1 thing is wrong".to_owned()),
        (1, _) => ("is-wrong", format!("1 thing is wrong; {to_know} to know")),
        (_, 0) => ("is-wrong", format!("{wrong} things are wrong")),
        _ => ("is-wrong", format!("{wrong} things are wrong; {to_know} to know")),
    }
}

/// Returns the title of the browser's tab: the first thing that is wrong.
fn title(found: &[Finding]) -> Option<String> {
    found.iter().find(|finding| finding.is_wrong).map(Finding::title)
}

fn tiles(
    status: Option<&Status>,
    unmade: &Unmade,
    (sessions, has_more): (usize, bool),
    deaths: &[OfTenant<PastDeath>],
) -> Vec<Tile> {
    let sum = |of: fn(&PluginStatus) -> u64| status.map(|status| Counted::all(status.plugins.iter().map(of).sum()));
    let listed = Counted { count: sessions as u64, is_cut: has_more };
    let active = status.map_or(listed, |status| Counted::all(status.sessions));
    let owed = sum(|plugin| plugin.ready + plugin.running + plugin.waiting);
    let owed = owed.unwrap_or_else(|| unmade.count(DeliveryState::Owed));
    let dead = sum(|plugin| plugin.dead).unwrap_or_else(|| unmade.count(DeliveryState::Dead));
    let died = Counted { count: deaths.len() as u64, is_cut: deaths.len() >= PAGE_ROWS };
    let tile = |label, value: String, is_wrong| Tile { label, value, tone: if is_wrong { "is-wrong" } else { "" } };
    let mut tiles = vec![
        tile("active sessions", active.to_string(), false),
        tile("deliveries owed", owed.to_string(), false),
        tile("given up", dead.to_string(), dead.count > 0),
        tile("owners died", died.to_string(), false),
    ];
    if let Some(status) = status {
        let alive: u64 = status.owners.iter().map(|owner| owner.owners).sum();
        tiles.push(tile("owners alive", alive.to_string(), false));
    }
    tiles
}

/// Returns the installed plugins and uninstalled ones with data, those with problems first. The flag says whether there
/// are more than the page shows.
fn plugins(status: Option<&Status>, health: &[Health], now: Timestamp) -> (Vec<PluginRow>, bool) {
    let installed = status.map(|status| status.plugins.as_slice()).unwrap_or_default();
    let mut known: HashMap<_, &Health> = health.iter().map(|health| (key(health), health)).collect();
    let mut all: Vec<(Option<&PluginStatus>, Option<&Health>)> = Vec::new();
    for status in installed {
        all.push((Some(status), known.remove(&(status.plugin.clone(), status.tenant.clone()))));
    }
    // In the order of `health`; a map has no order.
    all.extend(health.iter().filter(|health| known.contains_key(&key(health))).map(|health| (None, Some(health))));
    let is_wrong = |health: Option<&Health>| health.is_some_and(Health::is_wrong);
    let has_dead = |status: Option<&PluginStatus>| status.is_some_and(|status| status.dead + status.orphaned > 0);
    all.sort_by_key(|(status, health)| (!is_wrong(*health), !has_dead(*status)));
    let has_more = all.len() > PAGE_ROWS;
    let shown = all.into_iter().take(PAGE_ROWS).map(|(status, health)| PluginRow::new(health, status, now));
    (shown.collect(), has_more)
}

/// Returns a plugin's name, with its tenant if it is scoped.
fn key(health: &Health) -> (String, Option<String>) {
    (health.plugin.to_string(), health.tenant.as_deref().map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use lastword::events::PluginName;

    use super::*;

    #[test]
    fn of_very_many_plugins_those_are_shown_that_somebody_has_to_look_at() {
        let name = |n: usize| format!("p{n:03}");
        let installed = |n| PluginStatus { plugin: name(n), installed: true, ..PluginStatus::default() };
        let mut status = Status { plugins: (0..3 * PAGE_ROWS).map(installed).collect(), ..Status::default() };
        status.plugins[2 * PAGE_ROWS].dead = 1;
        let last = name(3 * PAGE_ROWS - 1);
        let fails = Health {
            plugin: PluginName::new(&last).unwrap(),
            tenant: None,
            version: 1,
            delivered: 0,
            failed: 3,
            failures_in_a_row: 3,
            cause: Some("trap"),
            median: Duration::ZERO,
            p99: Duration::ZERO,
            peak_memory: 0,
            last: Timestamp::from_millisecond(0),
        };
        let (rows, has_more) = plugins(Some(&status), &[fails], Timestamp::from_millisecond(0));
        assert_eq!((rows.len(), has_more), (PAGE_ROWS, true));
        let shown: Vec<&str> = rows.iter().take(3).map(|row| row.plugin.name.as_str()).collect();
        assert_eq!(shown, [last.as_str(), name(2 * PAGE_ROWS).as_str(), "p000"]);
        status.plugins.truncate(PAGE_ROWS);
        assert!(!plugins(Some(&status), &[], Timestamp::from_millisecond(0)).1);
    }
}
