//! What operators do with a journal: look into it, give a dead delivery another chance or let it go, and look after the
//! file.

mod forget;
mod table;

use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::anyhow;
use lastword_events::{DeliveryId, Timestamp, printable};
use lastword_sqlite::{Changed, DeliveryRow, DeliveryState, JournalFile, OpenError, SessionRow, SetAsideRow};
use serde::Serialize;

use crate::args::{DeliveriesArgs, DropArgs, JournalArgs, JournalVerb, RedeliverArgs, SessionsArgs, State};
use crate::config::Config;
use crate::exit::{Exit, Failure, printed};
use crate::inputs;
use crate::journal::{JournalLocation, unusable};
use crate::units::show_bytes;
use lastword_events::text::{clip_chars, printable_path};
use table::Table;

pub(crate) use forget::forget;

/// What is kept of a failure's message in a table. `--json` has all of it.
const MESSAGE_CHARS: usize = 60;

impl JournalArgs {
    /// The file that is meant.
    fn path(&self) -> Result<PathBuf, Failure> {
        let configured = match &self.config {
            // One that is gone may have left a journal, and one that came through a pipe cannot be read again.
            Some(config) if config.exists() && !inputs::is_passing(config) => {
                Config::load_journal(config).map_err(Failure::usage)?
            }
            _ => None,
        };
        match JournalLocation::choose(self.journal.as_deref(), configured.as_deref(), self.config.as_deref())? {
            JournalLocation::File(path) => Ok(path),
            JournalLocation::Memory => {
                Err(Failure::usage(anyhow!("a journal in memory is gone with its program: name a file")))
            }
        }
    }

    fn look(&self) -> Result<JournalFile, Failure> {
        JournalFile::look(&self.path()?).map_err(unusable)
    }

    fn change(&self) -> Result<JournalFile, Failure> {
        JournalFile::change(&self.path()?).map_err(unusable)
    }
}

/// `lastword sessions`.
pub(crate) fn sessions(args: &SessionsArgs) -> Result<Exit, Failure> {
    let sessions = args.journal.look()?.sessions().map_err(unusable)?;
    let mut out = anstream::stdout().lock();
    if args.json {
        return print_json(&mut out, &sessions);
    }
    let mut table = Table::new(["TENANT", "SESSION", "GENERATION", "STARTED", "OWNER", "CWD"]);
    for SessionRow { session, .. } in &sessions {
        table.row([
            session.identity.tenant.to_string(),
            session.identity.id.to_string(),
            session.generation.to_string(),
            time(session.started_at),
            session.owner_kind.clone().unwrap_or_default(),
            session.cwd.clone().unwrap_or_default(),
        ]);
    }
    printed(table.print(&mut out, "no session is active"))?;
    Ok(Exit::Delivered)
}

/// `lastword deliveries`.
pub(crate) fn deliveries(args: &DeliveriesArgs) -> Result<Exit, Failure> {
    let mut deliveries = args.journal.look()?.deliveries().map_err(unusable)?;
    if let Some(state) = args.state {
        deliveries.retain(|row| row.state == state.of_journal());
    }
    let mut out = anstream::stdout().lock();
    if args.json {
        return print_json(&mut out, &deliveries);
    }
    let mut table =
        Table::new(["DELIVERY", "STATE", "TENANT", "SESSION", "REASON", "ATTEMPT", "FAILURES", "NEXT", "LAST FAILURE"]);
    for row in &deliveries {
        table.row([
            row.delivery.to_string(),
            word(row.state).to_owned(),
            row.tenant.clone(),
            row.session.clone(),
            row.reason.clone().unwrap_or_default(),
            row.attempt.to_string(),
            row.failures.to_string(),
            time(row.retry_at),
            failure(row),
        ]);
    }
    printed(table.print(&mut out, "nothing is owed"))?;
    Ok(Exit::Delivered)
}

/// `lastword redeliver`.
pub(crate) fn redeliver(args: &RedeliverArgs) -> Result<Exit, Failure> {
    let changed = args.journal.change()?.redeliver(&args.ids).map_err(unusable)?;
    report(&args.ids, &changed, "will be tried again at the next start")
}

