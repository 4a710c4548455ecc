//! The table `suspect`: deliveries that may have taken the process down. They were under way when a run died that had not ended its
//! marks.
//!
//! A death says little of each: many calls are under way at once, and anybody may kill a program. So a delivery that was under way at two
//! deaths is made last and alone, and one that was alone at three is given up.

use std::collections::{HashMap, HashSet};

use lastword_events::{EventKey, FailureCause, JournalName, PluginName};
use lastword_journal::{DeliveryKey, Recovered};
use rusqlite::{Connection, params};

use super::drained::DEAD;
use crate::row::{count, parsed};

/// Deaths after which a delivery is made last and alone. One death can have any cause: a machine without memory, an operator.
const LAST_AND_ALONE: u32 = 2;
/// Deaths with no other call under way, after which a delivery is given up.
const GIVEN_UP: u32 = 3;
const WHY: &str = "the program died each time that it made this delivery, with nothing else under way";

#[derive(Debug, Default)]
struct Suspicion {
    deaths: u32,
    alone: u32,
}

impl Suspicion {
    fn is_lost(&self) -> bool {
        self.alone >= GIVEN_UP
    }
}

/// The suspect deliveries, with the counts of each.
#[derive(Debug)]
pub(crate) struct Suspects(HashMap<DeliveryKey, Suspicion>);

impl Suspects {
    /// Reads the counts, and adds one death to each delivery that was `under_way` at the last one.
    pub(crate) fn read(file: &Connection, under_way: Vec<DeliveryKey>) -> rusqlite::Result<Self> {
        let sql =
            "SELECT s.sequence, s.event, p.name, s.deaths, s.alone FROM suspect s JOIN plugin p ON p.id = s.plugin";
        let mut statement = file.prepare(sql)?;
        let rows = statement.query_map([], |row| {
            let delivery =
                DeliveryKey { sequence: row.get(0)?, event: parsed::<EventKey>(row, 1)?, plugin: parsed(row, 2)? };
            let deaths = count(row, 3, "a suspect's count of deaths")?;
            Ok((delivery, Suspicion { deaths, alone: count(row, 4, "a suspect's count of deaths alone")? }))
        })?;
        let mut suspects: HashMap<_, _> = rows.collect::<rusqlite::Result<_>>()?;
        let alone = u32::from(under_way.len() == 1);
        for delivery in under_way {
            let suspicion: &mut Suspicion = suspects.entry(delivery).or_default();
            suspicion.deaths += 1;
            suspicion.alone += alone;
        }
        Ok(Self(suspects))
    }

    /// Marks owed deliveries that are suspect, and removes those that are given up.
    pub(crate) fn mark(&self, recovered: &mut Recovered) {
        if self.0.is_empty() {
            return;
        }
        let dead = &mut recovered.dead;
        let mut give_up = |plugin: &PluginName| *dead.entry(plugin.clone()).or_default() += 1;
        recovered.deliveries.retain_mut(|owed| {
            let suspicion = self.0.get(&owed.delivery);
            owed.suspect = suspicion.is_some_and(|suspicion| suspicion.deaths >= LAST_AND_ALONE);
            let is_lost = suspicion.is_some_and(Suspicion::is_lost);
            if is_lost {
                give_up(&owed.delivery.plugin);
            }
            !is_lost
        });
        // The ends of sessions that are still active: a drain has tried them.
        for (delivery, suspicion) in self.0.iter().filter(|(delivery, _)| delivery.event == EventKey::End) {
            let found = recovered.sessions.binary_search_by_key(&delivery.sequence, |session| session.sequence);
            let Some(session) = found.ok().and_then(|at| recovered.sessions.get_mut(at)) else { continue };
            // A plugin may know of the end.
            session.attachable = false;
            let drained = session.drained.get_or_insert_default();
            if suspicion.is_lost() {
                give_up(&delivery.plugin);
                drained.settled.push(delivery.plugin.clone());
            } else if suspicion.deaths >= LAST_AND_ALONE {
                drained.suspect.push(delivery.plugin.clone());
            }
        }
    }

