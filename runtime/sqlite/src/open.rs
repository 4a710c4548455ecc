//! Opens a journal: the steps in their order.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use lastword_events::JournalName;
use lastword_journal::state::{CleanRuns, ForgottenGenerations, random_name};
use lastword_journal::{Recovered, Space};
use rusqlite::Connection;

use crate::calls::CallsUnderWay;
use crate::connection::{accept, connect, mark};
use crate::error::{OpenError, OpenFailure};
use crate::format::SCHEMA_VERSION;
use crate::header::Header;
use crate::ownership::claim::Claim;
use crate::ownership::content::Content;
use crate::readers::Readers;
use crate::salvage::salvage;
use crate::tables::suspects::Suspects;
use crate::tables::{generations, key_values};
use crate::{damage_note, recover, schema, sqlite_version};

/// The largest file that every start checks, in bytes. The check takes some 100 ms. Of a larger file the start still reads every page
/// with an owed delivery.
const CHECKED_BYTES: u64 = 32 << 20;
/// Prepared statements that the writer's connection caches: as many as it uses.
const PREPARED_STATEMENTS: usize = 64;

/// A journal that is ours and open, before its run begins.
pub(crate) struct Opened {
    pub(crate) claim: Claim,
    pub(crate) file: Connection,
    pub(crate) readers: Readers,
    pub(crate) contents: Contents,
}

/// The contents that were read of a journal as it was opened.
#[derive(Debug)]
pub(crate) struct Contents {
    pub(crate) name: JournalName,
    /// The number of the next session.
    pub(crate) next_sequence: u64,
    /// The number of the run that begins.
    pub(crate) run: u32,
    /// Earlier runs that ended cleanly.
    pub(crate) clean: CleanRuns,
    /// Sessions and deliveries that dead runs left.
    pub(crate) recovered: Recovered,
    pub(crate) forgotten: ForgottenGenerations,
    /// The sizes of plugins' spaces, in bytes.
    pub(crate) sizes: Vec<(Space, u64)>,
    pub(crate) calls: Option<Arc<CallsUnderWay>>,
    pub(crate) suspects: Suspects,
}

/// Takes the file at `path`, or makes one, and reads it.
pub(crate) fn open(path: &Path) -> Result<Opened, OpenError> {
    sqlite_version::check()?;
    let mut claim = Claim::make(path)?;
    match read_or_salvage(&mut claim) {
        Ok((file, readers, contents)) => Ok(Opened { claim, file, readers, contents }),
        Err(error) => {
            claim.give_up();
            Err(error)
        }
    }
}

fn read_or_salvage(claim: &mut Claim) -> Result<(Connection, Readers, Contents), OpenError> {
    let path = claim.path.clone();
    let read = match claim.content {
        Content::Headless => Err(OpenFailure::Damage("its header is gone".to_owned())),
        Content::Empty | Content::Unwritten => {
            mark(&path).map_err(OpenFailure::from).and_then(|()| connect_and_read(&path))
        }
        Content::Journal => connect_and_read(&path),
        // Not opened with SQLite, which would change the file.
        Content::Newer(version) => return Err(OpenError::newer(&path, version)),
        Content::Foreign => return Err(OpenError::foreign(&path)),
    };
    let (file, contents) = match read {
        Err(OpenFailure::Damage(why)) => {
            let salvaged = salvage(&path, &why, &mut claim.lock)?;
            tracing::error!("{salvaged}");
            connect_and_read(&path).map_err(|failure| failure.at(&path))?
        }
        read => read.map_err(|failure| failure.at(&path))?,
    };
    accept(&file).map_err(|error| OpenError::sqlite(&path, &error))?;
    file.set_prepared_statement_cache_capacity(PREPARED_STATEMENTS);
    let readers = Readers::open(&path).map_err(|error| OpenError::sqlite(&path, &error))?;
    Ok((file, readers, contents))
}

fn connect_and_read(path: &Path) -> Result<(Connection, Contents), OpenFailure> {
    let mut file = connect(path)?;
    if schema::is_empty(&file)? {
        schema::create(&mut file, random_name(), 1)?;
    }
    let found = schema::version(&file)?;
    if found > SCHEMA_VERSION {
        // The header had a known version, and the log, which goes first, has another.
        return Err(OpenFailure::Newer(found));
    }
    if let Some(why) = damage(&file)? {
        return Err(OpenFailure::Damage(why));
    }
    if found < SCHEMA_VERSION {
        schema::migrate(&mut file, found)?;
    } else if let Some(misfit) = schema::misfit(&file)? {
        return Err(OpenFailure::Altered(misfit));
    }
    let contents = read(&file, path)?;
    Ok((file, contents))
}

fn read(file: &Connection, path: &Path) -> Result<Contents, OpenFailure> {
    let header = Header::read(file)?;
    if let Some(misfit) = header.misfit(file)? {
        return Err(OpenFailure::Altered(misfit));
    }
    let run = recover::next_run(file)?;
    let clean = recover::clean_runs(file)?;
    let mut recovered = recover::recovered(file, run, &clean)?;
    let (calls, under_way) = CallsUnderWay::open(path, header.name);
    let suspects = Suspects::read(file, under_way)?;
    suspects.mark(&mut recovered);
    Ok(Contents {
        name: header.name,
        next_sequence: header.next_sequence,
        run,
        clean,
        recovered,
        forgotten: generations::read(file)?,
        sizes: key_values::sizes(file)?,
        calls,
        suspects,
    })
}

/// The fault that SQLite finds in the file, if any.
fn damage(file: &Connection) -> rusqlite::Result<Option<String>> {
    let Some(path) = file.path().map(Path::new) else { return Ok(None) };
    let bytes = fs::metadata(path).map_or(0, |metadata| metadata.len());
    let check = match (damage_note::exists(path), bytes <= CHECKED_BYTES) {
        (true, _) => "PRAGMA integrity_check(1)",
        (false, true) => "PRAGMA quick_check(1)",
        (false, false) => return Ok(None),
    };
    let found: String = file.query_row(check, [], |row| row.get(0))?;
    if found == "ok" {
        damage_note::remove(path);
    }
    // The log shows it on one line.
    let found = found.trim_start_matches("*** in database main ***").trim().replace('\n', "; ");
    Ok((found != "ok").then_some(found))
}
