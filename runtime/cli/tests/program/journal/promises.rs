//! What must be true of everything that plugins were told, however often the program was killed meanwhile.

use std::collections::{BTreeMap, BTreeSet};

use super::owner::Run;
use crate::support::reports::Report;

pub(super) fn assert_every_end_was_delivered(plugin: &str, accepted: &BTreeSet<Run>, reports: &[Report]) {
    assert!(!accepted.is_empty(), "nothing was accepted");
    let ends = reports.iter().filter(|report| report.id.plugin.as_str() == plugin && report.is_end());
    let told: BTreeSet<Run> = ends.map(|r| (r.tenant.clone(), r.session.clone(), r.generation)).collect();
    let missing: Vec<_> = accepted.difference(&told).collect();
    assert!(missing.is_empty(), "{plugin} never heard of the end of {missing:?}");
}

/// The second time that a delivery comes it has a higher number, and whoever it comes to can tell them apart.
pub(super) fn assert_no_number_was_used_twice(reports: &[Report]) {
    let mut seen: BTreeMap<_, &Report> = BTreeMap::new();
    for report in reports {
        if let Some(before) = seen.insert(&report.id, report) {
            assert!(report.attempt > before.attempt, "{report:?} after {before:?}");
        }
    }
}

/// A session id's events come to a plugin in the order in which they happened, unless they say that they are late. What
/// a run had no time to write down is not known to the next one, which begins again with the oldest: so what is newer
/// is held against it only when the next one knew it to be done.
pub(super) fn assert_order_was_kept_or_late_was_said(reports: &[Report]) {
    let mut lanes: BTreeMap<_, Vec<&Report>> = BTreeMap::new();
    for report in reports {
        lanes.entry((&report.id.plugin, &report.tenant, &report.session)).or_default().push(report);
    }
    let newer = |a: &Report, b: &Report| (a.id.sequence, a.id.event) > (b.id.sequence, b.id.event);
    for lane in lanes.values() {
        for (at, report) in lane.iter().enumerate().filter(|(_, report)| !report.late) {
            let comes_again = |one: &Report| lane[at..].iter().any(|later| later.id == one.id && later.run > one.run);
            let overtaken = lane[..at]
                .iter()
                .find(|before| newer(before, report) && (before.run == report.run || !comes_again(before)));
            assert!(overtaken.is_none(), "{report:?} does not say that it is late, after {overtaken:?}\n{lane:#?}");
        }
    }
}
