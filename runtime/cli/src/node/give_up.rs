//! Gives up a journal that nobody goes on with: it rests, is lost, or is damaged, and its node does not come back.

use anyhow::anyhow;
use lastword_cluster::{Entry, EntryState};
use lastword_config::JetStream;
use lastword_events::JournalName;
use lastword_jetstream::{Cluster, Registry, Update};

use super::settings;
use crate::exit::{Exit, Failure};
use crate::journal::unusable;
use crate::threads;

/// Tells the registry that a journal is empty. The nodes delete its stream, with whatever is in it, within a minute or two.
///
/// # Errors
/// When the servers cannot be reached, the registry does not have the journal, or somebody has it or would take it over.
pub(crate) fn give_up(said: &JetStream, journal: JournalName) -> Result<(), Failure> {
    let cluster = Cluster::new(settings::cluster(said), &settings::node(said)).map_err(Failure::usage)?;
    threads::local_runtime()?.block_on(async {
        let registry = Registry::open(&cluster).await.map_err(unusable)?;
        let entries = registry.entries::<Entry>().await.map_err(unusable)?;
        let found = entries.into_iter().find(|registered| registered.journal == journal.as_str());
        let Some((entry, revision)) = found.and_then(|found| Some((found.entry?, found.revision))) else {
            return Err(no(format!("the registry has no journal {journal}: see `lastword nodes`")));
        };
        if !entry.state.may_be_given_up() {
            return Err(no(format!(
                "the journal {journal} of {} is none to be forgotten: only one that is `resting`, `lost` or `damaged`, \
                 which nobody has and nobody takes over",
                lastword_events::printable(&entry.node)
            )));
        }
        let empty = Entry { state: EntryState::Empty, ..entry };
        match registry.update(journal.as_str(), &empty, revision).await {
            Update::Done { .. } => Ok(()),
            Update::Refused => Err(no(format!("the journal {journal} has changed just now: look again"))),
            Update::Unknown => {
                Err(unusable(anyhow!("the registry did not answer: look at `lastword nodes`, and try again")))
            }
        }
    })
}

fn no(why: String) -> Failure {
    Failure { exit: Exit::No, error: anyhow!(why) }
}
