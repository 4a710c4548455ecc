//! Reads the journals of a cluster for an operator: `lastword journal check` and `export`. Nothing is written to the servers, so whoever has a
//! journal goes on.

use std::collections::BTreeMap;
use std::io::{self, Write};

use anyhow::anyhow;
use lastword_cluster::{Entry, EntryState};
use lastword_config::JetStream;
use lastword_config::units::show_bytes;
use lastword_events::{JournalName, printable};
use lastword_jetstream::replay::{Read, Replayed};
use lastword_jetstream::{Cluster, ClusterError, JournalReader, ReadJournal, ReadProgress};
use lastword_sqlite::{DeliveryState, Export};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::progress_line::ProgressLine;
use super::settings;
use super::states::{self, Runs};
use crate::exit::{Exit, Failure, printed};
use crate::journal::unusable;
use crate::logging;
use crate::plain_json::PlainJsonWriter;
use crate::threads;

/// Says of each journal whether it is whole, and what is in it.
///
/// # Errors
/// When the servers cannot be reached, or a journal could not be taken over as it is. The others are checked all the same.
pub(crate) fn check_journals(said: &JetStream, of: Option<JournalName>) -> Result<Exit, Failure> {
    let mut out = anstream::stdout().lock();
    let broken = each(said, of, |journal, found| {
        let (line, is_whole) = match found {
            Found::Read(read) => match &read.unfit {
                None => (format!("{}: whole; {}", journal.shown(Some(&read)), contents(journal.name, &read)), true),
                Some(why) => {
                    let (shown, stream) = (journal.shown(Some(&read)), &journal.stream);
                    (format!("{shown}: whole, but no node takes it over as its stream {stream} is: {why}"), false)
                }
            },
            Found::NotBegun => (format!("{}: nothing is in it, its node begins it", journal.shown(None)), true),
            Found::Deleted => (format!("{}: nothing was owed, and it is deleted", journal.shown(None)), true),
            Found::Broken(why) => (format!("{}: {}", journal.shown(None), printable(&why)), false),
        };
        printed(writeln!(out, "{line}"))?;
        Ok(if is_whole { Told::Whole } else { Told::Broken })
    })?;
    if broken.of == 0 {
        printed(writeln!(out, "the registry has no journal"))?;
    }
    broken.exit("could not be taken over as they are")
}

/// Prints everything that is active or owed in each journal, one JSON object a line.
///
/// # Errors
/// When the servers cannot be reached, or a journal cannot be read. The others are printed all the same.
pub(crate) fn export_journals(said: &JetStream, of: Option<JournalName>) -> Result<Exit, Failure> {
    let mut out = PlainJsonWriter::new(io::BufWriter::new(anstream::stdout().lock()));
    let broken = each(said, of, |journal, found| match found {
        Found::Read(read) => match export(&mut out, journal, &read) {
            // A reader that has closed the pipe is no failure.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Told::Enough),
            exported => exported.map(|()| Told::Whole).map_err(Failure::internal),
        },
        Found::NotBegun | Found::Deleted => Ok(Told::Whole),
        Found::Broken(why) => {
            // If stderr is closed, nobody can be told.
            writeln!(anstream::stderr(), "lastword: {}: {}", journal.shown(None), printable(&why)).ok();
            Ok(Told::Broken)
        }
    })?;
    broken.exit("are not in the output")
}

/// A journal, with what the registry says of it.
struct Journal {
    name: JournalName,
    stream: String,
    /// The node whose journal it is, if the registry can be read.
    node: Option<String>,
    /// Who has it.
    state: String,
    /// Whether somebody has it.
    is_served: bool,
    /// Whether the registry has it.
    is_listed: bool,
}

/// What was found of a journal.
enum Found {
    Read(Box<ReadJournal>),
    /// There is nothing yet.
    NotBegun,
    /// There is nothing any more.
    Deleted,
    /// A sentence says what is wrong, and what to do.
    Broken(String),
}

/// What was told of a journal.
enum Told {
    Whole,
    Broken,
    /// Nobody wants to hear of the others.
    Enough,
}

/// The journals of which something is wrong.
struct Broken {
    names: Vec<JournalName>,
    /// How many were looked at.
    of: usize,
}

/// An entry of the registry.
enum Listed {
    Known(Entry),
    /// A newer program has written it.
    Unknown,
}

impl<'de> Deserialize<'de> for Listed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let said = Value::deserialize(deserializer)?;
        Ok(serde_json::from_value(said).map_or(Self::Unknown, Self::Known))
    }
}

