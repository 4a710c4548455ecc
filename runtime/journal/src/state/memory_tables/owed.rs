//! The recorded deliveries of a journal in memory: those that are owed, and those that were given up.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

use lastword_events::{Event, JournalName, PluginName, Session, Timestamp};

use super::rows::{DeliveryFields, Row};
use crate::state::{CleanRuns, Failure, LookedAt, Unmade};
use crate::{
    DeliveryFilter, DeliveryKey, DeliveryRow, DeliveryState, LOOKED_AT_FOR_A_PAGE, PendingDelivery,
    RETAINED_DEAD_DELIVERIES, Settlement,
};

/// The deliveries, and the order in which they were given up.
#[derive(Clone, Debug, Default)]
pub(super) struct Owed {
    rows: BTreeMap<DeliveryKey, OwedRow>,
    /// Deliveries with their numbers in the order of giving up. A delivery whose row has another number is owed again, made or forgotten by
    /// now.
    given_up: VecDeque<(DeliveryKey, u64)>,
    /// The number that was given last.
    number: u64,
    /// How many deliveries were forgotten because there were too many.
    forgotten: u64,
}

/// A recorded delivery.
#[derive(Clone, Debug)]
pub(super) struct OwedRow {
    pub(super) session: Arc<Session>,
    pub(super) event: Arc<Event>,
    /// The run in which `attempt` was right.
    pub(super) run: u32,
    pub(super) attempt: u32,
    pub(super) failures: u32,
    pub(super) failure: Option<Failure>,
    pub(super) late: bool,
    pub(super) orphaned: bool,
    pub(super) retry_at: Option<Timestamp>,
    /// The delivery's number among those that were given up.
    dead: Option<u64>,
}

impl OwedRow {
    /// A delivery that has not failed.
    pub(super) fn new(session: &Arc<Session>, event: &Arc<Event>, run: u32) -> Self {
        Self {
            session: session.clone(),
            event: event.clone(),
            run,
            attempt: 0,
            failures: 0,
            failure: None,
            late: false,
            orphaned: false,
            retry_at: None,
            dead: None,
        }
    }

    fn state(&self) -> DeliveryState {
        match (self.dead, self.orphaned) {
            (Some(_), _) => DeliveryState::Dead,
            (None, true) => DeliveryState::Orphaned,
            (None, false) => DeliveryState::Owed,
        }
    }

    /// The delivery as run `run` finds it.
    fn pending(&self, key: &DeliveryKey, run: u32, clean: &CleanRuns) -> PendingDelivery {
        PendingDelivery {
            delivery: key.clone(),
            session: self.session.clone(),
            event: self.event.clone(),
            attempt: clean.attempt_in_run(self.attempt, self.run, run),
            failures: self.failures,
            late: self.late,
            // The marks of calls are gone with the process, as everything else in memory.
            suspect: false,
        }
    }

    fn listed(&self, key: &DeliveryKey, journal: JournalName) -> DeliveryRow {
        let (cause, message) = self.failure.clone().map(|failure| (failure.cause, failure.message)).unzip();
        DeliveryRow {
            delivery: key.id(journal),
            state: self.state(),
            tenant: self.session.identity.tenant.to_string(),
            session: self.session.identity.id.to_string(),
            generation: self.session.generation,
            reason: match &*self.event {
                Event::End(end) => Some(end.reason.as_str().to_owned()),
                Event::Start(_) | Event::Compaction(_) => None,
            },
            attempt: self.attempt,
            failures: self.failures,
            late: self.late,
            retry_at: self.retry_at,
            cause,
            message,
        }
    }
}

impl Owed {
    pub(super) fn insert(&mut self, key: DeliveryKey, row: OwedRow) {
        self.rows.insert(key, row);
    }

    /// A delivery that a drain has given up.
    pub(super) fn insert_dead(&mut self, key: DeliveryKey, row: OwedRow) {
        self.rows.insert(key.clone(), row);
        self.give_up(key);
    }

