//! The operator's commands for a journal: list sessions and deliveries, redeliver or drop deliveries, and maintain the
//! file.

mod active;
mod forget;
mod journal;
mod nodes;
mod table;
mod target;
mod through_daemon;
mod unmade;

use std::io::Write;
use std::path::PathBuf;

use anyhow::anyhow;
use lastword_events::text::printable_path;
use lastword_events::{DeliveryId, JournalName, Timestamp};
use lastword_sqlite::{Changed, DeliveryState, JournalFile};
use serde::Serialize;

use crate::args::{DeliveriesArgs, DropArgs, JournalArgs, RedeliverArgs, SessionsArgs, State};
use crate::client::Daemon;
use crate::config::{Config, users_own};
use crate::exit::{Exit, Failure, printed};
use crate::inputs;
use crate::journal::{JournalLocation, unusable};
use crate::plain_json::plain_json;
use active::ActiveSession;
use through_daemon::change_through;
use unmade::UnmadeDelivery;

pub(crate) use forget::forget;
pub(crate) use journal::journal;
pub(crate) use nodes::nodes;
pub(crate) use table::Table;

/// The paths of the daemon's lists.
const SESSIONS: &str = "/v1/sessions";
const DELIVERIES: &str = "/v1/deliveries";

impl JournalArgs {
    /// Returns the place of the journal.
    fn location(&self) -> Result<JournalLocation, Failure> {
        // A named file needs no configuration.
        let own = if self.journal.is_none() { users_own() } else { None };
        let config = self.config.as_ref().or(own.as_ref());
        let configured = match config {
            // A journal may outlive its configuration file. A configuration from a pipe cannot be read again.
            Some(config) if config.exists() && !inputs::is_passing(config) => {
                Config::load_journal(config).map_err(Failure::usage)?
            }
            _ => None,
        };
        let location =
            JournalLocation::choose(self.journal.as_deref(), configured.as_ref(), config.map(PathBuf::as_path))?;
        match (config, &location) {
            (Some(config), JournalLocation::File(path)) if !config.exists() && !path.exists() => {
                let config = printable_path(config);
                Err(Failure::usage(anyhow!("there is no configuration {config}, and no journal of it")))
            }
            _ => Ok(location),
        }
    }

    /// Returns the path of the journal's file.
    pub(crate) fn path(&self) -> Result<PathBuf, Failure> {
        self.path_or("ask the daemon that writes it, with --socket if the configuration does not name its socket")
    }

    /// Returns the path of the journal's file. `instead` is what to do with a journal on a cluster.
    fn path_or(&self, instead: &str) -> Result<PathBuf, Failure> {
        match self.location()? {
            JournalLocation::File(path) => Ok(path),
            JournalLocation::JetStream(_) => {
                Err(Failure::usage(anyhow!("the journal is on a cluster of NATS servers and has no file: {instead}")))
            }
            JournalLocation::Memory => Err(in_memory()),
        }
    }

    pub(crate) fn look(&self) -> Result<JournalFile, Failure> {
        JournalFile::look(&self.path()?).map_err(unusable)
    }

    fn change(&self) -> Result<JournalFile, Failure> {
        JournalFile::change(&self.path()?).map_err(unusable)
    }
}

fn in_memory() -> Failure {
    Failure::usage(anyhow!("a journal in memory is gone with its program: name a file"))
}

/// Returns the path of a daemon's list of one of its journals, by default its own.
fn list_of(list: &str, journal: Option<JournalName>, filter: Option<String>) -> String {
    let journal = journal.map(|journal| format!("journal={journal}"));
    let query: Vec<String> = filter.into_iter().chain(journal).collect();
    if query.is_empty() { list.to_owned() } else { format!("{list}?{}", query.join("&")) }
}

/// The failure when a journal of a node that is gone was named, and no daemon answers.
fn nobody_has_adopted() -> Failure {
    Failure::usage(anyhow!("no daemon answers that could have taken a journal over: see `lastword nodes`"))
}

/// `lastword sessions`.
pub(crate) fn sessions(args: &SessionsArgs) -> Result<Exit, Failure> {
    let mut out = anstream::stdout().lock();
    let list = list_of(SESSIONS, args.of, None);
    let sessions: Vec<ActiveSession> = match args.operator.daemon()? {
        Some(daemon) if args.json => return print_rows(&mut out, &daemon, &list),
        Some(daemon) => daemon.rows(&list)?,
        None if args.of.is_some() => return Err(nobody_has_adopted()),
        None => {
            let rows = args.operator.journal.look()?.sessions().map_err(unusable)?;
            if args.json {
                return print_json(&mut out, &rows);
            }
            rows.into_iter().map(|row| ActiveSession::from(row.session)).collect()
        }
    };
    let mut table = Table::new(["TENANT", "SESSION", "GENERATION", "STARTED", "OWNER", "CWD"]);
    for session in sessions {
        table.row([
            session.tenant,
            session.id,
            session.generation.to_string(),
            time(session.started_at),
            session.owner_kind.unwrap_or_default(),
            session.cwd.unwrap_or_default(),
        ]);
    }
    printed(table.print(&mut out, "no session is active"))?;
    Ok(Exit::Delivered)
}

