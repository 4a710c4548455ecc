//! The deliveries that were not made: the page shows the first of each state.

use std::collections::BTreeMap;

use lastword::{DeliveryRow, DeliveryState};
use tokio::time::{Instant, timeout_at};

use crate::findings::Counted;
use crate::http::caller::Caller;
use crate::http::routes::deliveries::{LIST_TOO_SLOW, first_deliveries};
use crate::limits::{PAGE_LISTS_TIMEOUT, PAGE_ROWS};
use crate::shared::Shared;

/// The states in the order of the page: those that need action first.
const STATES: [DeliveryState; 3] = [DeliveryState::Dead, DeliveryState::Orphaned, DeliveryState::Owed];

/// Deliveries that were not made.
#[derive(Default)]
pub(crate) struct Unmade {
    /// In the order of the states.
    rows: Vec<DeliveryRow>,
    /// States of which there are more than the page shows.
    has_more: Vec<DeliveryState>,
    /// States whose deliveries could not all be read in time.
    too_slow: Vec<DeliveryState>,
    /// The journal could not be read.
    is_unreadable: bool,
}

impl Unmade {
    /// Reads the deliveries. If that fails, the page is still shown, and reports the failure.
    pub(super) async fn of(shared: &Shared, caller: &Caller) -> Self {
        let until = Instant::now() + PAGE_LISTS_TIMEOUT;
        let mut unmade = Self::default();
        for state in STATES {
            match timeout_at(until, first_deliveries(shared, caller, state, PAGE_ROWS)).await {
                Ok(Ok(page)) => {
                    unmade.rows.extend(page.rows);
                    if page.next.is_some() {
                        unmade.has_more.push(state);
                    }
                }
                Ok(Err(problem)) if problem.code() == LIST_TOO_SLOW => unmade.too_slow.push(state),
                // Other reads are under way, or the disk is slow.
                Err(_) => unmade.too_slow.push(state),
                Ok(Err(_)) => {
                    unmade.is_unreadable = true;
                    break;
                }
            }
        }
        unmade
    }

    pub(super) fn rows(&self) -> &[DeliveryRow] {
        &self.rows
    }

    pub(super) fn has_more(&self) -> bool {
        !self.has_more.is_empty()
    }

    pub(super) fn is_too_slow(&self) -> bool {
        !self.too_slow.is_empty()
    }

    pub(super) fn is_unreadable(&self) -> bool {
        self.is_unreadable
    }

    /// Returns the number of deliveries in this state, as far as they were read.
    pub(super) fn count(&self, state: DeliveryState) -> Counted {
        self.counted(state, self.rows.iter().filter(|row| row.state == state).count() as u64)
    }

    fn counted(&self, state: DeliveryState, count: u64) -> Counted {
        let is_cut = self.has_more.contains(&state) || self.too_slow.contains(&state) || self.is_unreadable;
        Counted { count, is_cut }
    }

    /// Returns, for each plugin, the number of its dead and of its orphaned deliveries.
    pub(super) fn by_plugin(&self) -> BTreeMap<&str, (Counted, Counted)> {
        let mut counts: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
        for row in &self.rows {
            let (dead, orphaned) = counts.entry(row.delivery.plugin.as_str()).or_default();
            match row.state {
                DeliveryState::Dead => *dead += 1,
                DeliveryState::Orphaned => *orphaned += 1,
                DeliveryState::Owed => {}
            }
        }
        let counted = |(dead, orphaned)| {
            (self.counted(DeliveryState::Dead, dead), self.counted(DeliveryState::Orphaned, orphaned))
        };
        counts.into_iter().map(|(plugin, counts)| (plugin, counted(counts))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(state: DeliveryState, plugin: &str) -> DeliveryRow {
        DeliveryRow {
            delivery: format!("k3f9a2c1.17/session-end/{plugin}").parse().unwrap(),
            state,
            tenant: "acme".into(),
            session: "s1".into(),
            generation: 1,
            reason: None,
            attempt: 1,
            failures: 1,
            late: false,
            retry_at: None,
            cause: None,
            message: None,
        }
    }

    #[test]
    fn each_state_says_for_itself_whether_all_of_it_was_read() {
        let rows = vec![
            row(DeliveryState::Dead, "memory"),
            row(DeliveryState::Dead, "memory"),
            row(DeliveryState::Orphaned, "gone"),
        ];
        let unmade = Unmade {
            rows,
            has_more: vec![DeliveryState::Dead],
            too_slow: vec![DeliveryState::Owed],
            is_unreadable: false,
        };
        let counts = STATES.map(|state| unmade.count(state).to_string());
        assert_eq!(counts, ["2 or more", "1", "not known"]);
        let by_plugin = unmade.by_plugin();
        let said: Vec<String> =
            by_plugin.iter().map(|(plugin, (dead, orphaned))| format!("{plugin}: {dead}, {orphaned}")).collect();
        assert_eq!(said, ["gone: not known, 1", "memory: 2 or more, 0"]);
    }
}
