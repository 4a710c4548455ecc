//! Each guest × 1 000 sessions in a drain, beside a good one. These run alone: see `.config/nextest.toml`.
//!
//! In CI each guest has a drain of its own. Elsewhere some share one.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use lastword::StartRequest;
use lastword::events::{Hook, Outcome};
use lastword_harness::{Harness, machine};

use crate::guest;
use crate::table::{Row, rows};

/// From the budget's end until everything is accounted for.
const SLACK: Duration = Duration::from_millis(100);
const SESSIONS: u32 = 1_000;
/// Half of the usual one: most guests use all of it.
const BUDGET: Duration = Duration::from_secs(1);
const GUESTS_AT_ONCE: usize = 4;
/// On a machine that gives less, whatever takes time may be a guest's deadline.
const MOST_SLOWDOWN: f64 = 1.1;
/// What the process may grow by: two workers' guests, of 64 MiB each; what the host keeps for all calls (256 MiB, and 1 MiB of
/// each); and what stays resident of slots (up to 256 KiB each) and in the allocator.
const MAX_GROWTH_BYTES: u64 = 704 << 20;

macro_rules! sections {
    ($($test:ident: $heading:literal,)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
            async fn $test() {
                let rows = rows().into_iter().filter(|row| row.section == $heading && !row.is_refused());
                for group in groups(rows) {
                    drain_beside_a_good_one(&group).await;
                }
            }
        )*

        #[test]
        fn every_section_of_the_page_is_drained() {
            let known = [$($heading),*];
            let unknown: Vec<_> = rows().into_iter().filter(|row| !row.is_refused() && !known.contains(&row.section)).collect();
            assert_eq!(unknown, [], "no test drains this section");
        }
    };
}

sections! {
    keeps_the_cpu: "Keeps the CPU",
    waits: "Waits",
    takes_memory: "Takes memory",
    breaks_rules: "Breaks the rules",
    floods_the_host: "Floods the host",
    lies: "Lies to the host",
    abuses_http: "Abuses HTTP",
    abuses_key_values: "Abuses key-value storage",
    abuses_files: "Abuses files",
}

/// As much work fits into it as into [`BUDGET`] on a machine that nobody else uses. Looked at once in a test.
fn budget() -> Duration {
    static SLOWDOWN: OnceLock<f64> = OnceLock::new();
    BUDGET.mul_f64(*SLOWDOWN.get_or_init(machine::slowdown))
}

/// Those that share a drain: each guest once, and with one server, because every session names one.
fn groups(rows: impl Iterator<Item = Row>) -> Vec<Vec<Row>> {
    let most = if machine::is_ci() { 1 } else { GUESTS_AT_ONCE };
    let mut groups: Vec<Vec<Row>> = Vec::new();
    for row in rows {
        let fits = |group: &&mut Vec<Row>| {
            group.len() < most && group.iter().all(|other| other.server == row.server && other.guest != row.guest)
        };
        match groups.iter_mut().find(fits) {
            Some(group) => group.push(row),
            None => groups.push(vec![row]),
        }
    }
    groups
}

async fn drain_beside_a_good_one(group: &[Row]) {
    let harness =
        group.iter().fold(Harness::builder().budget(budget()), guest::install).plugin("prints", "prints").build();
    let Some(first) = group.first() else { return };
    for n in 0..SESSIONS {
        let session = guest::session(&harness, first, &format!("s{n}"));
        harness.runtime.start_session(StartRequest::new(session)).await.expect("it is accepted");
    }
    harness.runtime.settled().await;
    let before = resident_bytes();
    let began = Instant::now();
    let report = harness.drain().await;
    let took = began.elapsed();
    let growth = resident_bytes().saturating_sub(before);
    let guests: Vec<&str> = group.iter().map(|row| row.guest).collect();
    let what = format!("{guests:?} {:?}", first.server);

    assert!(took <= report.budget + SLACK, "{what}: {took:?}");
    let ends = harness.printed("prints").iter().filter(|line| line.starts_with("session-end")).count();
    assert_eq!(ends, SESSIONS as usize, "{what}: what the good one printed itself");
    assert_eq!(report.plugins.len(), group.len() + 1, "{what}");
    for plugin in &report.plugins {
        assert_eq!(plugin.delivered + plugin.failed + plugin.deferred, u64::from(SESSIONS), "{what}: {plugin:?}");
    }
    for row in group {
        assert_outcomes_are_the_rows(&harness, row, group.len() > 1);
    }
    assert!(growth <= MAX_GROWTH_BYTES, "{what}: {growth} bytes");
    drop(harness);
    until_no_slot_is_taken(&what).await;

    let next = Harness::with(&["good"]);
    next.end("next", lastword::events::EndReason::Reset).await.expect("it is accepted");
    let seen = next.first_outcome(|_| true).await.expect("an outcome");
    assert_eq!(seen.outcome, Outcome::Delivered, "{what}: the next call");
}

fn assert_outcomes_are_the_rows(harness: &Harness, row: &Row, has_neighbours: bool) {
    for seen in harness.outcomes_of(row.guest, Hook::SessionEnd) {
        let is_deferred = matches!(seen.outcome, Outcome::Deferred(_));
        // Of a guest that runs, its deadline counts the time in which others have the processor, and one that waits for a server
        // has so long for all its waits. (`alone` says what each is told when nothing else goes on.)
        let waits_for_a_server = row.section == "Abuses HTTP";
        let is_late = || {
            seen.outcome.to_string() == "failed(deadline)"
                && (has_neighbours && runs_or_waits(row) || waits_for_a_server || machine::slowdown() > MOST_SLOWDOWN)
        };
        let is_the_rows = row.outcomes.contains(&seen.outcome.to_string().as_str());
        let what = format!("{} {:?}", row.guest, row.server);
        assert!(is_deferred || is_the_rows || is_late(), "{what}: {:?}", seen.outcome);
    }
}

/// Whether a call takes a part of its deadline that others can make longer. What traps, or answers, at once has no excuse.
fn runs_or_waits(row: &Row) -> bool {
    let guests = ["kv-flood", "kv-flood-on", "kv-opens-many", "kv-counts-then-sleeps", "transcript-tricks"];
    let sections = ["Keeps the CPU", "Waits", "Takes memory", "Floods the host", "Abuses HTTP"];
    sections.contains(&row.section) || guests.contains(&row.guest)
}

/// Workers drop what they hold; none of it may stay.
async fn until_no_slot_is_taken(what: &str) {
    let free = async {
        while Harness::sandbox().slots_in_use() != Some(0) {
            tokio::task::yield_now().await;
        }
    };
    let in_time = tokio::time::timeout(Duration::from_secs(10), free).await;
    assert!(in_time.is_ok(), "{what}: {:?} slots are still taken", Harness::sandbox().slots_in_use());
}

fn resident_bytes() -> u64 {
    const PAGE_BYTES: u64 = 4096;
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or_default() * PAGE_BYTES
}
