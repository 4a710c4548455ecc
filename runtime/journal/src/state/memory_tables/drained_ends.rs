//! Ends of active sessions that a drain has tried and could not deliver. The next run writes these ends down.

use std::sync::Arc;

use lastword_events::{DrainReason, EventKey, JournalName, PluginName, Session};

use crate::state::{DrainedRow, DrainedState, LookedAt, last_end_of};
use crate::{DeliveryFilter, DeliveryKey, DeliveryRow, DeliveryState, LOOKED_AT_FOR_A_PAGE};

/// A session that a drain has found active.
pub(super) struct DrainedSession<'a> {
    pub(super) sequence: u64,
    pub(super) session: &'a Arc<Session>,
    /// Plugins that were owed the session's start.
    pub(super) started: &'a [PluginName],
    /// The drain's results for the session's end.
    pub(super) drained: &'a [DrainedRow],
    pub(super) reason: DrainReason,
    /// Plugins that served the session's tenant in that run.
    pub(super) installed: Vec<PluginName>,
}

impl DrainedSession<'_> {
    /// The state of the end for this plugin. None if the end was delivered, or is not owed.
    pub(super) fn state_of(&self, plugin: &PluginName) -> Option<DeliveryState> {
        match self.drained.iter().find(|row| row.plugin == *plugin).map(|row| row.state) {
            Some(DrainedState::Delivered) => None,
            Some(DrainedState::Dead) => Some(DeliveryState::Dead),
            _ if self.installed.contains(plugin) => Some(DeliveryState::Owed),
            Some(DrainedState::Owed) => Some(DeliveryState::Orphaned),
            None => self.started.contains(plugin).then_some(DeliveryState::Orphaned),
        }
    }

    /// The run of the last attempt for this plugin. 0 if there was none.
    pub(super) fn run_of(&self, plugin: &PluginName) -> u32 {
        self.drained.iter().find(|row| row.plugin == *plugin).map_or(0, |row| row.run)
    }

    /// The deliveries of the end that are not made, by plugin.
    pub(super) fn rows(&self, journal: JournalName) -> Vec<(DeliveryKey, DeliveryRow)> {
        // The end was tried for this plugin, but why the plugin was owed it may not be known any more.
        let tried = self.drained.iter().map(|row| &row.plugin);
        let mut plugins: Vec<&PluginName> = self.installed.iter().chain(self.started).chain(tried).collect();
        plugins.sort_unstable();
        plugins.dedup();
        plugins.into_iter().filter_map(|plugin| self.row(journal, plugin)).collect()
    }

    fn row(&self, journal: JournalName, plugin: &PluginName) -> Option<(DeliveryKey, DeliveryRow)> {
        let state = self.state_of(plugin)?;
        let key = DeliveryKey { sequence: self.sequence, event: EventKey::End, plugin: plugin.clone() };
        let tried = self.drained.iter().find(|row| row.plugin == *plugin);
        let failure = tried.and_then(|row| row.failure.clone());
        let (cause, message) = failure.map(|failure| (failure.cause, failure.message)).unzip();
        let row = DeliveryRow {
            delivery: key.id(journal),
            state,
            tenant: self.session.identity.tenant.to_string(),
            session: self.session.identity.id.to_string(),
            generation: self.session.generation,
            reason: Some(self.reason.to_string()),
            attempt: tried.map_or(0, |row| row.attempt),
            failures: tried.map_or(0, |row| row.failures),
            late: false,
            retry_at: None,
            cause,
            message,
        };
        Some((key, row))
    }
}

/// Looks for at most `limit` ends of these sessions that match the filter, in the order of the sessions.
pub(super) fn look<'a>(
    journal: JournalName,
    filter: &DeliveryFilter,
    after: Option<&DeliveryKey>,
    limit: usize,
    sessions: impl Iterator<Item = (u64, Option<DrainedSession<'a>>)>,
) -> LookedAt<DeliveryKey> {
    let mut looked_at = LookedAt { rows: Vec::new(), until: None };
    for (n, (sequence, session)) in sessions.enumerate() {
        let rows = session.map_or_else(Vec::new, |session| session.rows(journal));
        let follows = |key: &DeliveryKey| after.is_none_or(|after| key > after);
        looked_at.rows.extend(rows.into_iter().filter(|(key, row)| follows(key) && filter.matches(row)));
        if n + 1 >= LOOKED_AT_FOR_A_PAGE || looked_at.rows.len() > limit {
            looked_at.until = last_end_of(sequence).map(|last| (last.clone(), last.id(journal)));
            break;
        }
    }
    looked_at
}
