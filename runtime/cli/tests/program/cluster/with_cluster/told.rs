//! What has to be true of everything that the plugins of all nodes have reported.

use std::collections::{BTreeMap, BTreeSet};

use lastword_cluster_tests::{PATIENCE, look};
use lastword_events::DeliveryId;

use super::servers::Node;
use crate::support::reports::{Report, ReportServer};

/// Waits until the end of each of these sessions was told, by whichever node.
#[track_caller]
pub(super) fn assert_every_end_is_told<'a>(
    reports: &ReportServer,
    started: impl IntoIterator<Item = &'a BTreeSet<String>>,
) {
    let started: BTreeSet<&str> = started.into_iter().flatten().map(String::as_str).collect();
    assert!(!started.is_empty(), "nothing is on record");
    let lost = || -> Vec<&str> {
        reports.look(|reports| {
            let told: BTreeSet<&str> = ends(reports).map(|report| &*report.session).collect();
            started.iter().copied().filter(|id| !told.contains(id)).collect()
        })
    };
    look(PATIENCE, || lost().is_empty().then_some(()));
    let lost = lost();
    assert!(lost.is_empty(), "the ends of {} of {} sessions are told by nobody: {lost:?}", lost.len(), started.len());
}

/// Stops the nodes, which have to take it well, and gives what all nodes have reported: each attempt once, and each end under one id.
#[track_caller]
pub(super) fn stop_all(nodes: impl IntoIterator<Item = Node>, reports: &ReportServer) -> Vec<Report> {
    for node in nodes {
        let ended = node.program.stop();
        assert_eq!(ended.code(), 0, "{}", ended.stderr());
    }
    let reports = reports.all();
    assert_no_number_was_used_twice(&reports);
    assert_each_end_has_one_id(&reports);
    reports
}

/// Whatever was told again has a number of its own, also when a node tells something that another one has told already.
#[track_caller]
fn assert_no_number_was_used_twice(reports: &[Report]) {
    let mut seen = BTreeSet::new();
    for report in reports {
        assert!(seen.insert((&report.id, report.attempt)), "a second time: {report:?}");
    }
}

/// The end of a session has one delivery id, whoever makes it.
#[track_caller]
fn assert_each_end_has_one_id(reports: &[Report]) {
    let mut ids: BTreeMap<&str, &DeliveryId> = BTreeMap::new();
    for report in ends(reports) {
        let first = ids.entry(&report.session).or_insert(&report.id);
        assert_eq!(*first, &report.id, "{report:?}");
    }
}

pub(super) fn ends(reports: &[Report]) -> impl Iterator<Item = &Report> {
    reports.iter().filter(|report| report.is_end())
}