    /// Writes down the counts as a run begins. Gives the deliveries that an outcome clears.
    pub(crate) fn record(&self, file: &Connection, journal: JournalName) -> rusqlite::Result<HashSet<DeliveryKey>> {
        file.execute("DELETE FROM suspect", [])?;
        let mut known = HashSet::new();
        for (delivery, suspicion) in &self.0 {
            // A drain's attempt may be the first row that names the plugin.
            file.execute("INSERT OR IGNORE INTO plugin (name) VALUES (?1)", [delivery.plugin.as_str()])?;
            if suspicion.is_lost() {
                give_up(file, delivery)?;
                tracing::error!(delivery = %delivery.id(journal), "given up as dead: {WHY}, {} times", suspicion.alone);
                continue;
            }
            // Skips a delivery that was made or dropped meanwhile.
            let sql = "INSERT INTO suspect (sequence, event, plugin, deaths, alone)
                       SELECT ?1, ?2, id, ?4, ?5 FROM plugin WHERE name = ?3 AND
                       (EXISTS (SELECT 1 FROM delivery WHERE sequence = ?1 AND event = ?2 AND plugin = id AND NOT dead)
                        OR ?2 = 'session-end' AND EXISTS
                           (SELECT 1 FROM session WHERE sequence = ?1 AND ended_run IS NULL))";
            let (event, plugin) = (delivery.event.to_string(), delivery.plugin.as_str());
            let row = params![delivery.sequence, event, plugin, suspicion.deaths, suspicion.alone];
            if file.execute(sql, row)? > 0 {
                known.insert(delivery.clone());
            }
        }
        Ok(known)
    }
}

fn give_up(file: &Connection, delivery: &DeliveryKey) -> rusqlite::Result<()> {
    let (event, plugin) = (delivery.event.to_string(), delivery.plugin.as_str());
    let cause = FailureCause::Lost.to_string();
    let sql = "UPDATE delivery SET dead = 1, retry_at = NULL, cause = ?4, message = ?5
               WHERE sequence = ?1 AND event = ?2 AND plugin = (SELECT id FROM plugin WHERE name = ?3)";
    let changed = file.execute(sql, params![delivery.sequence, event, plugin, cause, WHY])?;
    if changed == 0 && delivery.event == EventKey::End {
        let sql = "INSERT INTO drained (sequence, plugin, run, attempt, state, cause, message)
                   SELECT s.sequence, p.id, s.run, 0, ?3, ?4, ?5 FROM session s, plugin p
                   WHERE s.sequence = ?1 AND s.ended_run IS NULL AND p.name = ?2
                   ON CONFLICT (sequence, plugin) DO UPDATE SET state = ?3, cause = ?4, message = ?5";
        file.execute(sql, params![delivery.sequence, plugin, DEAD, cause, WHY])?;
    }
    Ok(())
}

/// Whether the delivery is to be made last and alone.
pub(crate) fn is_made_alone(file: &Connection, delivery: &DeliveryKey) -> rusqlite::Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM suspect WHERE sequence = ?1 AND event = ?2
               AND plugin = (SELECT id FROM plugin WHERE name = ?3) AND deaths >= ?4)";
    let (event, plugin) = (delivery.event.to_string(), delivery.plugin.as_str());
    file.prepare_cached(sql)?.query_row(params![delivery.sequence, event, plugin, LAST_AND_ALONE], |row| row.get(0))
}

/// Removes the suspicion of a delivery that has an outcome: the program survived its call.
pub(crate) fn clear(file: &Connection, delivery: &DeliveryKey) -> rusqlite::Result<()> {
    let sql = "DELETE FROM suspect WHERE sequence = ?1 AND event = ?2
               AND plugin = (SELECT id FROM plugin WHERE name = ?3)";
    let (event, plugin) = (delivery.event.to_string(), delivery.plugin.as_str());
    file.prepare_cached(sql)?.execute(params![delivery.sequence, event, plugin])?;
    Ok(())
}