    /// Records how an attempt ended in run `run`. Gives false if there is no such delivery.
    pub(super) fn settle(&mut self, key: &DeliveryKey, run: u32, attempt: u32, settlement: &Settlement) -> bool {
        if *settlement == Settlement::Delivered {
            return self.rows.remove(key).is_some();
        }
        let Some(row) = self.rows.get_mut(key) else { return false };
        (row.run, row.attempt, row.failure) = (run, attempt, Failure::of(settlement));
        match *settlement {
            Settlement::Delivered => (),
            Settlement::Owed { failures, late, retry_at, .. } => {
                (row.failures, row.late, row.retry_at) = (failures, late, retry_at);
            }
            Settlement::Dead { failures, .. } => {
                (row.failures, row.retry_at) = (failures, None);
                self.give_up(key.clone());
            }
        }
        true
    }

    /// Forgets the oldest of the deliveries that were given up, if there are too many.
    fn give_up(&mut self, key: DeliveryKey) {
        self.number += 1;
        if let Some(row) = self.rows.get_mut(&key) {
            row.dead = Some(self.number);
        }
        self.given_up.push_back((key, self.number));
        if self.given_up.len() <= RETAINED_DEAD_DELIVERIES {
            return;
        }
        let Some((oldest, number)) = self.given_up.pop_front() else { return };
        if self.rows.get(&oldest).is_none_or(|row| row.dead != Some(number)) {
            return;
        }
        self.rows.remove(&oldest);
        self.forgotten += 1;
        // Cleans up the first time, and then each time that the list has doubled.
        if self.forgotten.is_power_of_two() {
            tracing::warn!(
                "{} dead deliveries are forgotten, the oldest: a journal in memory keeps {RETAINED_DEAD_DELIVERIES}",
                self.forgotten
            );
        }
    }

    /// Records that a call was cut in run `run`. Gives false if there is no such delivery.
    pub(super) fn set_attempt(&mut self, key: &DeliveryKey, run: u32, attempt: u32) -> bool {
        let Some(row) = self.rows.get_mut(key) else { return false };
        (row.run, row.attempt) = (run, attempt);
        true
    }

    /// The delivery's plugin is not installed.
    pub(super) fn set_orphaned(&mut self, key: &DeliveryKey, late: bool) {
        if let Some(row) = self.rows.get_mut(key) {
            (row.orphaned, row.late) = (true, row.late || late);
        }
    }

    /// No delivery is orphaned until the runtime says again which are.
    pub(super) fn clear_orphaned(&mut self) {
        self.rows.values_mut().for_each(|row| row.orphaned = false);
    }

    pub(super) fn unmade(&self, key: &DeliveryKey) -> Option<Unmade> {
        self.rows.get(key).map(|row| Unmade { state: row.state(), run: row.run })
    }

    /// Makes a delivery owed again that was given up. Gives it as run `run` finds it. None if there is no such delivery.
    pub(super) fn revive(&mut self, key: &DeliveryKey, run: u32, clean: &CleanRuns) -> Option<PendingDelivery> {
        let row = self.rows.get_mut(key).filter(|row| row.dead.is_some())?;
        (row.dead, row.failures, row.retry_at, row.late) = (None, 0, None, true);
        Some(row.pending(key, run, clean))
    }

    /// Ends that a delivery is orphaned. Gives it as run `run` finds it. None if there is no such delivery.
    pub(super) fn adopt(&mut self, key: &DeliveryKey, run: u32, clean: &CleanRuns) -> Option<PendingDelivery> {
        let row = self.rows.get_mut(key).filter(|row| row.dead.is_none())?;
        row.orphaned = false;
        Some(row.pending(key, run, clean))
    }

    /// Gives false if there is no such delivery.
    pub(super) fn remove(&mut self, key: &DeliveryKey) -> bool {
        self.rows.remove(key).is_some()
    }

    /// The owed deliveries, by session and event.
    pub(super) fn recovered(&self, run: u32, clean: &CleanRuns) -> Vec<PendingDelivery> {
        let owed = self.rows.iter().filter(|(_, row)| row.dead.is_none());
        owed.map(|(key, row)| row.pending(key, run, clean)).collect()
    }

