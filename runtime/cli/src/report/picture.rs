//! The content of a picture: a drain in numbers, and a row for each pair of tenant and plugin, the worst first.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use lastword_events::{DrainReport, Timestamp};
use lastword_server::OwnerDrain;

use super::bins::{Bins, Scale, nanos};
use super::tally::{Pair, Tallies, Tally};
use super::text::{count, reasons, time};

/// Most rows that a picture names. They are 20 pixels high then, so all of them fit on a screen and on a page.
pub(super) const MAX_NAMED: usize = 40;
/// If there are more, the number of fully delivered rows that are named.
const MAX_NAMED_GOOD: usize = 16;

/// One drain, as the picture shows it.
#[derive(Debug)]
pub(super) struct Picture {
    pub(super) drained: Drained,
    /// When the drain began.
    pub(super) at: Timestamp,
    pub(super) scale: Scale,
    /// The duration, in nanoseconds.
    pub(super) elapsed: u64,
    /// When calls were cut, in nanoseconds after the beginning.
    pub(super) cut: Option<u64>,
    /// The last known step of the drain, and its time in nanoseconds after the beginning.
    pub(super) end: (&'static str, u64),
    pub(super) sessions: u64,
    pub(super) total: Counts,
    pub(super) rows: Vec<Row>,
    pub(super) others: Option<Others>,
    /// Whether rows have to name their tenant.
    pub(super) several_tenants: bool,
}

/// The subject of a drain.
#[derive(Clone, Debug)]
pub(super) enum Drained {
    /// Every session, for this reason.
    All { reason: String },
    /// The sessions of an owner that has said goodbye. A connection has no tenant.
    Owner { tenant: Option<Arc<str>>, name: String, reason: String },
}

/// The words for ends that the time did not suffice for.
pub(super) struct Words {
    pub(super) cut: &'static str,
    pub(super) cut_in_full: &'static str,
    pub(super) not_begun: &'static str,
}

impl Drained {
    /// Returns the picture's title, which contains text from outside.
    pub(super) fn heading(&self) -> String {
        match self {
            Self::All { reason } => format!("Lastword drain ({reason})"),
            Self::Owner { name, reason, .. } => format!("Lastword drain ({reason}) of {name}"),
        }
    }

    /// Returns the owner's tenant.
    pub(super) fn tenant(&self) -> Option<&Arc<str>> {
        match self {
            Self::All { .. } => None,
            Self::Owner { tenant, .. } => tenant.as_ref(),
        }
    }

    /// Returns the words. An owner's goodbye cuts nothing: the remaining ends continue.
    pub(super) fn words(&self) -> Words {
        match self {
            Self::All { .. } => {
                Words { cut: "cut", cut_in_full: "cut at the end of the budget", not_begun: "not begun" }
            }
            Self::Owner { .. } => {
                Words { cut: "still under way", cut_in_full: "still under way", not_begun: "owed still" }
            }
        }
    }
}

/// The outcomes of ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) delivered: u64,
    pub(super) failed: u64,
    /// The causes of failures, as far as they are known.
    pub(super) causes: BTreeMap<&'static str, u64>,
    /// Ends that were running when the time was over.
    pub(super) cut: u64,
    pub(super) not_begun: u64,
    /// The reasons, as far as they are known.
    pub(super) reasons: BTreeMap<&'static str, u64>,
}

impl Counts {
    /// Makes the counts. `numbers` are delivered, failed and deferred, which are exact. The tally has more detail, but
    /// perhaps not of all ends.
    fn new([delivered, failed, deferred]: [u64; 3], tally: &Tally) -> Self {
        let cut = tally.cut.min(deferred);
        let (causes, reasons) = (tally.failed.clone(), tally.not_begun.clone());
        Self { delivered, failed, causes, cut, not_begun: deferred - cut, reasons }
    }

    fn merge(&mut self, other: Self) {
        self.delivered += other.delivered;
        self.failed += other.failed;
        self.cut += other.cut;
        self.not_begun += other.not_begun;
        for (mine, others) in [(&mut self.causes, other.causes), (&mut self.reasons, other.reasons)] {
            for (why, times) in others {
                *mine.entry(why).or_default() += times;
            }
        }
    }

    pub(super) fn undelivered(&self) -> u64 {
        self.failed + self.cut + self.not_begun
    }