/// Reads one journal after the other, because each is in memory as a whole.
fn each(
    said: &JetStream,
    of: Option<JournalName>,
    mut tell: impl FnMut(&Journal, Found) -> Result<Told, Failure>,
) -> Result<Broken, Failure> {
    logging::warnings_to_stderr();
    let cluster = Cluster::new(settings::cluster(said), &settings::node(said)).map_err(Failure::usage)?;
    threads::local_runtime()?.block_on(async {
        let reader = JournalReader::open(&cluster).await.map_err(unusable)?;
        let entries = entries(&reader).await.map_err(unusable)?;
        let journals = journals(&reader, &entries, of);
        let mut progress = ProgressLine::of_stderr();
        let mut broken = Broken { names: Vec::new(), of: journals.len() };
        for (number, journal) in (1..).zip(&journals) {
            let told = |at: ReadProgress| {
                progress
                    .show(|| format!("reading {}, {number} of {}: {} %", journal.name, journals.len(), percent(at)));
            };
            let found = look(&reader, journal, told).await;
            progress.clear();
            match tell(journal, found)? {
                Told::Whole => {}
                Told::Broken => broken.names.push(journal.name),
                Told::Enough => break,
            }
        }
        Ok(broken)
    })
}

async fn entries(reader: &JournalReader) -> Result<BTreeMap<JournalName, Listed>, ClusterError> {
    let mut entries = BTreeMap::new();
    for registered in reader.entries::<Listed>().await? {
        // Keys that are no names are nobody's journals.
        let Ok(name) = registered.journal.parse::<JournalName>() else { continue };
        match registered.entry {
            Some(entry) => drop(entries.insert(name, entry)),
            None => drop(entries.remove(&name)),
        }
    }
    Ok(entries)
}

/// The journals to be read, by node as `lastword nodes` lists them.
fn journals(reader: &JournalReader, entries: &BTreeMap<JournalName, Listed>, of: Option<JournalName>) -> Vec<Journal> {
    let known = entries.iter().filter_map(|(name, listed)| match listed {
        Listed::Known(entry) => Some((*name, entry)),
        Listed::Unknown => None,
    });
    let runs = states::runs(known);
    let journal = |name: JournalName| Journal::new(name, reader.stream_of(name), entries.get(&name), &runs);
    let mut journals: Vec<Journal> = match of {
        Some(name) => vec![journal(name)],
        None => entries.keys().map(|name| journal(*name)).collect(),
    };
    journals.sort_by(|a, b| (&a.node, &a.name).cmp(&(&b.node, &b.name)));
    journals
}

async fn look(reader: &JournalReader, journal: &Journal, told: impl FnMut(ReadProgress) + Send) -> Found {
    let error = match reader.read(journal.name, told).await {
        Ok(read) => return Found::Read(Box::new(read)),
        Err(error) => error,
    };
    let Journal { name, stream, .. } = journal;
    match error {
        ClusterError::Missing(_) if journal.is_listed => match entries(reader).await {
            Ok(now) => missing(journal, now.get(name)),
            Err(error) => Found::Broken(format!("{error}; look at the servers, and ask again")),
        },
        ClusterError::Missing(_) => Found::Broken(error.to_string()),
        ClusterError::Damaged { .. } => {
            let advice = if journal.is_served {
                "whoever has it, if it lives, has all of it in memory and goes on, and behind its next snapshot the stream is whole; \
                 until then let it live, or drain it with a budget that suffices"
                    .to_owned()
            } else {
                format!("when its state is `damaged`, `lastword nodes --forget {name}` gives it up")
            };
            Found::Broken(format!(
                "{error}; keep a copy (`nats stream backup {stream} DIRECTORY`) and report it; {advice}"
            ))
        }
        error => Found::Broken(format!(
            "the stream {stream} cannot be read now: {error}; look at the servers (`nats stream report`), and ask again"
        )),
    }
}

/// What it means that the servers have no stream of a journal, of which the registry says this now.
fn missing(journal: &Journal, now: Option<&Listed>) -> Found {
    let Journal { name, stream, .. } = journal;
    match now {
        None | Some(Listed::Known(Entry { state: EntryState::Empty, .. })) => Found::Deleted,
        Some(Listed::Known(Entry { epoch: 0, .. })) => Found::NotBegun,
        Some(Listed::Known(_) | Listed::Unknown) => Found::Broken(format!(
            "the servers have nothing of its stream {stream}, from sequence 1 on: it is lost, unless they have just been started; \
             `nats stream restore` puts a copy of it back, and a node takes it over then; if there is none, and its state is `lost`, \
             `lastword nodes --forget {name}` gives it up"
        )),
    }
}

impl Journal {
    fn new(name: JournalName, stream: String, listed: Option<&Listed>, runs: &Runs<'_>) -> Self {
        let (node, state, is_served) = match listed {
            Some(Listed::Known(entry)) => {
                let word = states::word(entry.state);
                let state = match states::adopter(entry.state, runs) {
                    Some(node) => format!("{word} by {node}"),
                    None => word.to_owned(),
                };
                (Some(entry.node.clone()), state, entry.keeper(name).is_some())
            }
            Some(Listed::Unknown) => (None, "of a newer program".to_owned(), false),
            None => (None, "not in the registry".to_owned(), false),
        };
        Self { name, stream, node, state, is_served, is_listed: listed.is_some() }
    }

    /// The node whose journal it is, or, if that is not known, the one that had it last.
    fn node<'a>(&'a self, read: Option<&'a ReadJournal>) -> &'a str {
        let by = read.map(|read| &*read.replayed.read.by);
        self.node.as_deref().or(by).unwrap_or("an unknown node")
    }