    pub(super) fn listed(&self, key: &DeliveryKey, journal: JournalName) -> Option<DeliveryRow> {
        self.rows.get(key).map(|row| row.listed(key, journal))
    }

    pub(super) fn all(&self, journal: JournalName) -> impl Iterator<Item = DeliveryRow> {
        self.rows.iter().map(move |(key, row)| row.listed(key, journal))
    }

    /// Looks for at most `limit` rows that match the filter.
    pub(super) fn look(
        &self,
        journal: JournalName,
        filter: &DeliveryFilter,
        after: Option<&DeliveryKey>,
        limit: usize,
    ) -> LookedAt<DeliveryKey> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut looked_at = LookedAt { rows: Vec::new(), until: None };
        for (n, (key, row)) in self.rows.range((from, Bound::Unbounded)).enumerate() {
            let row = row.listed(key, journal);
            let is_last = n + 1 >= LOOKED_AT_FOR_A_PAGE;
            if filter.matches(&row) {
                looked_at.rows.push((key.clone(), row));
            }
            if is_last || looked_at.rows.len() > limit {
                looked_at.until = Some((key.clone(), key.id(journal)));
                break;
            }
        }
        looked_at
    }

    /// The newest deliveries that were given up, in that order.
    pub(super) fn dead(&self) -> Vec<DeliveryKey> {
        let is_dead =
            |(key, number): &&(DeliveryKey, u64)| self.rows.get(key).is_some_and(|row| row.dead == Some(*number));
        self.given_up.iter().filter(is_dead).map(|(key, _)| key.clone()).collect()
    }

    pub(super) fn forgotten(&self) -> u64 {
        self.forgotten
    }

    /// How many deliveries of each plugin were given up.
    pub(super) fn count_dead(&self) -> BTreeMap<PluginName, u64> {
        let mut counts = BTreeMap::new();
        for (key, _) in self.rows.iter().filter(|(_, row)| row.dead.is_some()) {
            *counts.entry(key.plugin.clone()).or_default() += 1;
        }
        counts
    }

    /// In their order. The deliveries of one event share its session and its text: only the first of them has the two.
    pub(super) fn into_rows(self) -> impl Iterator<Item = Row> + Send {
        let Self { rows, given_up, number, forgotten } = self;
        let mut last: Option<(Arc<Session>, Arc<Event>)> = None;
        let rows = rows.into_iter().map(move |(key, row)| {
            let OwedRow { session, event, run, attempt, failures, failure, late, orphaned, retry_at, dead } = row;
            let is_same = last.as_ref().is_some_and(|(s, e)| Arc::ptr_eq(s, &session) && Arc::ptr_eq(e, &event));
            let of = (!is_same).then(|| (session.clone(), event.clone()));
            last = Some((session, event));
            let fields = DeliveryFields { of, run, attempt, failures, failure, late, orphaned, retry_at, dead };
            Row::Delivery { key, fields: Box::new(fields) }
        });
        let given_up = given_up.into_iter().map(|(key, number)| Row::GivenUp { key, number });
        rows.chain(given_up).chain([Row::GivenUpCounts { number, forgotten }])
    }

    /// Adds a delivery behind all that are there. Gives false if it needs the session of the delivery before it, and there is none.
    pub(super) fn restore(&mut self, key: DeliveryKey, fields: DeliveryFields) -> bool {
        let DeliveryFields { of, run, attempt, failures, failure, late, orphaned, retry_at, dead } = fields;
        let last = || self.rows.last_key_value().map(|(_, row)| (row.session.clone(), row.event.clone()));
        let Some((session, event)) = of.or_else(last) else { return false };
        let row = OwedRow { session, event, run, attempt, failures, failure, late, orphaned, retry_at, dead };
        self.rows.insert(key, row);
        true
    }

    pub(super) fn restore_given_up(&mut self, key: DeliveryKey, number: u64) {
        self.given_up.push_back((key, number));
    }

    pub(super) fn restore_counts(&mut self, number: u64, forgotten: u64) {
        (self.number, self.forgotten) = (number, forgotten);
    }
}
