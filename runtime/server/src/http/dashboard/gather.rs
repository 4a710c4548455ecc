//! What the page says, to whoever asks for it. A tenant's token sees what is that tenant's, and what the daemon as a whole has is for those
//! who see all.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use lastword::events::Timestamp;
use lastword::{DeliveryRow, DeliveryState};
use tokio::time::timeout;

use super::bar::scale;
use super::rows::{DeathRow, DeliveryLine, DrainRow, FindingRow, PluginRow, SessionLine, Tile, how};
use super::templates::Dashboard;
use super::units::{ago, long_time, many, time};
use crate::access::Needs;
use crate::findings::{self, Finding};
use crate::http::caller::{Caller, Shown};
use crate::http::problem::Problem;
use crate::http::routes::deliveries::{LIST_TOO_SLOW, first_deliveries};
use crate::http::routes::sessions::first_sessions;
use crate::limits::{DEATH_IS_NEWS, PAGE_LIST_TIMEOUT, PAGE_ROWS, RECENT_CALLS};
use crate::observer::{Drained, EndCounts, Health, OfTenant, PastDeath, PastDrain};
use crate::shared::Shared;
use crate::status::{PluginStatus, Status};

/// Deaths that are among what is to be known; others are in the list.
const DEATHS_TO_KNOW: usize = 3;

/// The states in the order in which they are shown: what somebody has to look at first.
const STATES: [DeliveryState; 3] = [DeliveryState::Dead, DeliveryState::Orphaned, DeliveryState::Owed];

