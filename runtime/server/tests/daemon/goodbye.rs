//! Owners that go while the disk hangs.

use std::sync::Arc;
use std::time::Duration;

use lastword::testing::FaultyJournal;

use crate::support::{Build, Daemon, GRACE, start_body};

/// The daemon's budget for an owner's drain.
const BUDGET: Duration = lastword_server::limits::DEFAULT_OWNER_DRAIN;

fn start() -> (Daemon, Arc<FaultyJournal>) {
    let journal = Arc::new(FaultyJournal::in_memory());
    (Build { journal: journal.clone(), ..Build::default() }.start(), journal)
}

#[tokio::test]
async fn a_goodbye_keeps_its_budget_when_the_disk_hangs_and_the_ends_are_written_later() {
    let (mut daemon, journal) = start();
    let mut client = daemon.client().await;
    client.put("/v1/owners/o", r#"{"lease":"30s"}"#).await.ok();
    client.post("/v1/sessions?owner=o", &start_body("a")).await.ok();
    journal.hold_appends();
    let over = async {
        journal.until_held(1).await;
        daemon.clock.advance(BUDGET);
    };
    let (report, ()) = tokio::join!(client.delete("/v1/owners/o?reason=restart"), over);
    let report = report.ok();
    assert_eq!((&report["sessions"], &report["refused"]), (&0.into(), &1.into()), "{report}");
    assert_eq!((&report["timed_out"], &report["elapsed_ms"]), (&true.into(), &2000.into()), "{report}");
    journal.commit().await;
    let end = daemon.next_end().await;
    assert_eq!((end.session.as_str(), end.reason.as_str()), ("a", "restart"));
}

#[tokio::test]
async fn a_start_that_is_written_after_its_owner_was_forgotten_ends_at_once() {
    let (mut daemon, journal) = start();
    let mut client = daemon.client().await;
    client.put("/v1/owners/o", r#"{"lease":"5s"}"#).await.ok();
    journal.hold_appends();
    let body = start_body("a");
    let forgotten = async {
        journal.until_held(1).await;
        daemon.clock.advance(Duration::from_secs(5));
        daemon.lost(1).await;
        daemon.clock.advance(GRACE);
        while daemon.server.status().owners_in_grace > 0 {
            tokio::task::yield_now().await;
        }
        journal.commit().await;
    };
    let (started, ()) = tokio::join!(client.post("/v1/sessions?owner=o", &body), forgotten);
    started.ok();
    let end = daemon.next_end().await;
    assert_eq!((end.session.as_str(), end.reason.as_str()), ("a", "unknown"));
}
