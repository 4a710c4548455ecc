//! Each guest × 1 000 sessions in a drain, beside a good one. These run alone: see `.config/nextest.toml`.

use std::time::{Duration, Instant};

use lastword::StartRequest;
use lastword::events::{Hook, Outcome};
use lastword_tests::{House, machine};

use crate::animal;
use crate::table::{Row, rows};

/// From the budget's end until everything is accounted for.
const SLACK: Duration = Duration::from_millis(100);
const SESSIONS: u32 = 1_000;
/// On a machine that gives less, whatever takes time may be a guest's deadline.
const MOST_SLOWDOWN: f64 = 1.1;
/// What the process may grow by: two workers' guests and eight slots that wait to be cleaned, of 64 MiB each, and what
/// stays resident of the others (up to 256 KiB each).
const MAX_GROWTH_BYTES: u64 = 704 << 20;

macro_rules! sections {
    ($($test:ident: $heading:literal,)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
            async fn $test() {
                for row in rows().iter().filter(|row| row.section == $heading && !row.is_refused()) {
                    drain_beside_a_good_one(row).await;
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

async fn drain_beside_a_good_one(row: &Row) {
    let house = animal::install(House::builder(), row).plugin("prints", "prints").build();
    for n in 0..SESSIONS {
        let session = animal::session(&house, row, &format!("s{n}"));
        house.runtime.start_session(StartRequest::new(session)).await.expect("it is accepted");
    }
    house.runtime.settled().await;
    let before = resident_bytes();
    let began = Instant::now();
    let report = house.drain().await;
    let took = began.elapsed();
    let growth = resident_bytes().saturating_sub(before);
    let what = format!("{} {:?}", row.guest, row.server);

    assert!(took <= report.budget + SLACK, "{what}: {took:?}");
    let ends = house.printed("prints").iter().filter(|line| line.starts_with("session-end")).count();
    assert_eq!(ends, SESSIONS as usize, "{what}: what the good one printed itself");
    for plugin in &report.plugins {
        assert_eq!(plugin.delivered + plugin.failed + plugin.deferred, u64::from(SESSIONS), "{what}: {plugin:?}");
    }
    for seen in house.outcomes_of(row.guest, Hook::SessionEnd) {
        let is_deferred = matches!(seen.outcome, Outcome::Deferred(_));
        // Of a guest that runs its deadline counts the time in which others have the processor, and one that waits for a server
        // has so long for all its waits. (`alone` says what each is told when nothing else goes on.)
        let waits_for_a_server = row.section == "Abuses HTTP";
        let is_late = || {
            seen.outcome.to_string() == "failed(deadline)"
                && (waits_for_a_server || machine::slowdown() > MOST_SLOWDOWN)
        };
        let is_the_rows = row.outcomes.contains(&seen.outcome.to_string().as_str());
        assert!(is_deferred || is_the_rows || is_late(), "{what}: {:?}", seen.outcome);
    }
    assert!(growth <= MAX_GROWTH_BYTES, "{what}: {growth} bytes");
    drop(house);
    until_no_slot_is_taken(&what).await;

    let next = House::with(&["good"]);
    next.end("next", lastword::events::EndReason::Reset).await.expect("it is accepted");
    let seen = next.seen(|_| true).await.expect("an outcome");
    assert_eq!(seen.outcome, Outcome::Delivered, "{what}: the next call");
}

/// Workers drop what they hold; none of it may stay.
async fn until_no_slot_is_taken(what: &str) {
    let free = async {
        while House::sandbox().slots_in_use() != Some(0) {
            tokio::task::yield_now().await;
        }
    };
    let in_time = tokio::time::timeout(Duration::from_secs(10), free).await;
    assert!(in_time.is_ok(), "{what}: {:?} slots are still taken", House::sandbox().slots_in_use());
}

fn resident_bytes() -> u64 {
    const PAGE_BYTES: u64 = 4096;
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or_default() * PAGE_BYTES
}
