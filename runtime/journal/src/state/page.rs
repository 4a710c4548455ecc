//! A page of deliveries that were not made, from two tables: recorded deliveries, and ends that a drain has tried.

use lastword_events::limits::MAX_PLUGIN_NAME_BYTES;
use lastword_events::{DeliveryId, EventKey, PluginName};

use crate::{DeliveryKey, DeliveryPage, DeliveryRow};

/// The part of a page that comes from one table.
#[derive(Debug)]
pub struct LookedAt<K> {
    /// The matching rows, in the order of the keys.
    pub rows: Vec<(K, DeliveryRow)>,
    /// How far the table was looked at: the `after` of the next page. None if it was looked at to its end.
    pub until: Option<(K, DeliveryId)>,
}

/// A plugin name behind all others, because names end with `z` at the latest. So this key is behind every end of a session.
#[must_use]
pub fn last_end_of(sequence: u64) -> Option<DeliveryKey> {
    let plugin = PluginName::new(&"z".repeat(MAX_PLUGIN_NAME_BYTES)).ok()?;
    Some(DeliveryKey { sequence, event: EventKey::End, plugin })
}

/// The page with at most `limit` rows. It goes up to where both tables were looked at.
#[must_use]
pub fn page<K: Ord>(tables: [LookedAt<K>; 2], limit: usize) -> DeliveryPage {
    let [recorded, drained] = tables;
    let untils = [recorded.until, drained.until].into_iter().flatten();
    let until = untils.min_by(|(a, _), (b, _)| a.cmp(b));
    let mut rows: Vec<(K, DeliveryRow)> = recorded.rows.into_iter().chain(drained.rows).collect();
    rows.sort_by(|(a, _), (b, _)| a.cmp(b));
    if let Some((until, _)) = &until {
        rows.retain(|(key, _)| key <= until);
    }
    let is_cut = rows.len() > limit;
    rows.truncate(limit);
    let rows: Vec<DeliveryRow> = rows.into_iter().map(|(_, row)| row).collect();
    let last = rows.last().filter(|_| is_cut).map(|row| row.delivery.clone());
    DeliveryPage { rows, next: last.or(until.map(|(_, next)| next)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DeliveryState;

    fn id(sequence: u64) -> DeliveryId {
        let plugin = PluginName::new("p").unwrap();
        DeliveryKey { sequence, event: EventKey::End, plugin }.id(crate::state::random_name())
    }

    fn table(sequences: &[u64], until: Option<u64>) -> LookedAt<u64> {
        let row = |sequence| DeliveryRow {
            delivery: id(sequence),
            state: DeliveryState::Owed,
            tenant: String::new(),
            session: String::new(),
            generation: 1,
            reason: None,
            attempt: 0,
            failures: 0,
            late: false,
            retry_at: None,
            cause: None,
            message: None,
        };
        let rows = sequences.iter().map(|&sequence| (sequence, row(sequence))).collect();
        LookedAt { rows, until: until.map(|sequence| (sequence, id(sequence))) }
    }

    fn of(tables: [LookedAt<u64>; 2], limit: usize) -> (Vec<u64>, Option<u64>) {
        let DeliveryPage { rows, next } = page(tables, limit);
        (rows.iter().map(|row| row.delivery.sequence).collect(), next.map(|next| next.sequence))
    }

    #[test]
    fn a_page_ends_where_one_of_the_tables_was_not_looked_at_any_more() {
        assert_eq!(of([table(&[1, 4], None), table(&[2, 3], None)], 9), (vec![1, 2, 3, 4], None));
        assert_eq!(of([table(&[1, 4], Some(4)), table(&[2, 5], None)], 9), (vec![1, 2, 4], Some(4)));
        assert_eq!(of([table(&[1, 4], Some(4)), table(&[2], Some(3))], 9), (vec![1, 2], Some(3)));
        assert_eq!(of([table(&[], Some(7)), table(&[], None)], 9), (vec![], Some(7)));
    }

    #[test]
    fn a_page_has_no_more_rows_than_were_asked_for() {
        assert_eq!(of([table(&[1, 4], None), table(&[2, 3], None)], 3), (vec![1, 2, 3], Some(3)));
        assert_eq!(of([table(&[1, 2], None), table(&[], None)], 2), (vec![1, 2], None));
    }
}
