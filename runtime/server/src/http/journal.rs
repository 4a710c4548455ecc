//! The journal that a list is of.

use lastword::Runtime;
use lastword::events::JournalName;

use super::problem::Problem;
use crate::shared::Shared;

/// Returns the runtime with this journal, by default the daemon's own.
pub(in crate::http) fn runtime_with(shared: &Shared, journal: Option<&str>) -> Result<Runtime, Problem> {
    let Some(journal) = journal else { return Ok(shared.runtime.clone()) };
    let name = journal.parse::<JournalName>();
    let name = name.map_err(|error| Problem::bad_field("journal", "bad_journal", error))?;
    if name == shared.runtime.journal_name() {
        return Ok(shared.runtime.clone());
    }
    let adopted = shared.runtimes.cluster().and_then(|cluster| cluster.adopted_of(name));
    adopted.ok_or_else(|| {
        Problem::bad_field(
            "journal",
            "unknown_journal",
            "this daemon does not have that journal: ask the node that `lastword nodes` names beside `adopted`",
        )
    })
}
