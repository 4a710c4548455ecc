//! Deliveries that were not made, as an operator sees and changes them: beside a running program, and while none runs.
//!
//! Most are rows of `delivery`. Ends that a drain tried of an active session have no such row until the next start. They follow from the
//! rows of the run and the session, and from the table `drained`.

mod change;
mod drained;
mod place;
mod recorded;

use lastword_events::{EventKey, JournalName};
use lastword_journal::state::{self, LookedAt, Unmade};
use lastword_journal::{DeliveryFilter, DeliveryKey, DeliveryPage, DeliveryRow, MAX_PAGE_ROWS, PageRequest};
use rusqlite::Connection;

use crate::header::Header;

pub(crate) use self::change::{adopt, forget, revive};

/// Whether there may be ends that only the next start writes down. There are none while a run serves its sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DrainedEnds {
    Listed,
    None,
}

/// A page of the unmade deliveries.
pub(crate) fn page(
    file: &Connection,
    journal: JournalName,
    drained: DrainedEnds,
    filter: &DeliveryFilter,
    page: &PageRequest,
) -> rusqlite::Result<DeliveryPage> {
    let limit = page.limit.clamp(1, MAX_PAGE_ROWS);
    let after = page.after.as_ref();
    let recorded = recorded::look(file, journal, filter, after, limit)?;
    let drained = match drained {
        DrainedEnds::Listed => drained::look(file, journal, filter, after, limit)?,
        DrainedEnds::None => LookedAt { rows: Vec::new(), until: None },
    };
    Ok(state::page([recorded, drained], limit))
}

/// All unmade deliveries, by their ids.
pub(crate) fn all(file: &Connection, journal: JournalName) -> rusqlite::Result<Vec<DeliveryRow>> {
    let mut rows = Vec::new();
    let mut next = PageRequest::default();
    loop {
        let found = page(file, journal, DrainedEnds::Listed, &DeliveryFilter::default(), &next)?;
        rows.extend(found.rows);
        next.after = found.next;
        if next.after.is_none() {
            break;
        }
    }
    rows.sort_by(|a, b| a.delivery.cmp(&b.delivery));
    Ok(rows)
}

/// Ends that a drain could not make, of sessions whose end the next start will write down.
pub(crate) fn all_drained(file: &Connection, journal: JournalName) -> rusqlite::Result<Vec<DeliveryRow>> {
    let mut ends = Vec::new();
    let mut after = None;
    loop {
        let found = drained::look(file, journal, &DeliveryFilter::default(), after.as_ref(), usize::MAX)?;
        ends.extend(found.rows.into_iter().map(|(_, row)| row));
        match found.until {
            Some((_, next)) => after = Some(next),
            None => return Ok(ends),
        }
    }
}

/// An unmade delivery by its id.
pub(crate) fn find(
    file: &Connection,
    journal: JournalName,
    drained: DrainedEnds,
    delivery: &DeliveryKey,
) -> rusqlite::Result<Option<DeliveryRow>> {
    if let Some(row) = recorded::find(file, journal, delivery)? {
        return Ok(Some(row));
    }
    if drained == DrainedEnds::None || delivery.event != EventKey::End {
        return Ok(None);
    }
    let ends = drained::of_session(file, journal, delivery.sequence)?;
    Ok(ends.into_iter().find(|row| row.delivery.plugin == delivery.plugin))
}

/// The state of an unmade delivery.
pub(crate) fn unmade(file: &Connection, delivery: &DeliveryKey) -> rusqlite::Result<Option<Unmade>> {
    if let Some(recorded) = recorded::unmade(file, delivery)? {
        return Ok(Some(recorded));
    }
    let journal = Header::read(file)?.name;
    let Some(row) = find(file, journal, DrainedEnds::Listed, delivery)? else { return Ok(None) };
    Ok(Some(Unmade { state: row.state, run: drained::run_of(file, delivery)? }))
}