/// The page for this caller. `redelivered`: so many were, a moment ago.
pub(super) async fn dashboard(
    shared: &Arc<Shared>,
    caller: &Caller,
    redelivered: Option<u64>,
) -> Result<Dashboard, Problem> {
    caller.needs(Needs::Read)?;
    let (now, tenant) = (Timestamp::now(), caller.access.tenant());
    let unmade = Unmade::of(shared, caller).await;
    let (sessions, has_more_sessions) = first_sessions(&shared.runtime, tenant, PAGE_ROWS)?;
    let status = caller.access.is_of_all().then(|| shared.status());
    let health = shared.observer.health(tenant);
    let (drains, deaths) = (seen_drains(shared, tenant), seen_deaths(shared, tenant));
    let found =
        found(shared, &Seen { status: status.as_ref(), health: &health, unmade: &unmade, deaths: &deaths, now });
    let (state, headline) = headline(&found);
    let may_operate = caller.access.allows(Needs::Operate);
    let form_token = match caller.form_binding() {
        Some(binding) => shared.forms.of(&binding).map_err(|error| Problem::nothing_random(&error))?,
        None => String::new(),
    };
    let drains_scale = scale(drains.iter().map(|(drain, _)| (drain.what.budget, drain.what.elapsed)));
    let dead_plugins = if may_operate { unmade.dead_plugins() } else { Vec::new() };
    Ok(Dashboard {
        title: format!("{headline} – Lastword"),
        version: env!("CARGO_PKG_VERSION"),
        role: caller.access.role().as_str(),
        tenant: findings::shown(tenant.map(|tenant| &**tenant).unwrap_or_default()),
        now: now.to_string(),
        can_log_out: matches!(caller.shown(), Shown::Login(_)),
        form_token,
        message: redelivered.map(redelivered_message).unwrap_or_default(),
        state,
        headline,
        tiles: tiles(status.as_ref(), &unmade, (sessions.len(), has_more_sessions), &deaths),
        findings: found.into_iter().map(FindingRow::from).collect(),
        may_operate,
        is_too_slow: unmade.is_too_slow,
        has_actions: !dead_plugins.is_empty(),
        dead_plugins,
        deliveries: unmade.rows.iter().map(|row| DeliveryLine::new(row, now)).collect(),
        has_more_deliveries: unmade.has_more,
        recent_calls: RECENT_CALLS,
        has_queues: status.is_some(),
        plugins: plugins(status.as_ref(), &health, now),
        drains_scale: time(drains_scale),
        drains: drains
            .iter()
            .map(|(drain, counts)| {
                // A tenant does not see how many sessions the whole daemon had.
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

fn redelivered_message(count: u64) -> String {
    match count {
        0 => "Nothing was redelivered: it is owed already, or is not there any more.".to_owned(),
        1 => "1 delivery is owed again, and made as soon as its turn comes.".to_owned(),
        _ => format!("{count} deliveries are owed again, and made as soon as their turn comes."),
    }
}

fn about(status: &Status) -> String {
    let Status { pid, journal, durability, connections, uptime_s, .. } = status;
    let place = if durability == "disk" { "on disk" } else { "in memory" };
    let up = long_time(*uptime_s);
    format!("process {pid}, up for {up}; journal {journal}, {place}; {}", many(*connections, "connection"))
}

/// Deliveries that were not made.
struct Unmade {
    rows: Vec<DeliveryRow>,
    has_more: bool,
    /// There was too much to look through for all of it.
    is_too_slow: bool,
    /// The journal could not be read.
    is_unreadable: bool,
}

impl Unmade {
    /// The page is there also when they cannot be read: then it says so.
    async fn of(shared: &Shared, caller: &Caller) -> Self {
        let mut unmade = Self { rows: Vec::new(), has_more: false, is_too_slow: false, is_unreadable: false };
        for state in STATES {
            let asked = first_deliveries(shared, caller, state, PAGE_ROWS);
            match timeout(2 * PAGE_LIST_TIMEOUT, asked).await {
                Ok(Ok(page)) => {
                    unmade.rows.extend(page.rows);
                    unmade.has_more |= page.next.is_some();
                }
                Ok(Err(problem)) if problem.code() == LIST_TOO_SLOW => unmade.is_too_slow = true,
                Ok(Err(_)) | Err(_) => {
                    unmade.is_unreadable = true;
                    break;
                }
            }
        }
        unmade
    }

    fn count(&self, state: DeliveryState) -> u64 {
        self.rows.iter().filter(|row| row.state == state).count() as u64
    }

    /// How many each plugin gave up, and how many are owed to it though it is not there.
    fn by_plugin(&self) -> BTreeMap<&str, (u64, u64)> {
        let mut counts: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
        for row in &self.rows {
            let (dead, orphaned) = counts.entry(row.delivery.plugin.as_str()).or_default();
            match row.state {
                DeliveryState::Dead => *dead += 1,
                DeliveryState::Orphaned => *orphaned += 1,
                DeliveryState::Owed => {}
            }
        }
        counts
    }

    fn dead_plugins(&self) -> Vec<String> {
        let counts = self.by_plugin().into_iter();
        counts.filter(|(_, (dead, _))| *dead > 0).map(|(plugin, _)| plugin.to_owned()).collect()
    }
}

/// The drains that whoever looks sees, with what became of the ends that it sees. Of the daemon's own a tenant sees its own lines.
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

/// What whoever looks sees.
struct Seen<'a> {
    /// Of the daemon as a whole, for who sees every tenant.
    status: Option<&'a Status>,
    health: &'a [Health],
    unmade: &'a Unmade,
    deaths: &'a [OfTenant<PastDeath>],
    now: Timestamp,
}

/// What there is to look at: first what is wrong.
fn found(shared: &Shared, seen: &Seen<'_>) -> Vec<Finding> {
    let mut found = match seen.status {
        Some(status) => shared.findings(&status.plugins),
        None => {
            let failing = seen.health.iter().filter(|health| health.is_wrong()).map(findings::failing);
            let unmade = seen.unmade.by_plugin().into_iter();
            failing.chain(unmade.flat_map(|(name, (dead, orphaned))| findings::unmade(name, dead, orphaned))).collect()
        }
    };
    if seen.unmade.is_unreadable {
        let remedy = "the log says why: look at the disk, or ask again when the daemon has started";
        found.push(Finding::wrong("", "What is owed cannot be read from the journal", remedy, ""));
    }
    if shared.connections.is_closing() || shared.runtime.is_draining() {
        let remedy = "it takes no new sessions; the next one goes on with what is owed";
        found.push(Finding::to_know("", "The daemon is about to leave", remedy, ""));
    }
    found.extend(deaths_to_know(seen, shared.owners.grace()));
    found
}

fn deaths_to_know(seen: &Seen<'_>, grace: Duration) -> Vec<Finding> {
    let is_news = |death: &&OfTenant<PastDeath>| !death.what.is_back && death.what.at.plus(DEATH_IS_NEWS) > seen.now;
    let news: Vec<_> = seen.deaths.iter().filter(is_news).collect();
    let mut found: Vec<Finding> =
        news.iter().take(DEATHS_TO_KNOW).map(|death| death_to_know(death, grace, seen.now)).collect();
    let others = news.len().saturating_sub(DEATHS_TO_KNOW) as u64;
    if others > 0 {
        let what = format!("{} died in the last hour", many(others, "other owner"));
        found.push(Finding::to_know("", what, "if that was nobody's wish, look at what ends them", "owners"));
    }
    found
}

fn death_to_know(death: &OfTenant<PastDeath>, grace: Duration, now: Timestamp) -> Finding {
    let PastDeath { name, how: loss, sessions, at, .. } = &death.what;
    let had = many(*sessions as u64, "session");
    let then = match sessions {
        0 => "it had no session".to_owned(),
        _ if at.plus(grace) > now => format!("its {had} will end unless it comes back"),
        1 => "its session was ended for it".to_owned(),
        _ => format!("its {had} were ended for it"),
    };
    let (subject, died) = match name {
        Some(name) => (&**name, "died"),
        None => ("", "A connection died"),
    };
    let what = format!("{died} {}: {}; {then}", ago(*at, now), how(*loss));
    let remedy = "nothing is lost; if you did not stop it, its own log says why it left";
    Finding::to_know(subject, what, remedy, "owners")
}

/// What everybody should see first.
fn headline(found: &[Finding]) -> (&'static str, String) {
    let wrong = found.iter().filter(|finding| finding.is_wrong).count() as u64;
    let to_know = found.len() as u64 - wrong;
    match (wrong, to_know) {
        (0, 0) => ("is-good", "All is well".to_owned()),
        (0, 1) => ("to-know", "All is well; 1 thing to know".to_owned()),
        (0, _) => ("to-know", format!("All is well; {to_know} things to know")),
        (1, _) => ("is-wrong", "1 thing is wrong".to_owned()),
        _ => ("is-wrong", format!("{wrong} things are wrong")),
    }
}

fn tiles(
    status: Option<&Status>,
    unmade: &Unmade,
    (sessions, has_more): (usize, bool),
    deaths: &[OfTenant<PastDeath>],
) -> Vec<Tile> {
    let or_more = |count: u64, more: bool| if more { format!("{count}+") } else { count.to_string() };
    let sum = |of: fn(&PluginStatus) -> u64| status.map(|status| status.plugins.iter().map(of).sum::<u64>());
    let is_cut = unmade.has_more || unmade.is_too_slow;
    let listed = |state| or_more(unmade.count(state), is_cut);
    let active = status.map_or_else(|| or_more(sessions as u64, has_more), |status| status.sessions.to_string());
    let owed = sum(|plugin| plugin.ready + plugin.running + plugin.waiting);
    let dead = sum(|plugin| plugin.dead);
    let owed = owed.map_or_else(|| listed(DeliveryState::Owed), |count| count.to_string());
    let dead = dead.map_or_else(|| listed(DeliveryState::Dead), |count| count.to_string());
    let died = status.map_or(deaths.len() as u64, |status| status.owners_lost);
    let tile = |label, value: String, is_wrong| Tile { label, value, tone: if is_wrong { "is-wrong" } else { "" } };
    let has_dead = dead != "0";
    let mut tiles = vec![
        tile("active sessions", active, false),
        tile("deliveries owed", owed, false),
        tile("given up", dead, has_dead),
        tile("owners died", died.to_string(), false),
    ];
    if let Some(status) = status {
        let alive: u64 = status.owners.iter().map(|owner| owner.owners).sum();
        tiles.push(tile("owners alive", alive.to_string(), false));
    }
    tiles
}

/// The plugins that are installed, and others of which something is known.
fn plugins(status: Option<&Status>, health: &[Health], now: Timestamp) -> Vec<PluginRow> {
    let installed = status.map(|status| status.plugins.as_slice()).unwrap_or_default();
    let is_of = |health: &&Health, status: &PluginStatus| {
        health.plugin.as_str() == status.plugin && health.tenant.as_deref() == status.tenant.as_deref()
    };
    let known = installed.iter().map(|status| {
        let health = health.iter().find(|health| is_of(health, status));
        PluginRow::new(health, Some(status), now)
    });
    let others = health.iter().filter(|health| !installed.iter().any(|status| is_of(health, status)));
    known.chain(others.map(|health| PluginRow::new(Some(health), None, now))).collect()
}