    /// What it is called in messages.
    fn shown(&self, read: Option<&ReadJournal>) -> String {
        format!("{} of {} ({})", self.name, printable(self.node(read)), printable(&self.state))
    }
}

/// What is in a journal, in numbers.
fn contents(name: JournalName, read: &ReadJournal) -> String {
    let Replayed { state, position, read: Read { first_sequence, groups, bytes, .. }, .. } = &read.replayed;
    let sessions = state.tables().sessions().count();
    let (mut owed, mut dead, mut orphaned) = (0_u64, 0_u64, 0_u64);
    for delivery in state.tables().unmade_deliveries(name) {
        match delivery.state {
            DeliveryState::Owed => owed += 1,
            DeliveryState::Dead => dead += 1,
            DeliveryState::Orphaned => orphaned += 1,
        }
    }
    format!(
        "epoch {}, sequences {first_sequence} to {}, {groups} groups, {}; {sessions} active sessions; deliveries: {owed} owed, {dead} \
         dead, {orphaned} orphaned",
        position.epoch,
        position.last_sequence,
        show_bytes(*bytes)
    )
}

fn export(out: &mut impl Write, journal: &Journal, read: &ReadJournal) -> io::Result<()> {
    let tables = read.replayed.state.tables();
    let mut export = Export::begin(&mut *out, journal.name, Some(journal.node(Some(read))))?;
    export.sessions(tables.sessions())?;
    export.deliveries(tables.unmade_deliveries(journal.name))?;
    out.flush()
}

fn percent(at: ReadProgress) -> u64 {
    let ReadProgress { first, last, sequence } = at;
    let (read, all) = (sequence.saturating_sub(first) + 1, last.saturating_sub(first) + 1);
    read.saturating_mul(100) / all
}

impl Broken {
    /// The exit code. `what` says what it means that something is wrong with a journal.
    fn exit(self, what: &str) -> Result<Exit, Failure> {
        if self.names.is_empty() {
            return Ok(Exit::Delivered);
        }
        let names: Vec<String> = self.names.iter().map(JournalName::to_string).collect();
        Err(unusable(anyhow!("{} of {} journals {what}: {}", names.len(), self.of, names.join(", "))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = "aaaaaaaa";

    fn entry(state: EntryState, epoch: u64) -> Listed {
        let (node, address) = ("a".to_owned(), String::new());
        Listed::Known(Entry { node, address, state, run: None, epoch, format: 1, deaths: 0 })
    }

    fn journal(listed: Option<&Listed>) -> Journal {
        let b = JournalName::from_random([1; 8]);
        Journal::new(NAME.parse().unwrap(), format!("LW_J_{NAME}"), listed, &Runs::from([(b, "b")]))
    }

    #[test]
    fn a_stream_that_is_not_there_is_lost_unless_nothing_can_be_in_it() {
        let was = entry(EntryState::Active, 1);
        let of = |now: Option<&Listed>| missing(&journal(Some(&was)), now);
        assert!(matches!(of(None), Found::Deleted));
        assert!(matches!(of(Some(&entry(EntryState::Empty, 7))), Found::Deleted));
        assert!(matches!(of(Some(&entry(EntryState::Active, 0))), Found::NotBegun));
        let unknown: Listed = serde_json::from_str(r#"{"node":7}"#).unwrap();
        for lost in [&entry(EntryState::Active, 1), &entry(EntryState::Lost, 7), &unknown] {
            let Found::Broken(why) = of(Some(lost)) else { panic!("it is lost") };
            assert!(why.contains("LW_J_aaaaaaaa") && why.contains("nats stream restore"), "{why}");
        }
    }

    #[test]
    fn a_journal_is_called_by_its_node_and_by_who_has_it() {
        let by = JournalName::from_random([1; 8]);
        for (listed, shown, is_served) in [
            (Some(entry(EntryState::Active, 1)), "aaaaaaaa of a (active)", true),
            (Some(entry(EntryState::Adopted { by }, 1)), "aaaaaaaa of a (adopted by b)", true),
            (Some(entry(EntryState::Resting, 1)), "aaaaaaaa of a (resting)", false),
            (None, "aaaaaaaa of an unknown node (not in the registry)", false),
        ] {
            let journal = journal(listed.as_ref());
            assert_eq!((&*journal.shown(None), journal.is_served), (shown, is_served));
        }
    }

    #[test]
    fn a_reading_is_over_at_a_hundred_percent() {
        let at = |sequence| percent(ReadProgress { first: 11, last: 20, sequence });
        assert_eq!([at(11), at(15), at(20)], [10, 50, 100]);
        assert_eq!(percent(ReadProgress { first: 1, last: 1, sequence: 1 }), 100);
    }

    #[test]
    fn whoever_has_something_wrong_is_named_at_the_end() {
        let broken = |names: Vec<JournalName>| Broken { names, of: 3 }.exit("are not in the output");
        assert_eq!(broken(vec![]).unwrap(), Exit::Delivered);
        let failure = broken(vec![NAME.parse().unwrap()]).unwrap_err();
        assert_eq!(failure.exit, Exit::Journal);
        assert_eq!(failure.error.to_string(), "1 of 3 journals are not in the output: aaaaaaaa");
    }
}