    pub(super) fn all(&self) -> u64 {
        self.delivered + self.undelivered()
    }

    /// Returns the undelivered ends and their reasons; empty if everything was delivered. Omits the reasons if the text
    /// would exceed `max_chars` characters.
    pub(super) fn troubles(&self, words: &Words, max_chars: usize) -> Vec<String> {
        let troubles = [
            (self.failed, "failed", reasons(self.failed, &self.causes)),
            (self.cut, words.cut, String::new()),
            (self.not_begun, words.not_begun, reasons(self.not_begun, &self.reasons)),
        ];
        let there_are = troubles.into_iter().filter(|(number, _, _)| *number > 0);
        let mut said: Vec<(String, String)> =
            there_are.map(|(number, what, why)| (format!("{} {what}", count(number)), why)).collect();
        // A comma and a space follow each.
        let chars: usize = said.iter().map(|(what, why)| what.chars().count() + why.chars().count() + 2).sum();
        if chars > max_chars.saturating_add(2) {
            said.iter_mut().for_each(|(_, why)| why.clear());
        }
        said.into_iter().map(|(what, why)| what + &why).collect()
    }

    pub(super) fn in_words(&self, words: &Words) -> String {
        let mut parts = vec![format!("{} delivered", count(self.delivered))];
        parts.extend(self.troubles(words, usize::MAX));
        parts.join(", ")
    }
}

/// A tenant and one of its plugins.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) tenant: Arc<str>,
    pub(super) plugin: String,
    pub(super) counts: Counts,
    /// The time of all calls together, in nanoseconds.
    time: u64,
    pub(super) bins: Bins,
}

/// The pairs without a row of their own.
#[derive(Debug)]
pub(super) struct Others {
    pub(super) pairs: u64,
    pub(super) counts: Counts,
    pub(super) bins: Bins,
}

/// One row as it is shown: a pair, or all other pairs.
pub(super) struct Lane<'a> {
    pub(super) name: String,
    pub(super) tenant: Option<&'a str>,
    pub(super) counts: &'a Counts,
    pub(super) bins: &'a Bins,
    pub(super) is_others: bool,
}

impl Picture {
    /// Makes the picture of a drain of every session. `end` is the last known step, and its time after the beginning.
    pub(super) fn of_drain(
        report: &DrainReport,
        tallies: Tallies,
        at: Timestamp,
        (end, after): (&'static str, Duration),
    ) -> Self {
        let Tallies { scale, mut pairs, rest, cut, .. } = tallies;
        let mut all = rest.clone();
        pairs.values().for_each(|tally| all.merge(tally.clone()));
        let mut rows: Vec<Row> = Vec::with_capacity(report.plugins.len());
        for line in &report.plugins {
            let tally = pairs.remove(&(line.tenant.clone(), line.plugin.clone())).unwrap_or_default();
            let counts = Counts::new([line.delivered, line.failed, line.deferred], &tally);
            rows.push(Row {
                tenant: line.tenant.clone(),
                plugin: line.plugin.to_string(),
                counts,
                time: tally.time,
                bins: tally.bins,
            });
        }
        let several_tenants = !report.rest.is_empty() || has_several_tenants(&rows);
        let mut others = rest;
        pairs.into_values().for_each(|tally| others.merge(tally));
        let rest = report.rest.iter();
        let numbers = rest.clone().fold([0; 3], |[delivered, failed, deferred], line| {
            [delivered + line.delivered, failed + line.failed, deferred + line.deferred]
        });
        let without_line = Others {
            pairs: rest.map(|line| line.tenants).sum(),
            counts: Counts::new(numbers, &others),
            bins: others.bins,
        };
        let (rows, others) = fold(rows, without_line);
        let timed_out = report.timed_out.then_some(report.elapsed);
        Self {
            drained: Drained::All { reason: report.reason.to_string() },
            at,
            scale,
            elapsed: nanos(report.elapsed),
            cut: cut.or(timed_out).map(nanos),
            end: (end, nanos(after)),
            sessions: report.sessions,
            total: Counts::new([report.delivered, report.failed, report.deferred], &all),
            rows,
            others,
            several_tenants,
        }
    }

    /// Makes the picture of an owner's goodbye.
    pub(super) fn of_goodbye(
        (tenant, name): (Option<Arc<str>>, String),
        drain: &OwnerDrain,
        tallies: Tallies,
        at: Timestamp,
    ) -> Self {
        let Tallies { scale, pairs, rest, .. } = tallies;
        let mut all = rest.clone();
        pairs.values().for_each(|tally| all.merge(tally.clone()));
        let rows = rows_of(pairs);
        let several_tenants = has_several_tenants(&rows);
        let without_line =
            Others { pairs: u64::from(told_of(&rest) > 0), counts: counted(&rest), bins: rest.bins.clone() };
        let (rows, others) = fold(rows, without_line);
        let elapsed = nanos(Duration::from_millis(drain.elapsed_ms));
        Self {
            drained: Drained::Owner { tenant, name, reason: drain.reason.clone() },
            at,
            scale,
            elapsed,
            cut: None,
            end: ("over", elapsed),
            sessions: drain.sessions,
            // Counts deliveries. The rows count calls, and a failed delivery may have several.
            total: Counts::new([drain.delivered, drain.failed, drain.deferred], &all),
            rows,
            others,
            several_tenants,
        }
    }

    /// Returns all rows, in order.
    pub(super) fn lanes(&self) -> Vec<Lane<'_>> {
        let named = self.rows.iter().map(|row| Lane {
            name: row.plugin.clone(),
            tenant: self.several_tenants.then_some(&*row.tenant),
            counts: &row.counts,
            bins: &row.bins,
            is_others: false,
        });
        let others = self.others.iter().map(|others| Lane {
            name: format!("and {} other{}", count(others.pairs), if others.pairs == 1 { "" } else { "s" }),
            tenant: None,
            counts: &others.counts,
            bins: &others.bins,
            is_others: true,
        });
        named.chain(others).collect()
    }

