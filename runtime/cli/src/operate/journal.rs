//! `lastword journal …`: looks after the journal's file. Those on a cluster can be read.

use std::io::{self, Write};
use std::path::Path;

use anyhow::anyhow;
use lastword_config::units::show_bytes;
use lastword_events::printable;
use lastword_events::text::printable_path;
use lastword_sqlite::{JournalFile, OpenError, Restored, SetAsideRow, restore};

use super::in_memory;
use crate::args::{InspectArgs, JournalVerb};
use crate::exit::{Exit, Failure, printed};
use crate::journal::{JournalLocation, unusable};
use crate::node;
use crate::plain_json::PlainJsonWriter;

/// What to use in the place of commands that are for files.
const COMPACTS_ITSELF: &str =
    "its nodes purge the streams of what has ended by themselves; `nats stream report` says how large they are";
const BACKUP_OF_STREAMS: &str =
    "copy its streams with `nats stream backup`, or print what is in them with `lastword journal export`";
const RESTORE_OF_STREAMS: &str =
    "put a copy of its stream back with `nats stream restore`; the nodes take a journal that was `lost` over then";

/// `lastword journal …`.
pub(crate) fn journal(verb: &JournalVerb) -> Result<Exit, Failure> {
    match verb {
        JournalVerb::Check(args) => match args.location()? {
            JournalLocation::JetStream(cluster) => node::check_journals(&cluster, args.of),
            JournalLocation::File(path) => check(&path),
            JournalLocation::Memory => Err(in_memory()),
        },
        JournalVerb::Export(args) => match args.location()? {
            JournalLocation::JetStream(cluster) => node::export_journals(&cluster, args.of),
            JournalLocation::File(path) => export(&path),
            JournalLocation::Memory => Err(in_memory()),
        },
        JournalVerb::Compact(args) => {
            let path = args.path_or(COMPACTS_ITSELF)?;
            let (before, after) = JournalFile::change(&path).map_err(unusable)?.compact().map_err(unusable)?;
            say(format_args!("{} before, {} now", show_bytes(before), show_bytes(after)))
        }
        JournalVerb::Backup(args) => {
            let path = args.journal.path_or(BACKUP_OF_STREAMS)?;
            let bytes = JournalFile::look(&path).map_err(unusable)?.backup(&args.file).map_err(unusable)?;
            say(format_args!("{}: {}", printable_path(&args.file), show_bytes(bytes)))
        }
        JournalVerb::Restore(args) => {
            let path = args.journal.path_or(RESTORE_OF_STREAMS)?;
            let Restored { path, name, was, sessions, deliveries } = restore(&args.file, &path).map_err(unusable)?;
            say(format_args!(
                "{}: journal {name}, made of {was}, with {sessions} active sessions and {deliveries} owed deliveries; what has \
                 happened since the backup it does not know, and tells again",
                printable_path(&path)
            ))
        }
    }
}

impl InspectArgs {
    /// Returns the place of the journal. A file is one journal.
    fn location(&self) -> Result<JournalLocation, Failure> {
        let location = self.journal.location()?;
        if self.of.is_some() && !matches!(location, JournalLocation::JetStream(_)) {
            return Err(Failure::usage(anyhow!(
                "--of names a journal of a cluster, and the configuration names no cluster: name that of a node with --config"
            )));
        }
        Ok(location)
    }
}

fn say(line: std::fmt::Arguments<'_>) -> Result<Exit, Failure> {
    printed(writeln!(anstream::stdout().lock(), "{line}"))?;
    Ok(Exit::Delivered)
}

fn check(path: &Path) -> Result<Exit, Failure> {
    let mut out = anstream::stdout().lock();
    let file = JournalFile::look(path).map_err(unusable)?;
    let problems = file.check().map_err(unusable)?;
    // Not damage: its deliveries are owed, or its sessions active.
    for SetAsideRow { at, tenant, session, what, why } in file.set_aside().map_err(unusable)? {
        let [tenant, session, what] = [&tenant, &session, &what].map(|text| printable(text));
        let whose = if tenant.is_empty() { String::new() } else { format!(", tenant {tenant}, session {session}") };
        printed(writeln!(out, "set aside at {at}{whose}: {what}: {why}", why = printable(&why)))?;
    }
    for problem in &problems {
        printed(writeln!(out, "{problem}"))?;
    }
    if problems.is_empty() {
        printed(writeln!(out, "{}: whole", printable_path(path)))?;
        return Ok(Exit::Delivered);
    }
    Err(unusable(anyhow!("{} is damaged; the next start keeps it aside and salvages what it can", path.display())))
}

fn export(path: &Path) -> Result<Exit, Failure> {
    let mut out = PlainJsonWriter::new(io::BufWriter::new(anstream::stdout().lock()));
    let exported = JournalFile::look(path).map_err(unusable)?.export(&mut out);
    // A reader that has closed the pipe is no failure.
    if let Err(OpenError::Unusable { source, .. }) = exported {
        printed(Err(source))?;
    } else {
        exported.map_err(unusable)?;
    }
    printed(out.flush())?;
    Ok(Exit::Delivered)
}