/// `lastword deliveries`.
pub(crate) fn deliveries(args: &DeliveriesArgs) -> Result<Exit, Failure> {
    let mut out = anstream::stdout().lock();
    let state = args.state.map(|state| format!("state={}", state.of_journal().as_str()));
    let list = list_of(DELIVERIES, args.of, state);
    let deliveries: Vec<UnmadeDelivery> = match args.operator.daemon()? {
        Some(daemon) if args.json => return print_rows(&mut out, &daemon, &list),
        Some(daemon) => daemon.rows(&list)?,
        None if args.of.is_some() => return Err(nobody_has_adopted()),
        None => {
            let mut rows = args.operator.journal.look()?.deliveries().map_err(unusable)?;
            if let Some(state) = args.state {
                rows.retain(|row| row.state == state.of_journal());
            }
            if args.json {
                return print_json(&mut out, &rows);
            }
            rows.into_iter().map(UnmadeDelivery::from).collect()
        }
    };
    let mut table =
        Table::new(["DELIVERY", "STATE", "TENANT", "SESSION", "REASON", "ATTEMPT", "FAILURES", "NEXT", "LAST FAILURE"]);
    for row in deliveries {
        let (next, failure) = (time(row.retry_at), row.failure());
        table.row([
            row.delivery,
            row.state,
            row.tenant,
            row.session,
            row.reason.unwrap_or_default(),
            row.attempt.to_string(),
            row.failures.to_string(),
            next,
            failure,
        ]);
    }
    printed(table.print(&mut out, "nothing is owed"))?;
    Ok(Exit::Delivered)
}

/// `lastword redeliver`.
pub(crate) fn redeliver(args: &RedeliverArgs) -> Result<Exit, Failure> {
    if let Some(daemon) = args.operator.daemon()? {
        let changed = change_through(&daemon, "/v1/deliveries/redeliver", &args.ids)?;
        return report(&args.ids, &changed, "is tried again now");
    }
    let changed = args.operator.journal.change()?.redeliver(&args.ids).map_err(unusable)?;
    report(&args.ids, &changed, "will be tried again at the next start")
}

/// `lastword drop`.
pub(crate) fn drop_deliveries(args: &DropArgs) -> Result<Exit, Failure> {
    if !args.yes {
        let what = if args.ids.len() == 1 { "this delivery" } else { "these deliveries" };
        return Err(Failure::usage(anyhow!("nobody will ever be told of {what}: say --yes if that is what you want")));
    }
    if let Some(daemon) = args.operator.daemon()? {
        let changed = change_through(&daemon, "/v1/deliveries/drop", &args.ids)?;
        return report(&args.ids, &changed, "is dropped");
    }
    let changed = args.operator.journal.change()?.forget(&args.ids).map_err(unusable)?;
    report(&args.ids, &changed, "is dropped")
}

fn report(ids: &[DeliveryId], changed: &[Changed], done: &str) -> Result<Exit, Failure> {
    let mut out = anstream::stdout().lock();
    for (id, changed) in ids.iter().zip(changed) {
        let what = match changed {
            Changed::Done => done,
            Changed::AlreadyOwed => {
                "is owed already: nothing was changed. An orphaned one goes out once its plugin is installed"
            }
            Changed::Unknown => "is not in this journal: it was made, or never owed",
            Changed::UnderWay => "was left as it is: its plugin is being called with it",
            // A locked journal makes no calls, but can be written.
            _ => "was left as it is: the daemon's log says why",
        };
        printed(writeln!(out, "{id}: {what}"))?;
    }
    let unknown = changed.contains(&Changed::Unknown);
    Ok(if unknown { Exit::No } else { Exit::Delivered })
}

fn print_json<T: Serialize>(out: &mut impl Write, rows: &[T]) -> Result<Exit, Failure> {
    for row in rows {
        let line = serde_json::to_string(row).map_err(Failure::internal)?;
        printed(writeln!(out, "{}", plain_json(&line)))?;
    }
    Ok(Exit::Delivered)
}

impl State {
    fn of_journal(self) -> DeliveryState {
        match self {
            Self::Owed => DeliveryState::Owed,
            Self::Dead => DeliveryState::Dead,
            Self::Orphaned => DeliveryState::Orphaned,
        }
    }
}

/// Prints the rows of a daemon's list, with all their fields.
fn print_rows(out: &mut impl Write, daemon: &Daemon, list: &str) -> Result<Exit, Failure> {
    daemon.each_row(list, |row| printed(writeln!(out, "{}", plain_json(row))))?;
    Ok(Exit::Delivered)
}

fn time(at: Option<Timestamp>) -> String {
    at.map(|at| at.to_string()).unwrap_or_default()
}
