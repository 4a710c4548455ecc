//! The status of a journal that no daemon has.

use std::collections::BTreeMap;

use lastword_events::text::printable_path;
use lastword_server::{OwnerCount, PluginStatus, Status};
use lastword_sqlite::DeliveryState;

use crate::args::JournalArgs;
use crate::emit::default_spool;
use crate::exit::Failure;
use crate::journal::unusable;

/// Returns the status from the journal's file, as a daemon would report it.
///
/// # Errors
/// When the file cannot be read.
pub(super) fn status(args: &JournalArgs) -> Result<Status, Failure> {
    let file = args.look()?;
    let (mut kinds, mut plugins) = (BTreeMap::<String, OwnerCount>::new(), BTreeMap::<String, PluginStatus>::new());
    let sessions = file.sessions().map_err(unusable)?;
    for row in &sessions {
        let kind = row.session.owner_kind.clone().unwrap_or_default();
        let count = kinds.entry(kind.clone()).or_insert_with(|| OwnerCount { kind, ..OwnerCount::default() });
        count.sessions += 1;
    }
    for row in file.deliveries().map_err(unusable)? {
        let plugin = row.delivery.plugin.to_string();
        let count = plugins.entry(plugin.clone()).or_insert_with(|| PluginStatus { plugin, ..PluginStatus::default() });
        match row.state {
            DeliveryState::Dead => count.dead += 1,
            DeliveryState::Orphaned => count.orphaned += 1,
            _ => count.waiting += 1,
        }
    }
    let plugins: Vec<PluginStatus> = plugins.into_values().collect();
    Ok(Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        journal: file.name().to_string(),
        durability: "disk".to_owned(),
        sessions: u64::try_from(sessions.len()).unwrap_or(u64::MAX),
        owners: kinds.into_values().collect(),
        wrong: wrong(&plugins),
        plugins,
        ..Status::default()
    })
}

/// Returns a line about the spooled events, which the next daemon takes in.
fn spooled() -> Option<String> {
    let spool = default_spool()?;
    let events = match spool.waiting() {
        Ok(0) => return None,
        Ok(1) => "1 event waits".to_owned(),
        Ok(events) => format!("{events} events wait"),
        Err(error) => return Some(error.to_string()),
    };
    let directory = printable_path(spool.directory());
    Some(format!("{events} in the spool {directory}: a daemon takes them in when it starts"))
}

fn wrong(plugins: &[PluginStatus]) -> Vec<String> {
    let mut wrong =
        vec!["no daemon answers that has this journal: what is owed goes out after the next start".to_owned()];
    wrong.extend(spooled());
    for PluginStatus { plugin, dead, orphaned, .. } in plugins {
        if *dead > 0 {
            wrong.push(format!(
                "{plugin}: {dead} given up, which nobody tries again; read the causes with \
                 `lastword deliveries --state dead`; mend the plugin and redeliver, or drop"
            ));
        }
        if *orphaned > 0 {
            wrong.push(format!(
                "{plugin}: {orphaned} owed to a plugin that was not installed: install it, or drop them"
            ));
        }
    }
    wrong
}