    /// Returns a summary in a sentence or two.
    pub(super) fn sentence(&self) -> String {
        let sessions = if self.sessions == 1 { "session" } else { "sessions" };
        let all = self.total.all();
        let ends = if all == 1 { "delivery of its end" } else { "deliveries of their ends" };
        format!(
            "{} {sessions}, {} {ends}. It took {} of a budget of {}.",
            count(self.sessions),
            count(all),
            time(self.elapsed),
            time(self.scale.budget())
        )
    }
}

/// Returns an owner's pairs, as far as they are known, in no order.
fn rows_of(pairs: HashMap<Pair, Tally>) -> Vec<Row> {
    let mut pairs: Vec<(Pair, Tally)> = pairs.into_iter().collect();
    pairs.sort_by(|(one, _), (other, _)| one.cmp(other));
    let row = |((tenant, plugin), tally): (Pair, Tally)| Row {
        tenant,
        plugin: plugin.to_string(),
        counts: counted(&tally),
        time: tally.time,
        bins: tally.bins,
    };
    pairs.into_iter().map(row).collect()
}

/// Returns the counts of a tally.
fn counted(tally: &Tally) -> Counts {
    let not_begun: u64 = tally.not_begun.values().sum();
    Counts::new([tally.delivered, tally.failed.values().sum(), tally.cut + not_begun], tally)
}

fn told_of(tally: &Tally) -> u64 {
    counted(tally).all()
}

fn has_several_tenants(rows: &[Row]) -> bool {
    rows.first().is_some_and(|first| rows.iter().any(|row| row.tenant != first.tenant))
}

/// Sorts the worst rows first, then the longest. If there are too many, names those with undelivered ends and a few
/// more; one row has the rest, including pairs that never had a row.
fn fold(mut rows: Vec<Row>, without_line: Others) -> (Vec<Row>, Option<Others>) {
    rows.sort_by_key(|row| (Reverse(row.counts.undelivered()), Reverse(row.time)));
    let mut named = rows.len();
    if rows.len() > MAX_NAMED || without_line.pairs > 0 {
        let bad = rows.iter().filter(|row| row.counts.undelivered() > 0).count();
        named = (bad + MAX_NAMED_GOOD).min(MAX_NAMED).min(rows.len());
    }
    let mut others = without_line;
    for row in rows.split_off(named) {
        others.pairs += 1;
        others.counts.merge(row.counts);
        others.bins.merge(row.bins);
    }
    let others = Some(others).filter(|others| others.pairs > 0);
    (rows, others)
}
