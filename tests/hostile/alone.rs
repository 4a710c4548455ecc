//! Each guest alone, with default limits: the outcome is the one of the page.

use lastword::events::{EndReason, Hook, PluginName};
use lastword::{EndRequest, Limits, Source};
use lastword_harness::Harness;

use crate::guest;
use crate::table::rows;

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn every_guest_ends_as_the_page_says() {
    let mut wrong = Vec::new();
    for row in rows() {
        if row.is_refused() {
            let name = PluginName::new(row.guest).expect("a guest's name");
            let source = Source::Bytes(lastword_test_guests::component(row.guest));
            let loaded = Harness::sandbox().load_with(name, &source, Limits::default(), guest::grants(&row));
            if loaded.is_ok() {
                wrong.push(format!("{}: loaded, and should be refused", row.guest));
            }
            continue;
        }
        let harness = guest::install(Harness::builder(), &row).build();
        let session = guest::session(&harness, &row, "s1");
        harness.runtime.end_session(EndRequest::new(session, EndReason::Reset)).await.expect("it is accepted");
        harness.first_outcome(|seen| seen.hook == Hook::SessionEnd).await;
        let outcomes = harness.outcomes_of(row.guest, Hook::SessionEnd);
        let first = outcomes.first().map(|seen| seen.outcome.clone());
        if !first.as_ref().is_some_and(|outcome| row.outcomes.contains(&outcome.to_string().as_str())) {
            wrong.push(format!("{} {:?}: {first:?} and not {:?}", row.guest, row.server, row.outcomes));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(Harness::sandbox().slots_in_use(), Some(0));
}