/// `lastword drop`.
pub(crate) fn drop_deliveries(args: &DropArgs) -> Result<Exit, Failure> {
    if !args.yes {
        let what = if args.ids.len() == 1 { "this delivery" } else { "these deliveries" };
        return Err(Failure::usage(anyhow!("nobody will ever be told of {what}: say --yes if that is what you want")));
    }
    let changed = args.journal.change()?.forget(&args.ids).map_err(unusable)?;
    report(&args.ids, &changed, "is dropped")
}

fn report(ids: &[DeliveryId], changed: &[Changed], done: &str) -> Result<Exit, Failure> {
    let mut out = anstream::stdout().lock();
    for (id, changed) in ids.iter().zip(changed) {
        let what = match changed {
            Changed::Done => done,
            Changed::AlreadyOwed => "is owed already: nothing was changed",
            Changed::Unknown => "is not in this journal: it was made, or never owed",
        };
        printed(writeln!(out, "{id}: {what}"))?;
    }
    let unknown = changed.contains(&Changed::Unknown);
    Ok(if unknown { Exit::No } else { Exit::Delivered })
}

/// `lastword journal …`.
pub(crate) fn journal(verb: &JournalVerb) -> Result<Exit, Failure> {
    let mut out = anstream::stdout().lock();
    match verb {
        JournalVerb::Check(args) => {
            let path = args.path()?;
            let file = args.look()?;
            let problems = file.check().map_err(unusable)?;
            // It is no damage: what it was about is owed, or active.
            for SetAsideRow { at, tenant, session, what, why } in file.set_aside().map_err(unusable)? {
                let [tenant, session, what] = [&tenant, &session, &what].map(|text| printable(text));
                let whose =
                    if tenant.is_empty() { String::new() } else { format!(", tenant {tenant}, session {session}") };
                printed(writeln!(out, "set aside at {at}{whose}: {what}: {why}", why = printable(&why)))?;
            }
            for problem in &problems {
                printed(writeln!(out, "{problem}"))?;
            }
            if problems.is_empty() {
                printed(writeln!(out, "{}: whole", printable_path(&path)))?;
                return Ok(Exit::Delivered);
            }
            Err(unusable(anyhow!(
                "{} is damaged; the next start keeps it aside and salvages what it can",
                path.display()
            )))
        }
        JournalVerb::Compact(args) => {
            let (before, after) = args.change()?.compact().map_err(unusable)?;
            printed(writeln!(out, "{} before, {} now", show_bytes(before), show_bytes(after)))?;
            Ok(Exit::Delivered)
        }
        JournalVerb::Export(args) => {
            let mut out = io::BufWriter::new(out);
            let exported = args.look()?.export(&mut out);
            // A reader that has read enough is no failure.
            if let Err(OpenError::Unusable { source, .. }) = exported {
                printed(Err(source))?;
            } else {
                exported.map_err(unusable)?;
            }
            printed(out.flush())?;
            Ok(Exit::Delivered)
        }
    }
}

fn print_json<T: Serialize>(out: &mut impl Write, rows: &[T]) -> Result<Exit, Failure> {
    for row in rows {
        let line = serde_json::to_string(row).map_err(Failure::internal)?;
        printed(writeln!(out, "{line}"))?;
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

fn word(state: DeliveryState) -> &'static str {
    match state {
        DeliveryState::Owed => "owed",
        DeliveryState::Dead => "dead",
        DeliveryState::Orphaned => "orphaned",
    }
}

fn time(at: Option<Timestamp>) -> String {
    at.map(|at| at.to_string()).unwrap_or_default()
}

fn failure(row: &DeliveryRow) -> String {
    let Some(cause) = &row.cause else { return String::new() };
    match row.message.as_deref().filter(|message| !message.is_empty()) {
        Some(message) => format!("{cause}: {}", clip_chars(message, MESSAGE_CHARS)),
        None => cause.clone(),
    }
}
