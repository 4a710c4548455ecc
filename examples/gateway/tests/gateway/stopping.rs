//! What a signal ends.

use rustix::process::Signal;
use serde_json::Value;

use crate::support::{Home, for_each, until};

const SESSIONS: u32 = 2_000;

/// What a drain did of one plugin: delivered, and not.
fn of_plugin(report: &Value, plugin: &str) -> (u64, u64) {
    let lines = report["plugins"].as_array().unwrap();
    let line = lines.iter().find(|line| line["plugin"] == plugin).unwrap_or_else(|| panic!("no {plugin} in {report}"));
    let count = |field: &str| line[field].as_u64().unwrap();
    (count("delivered"), count("failed") + count("deferred"))
}

#[test]
fn after_sigterm_with_2000_sessions_every_end_is_delivered_or_owed_and_none_is_lost_at_the_next_start() {
    let all = u64::from(SESSIONS);
    let home = Home::of_tenant("acme");
    home.put("memory", "good");
    home.put("spin", "spin");
    let gateway = home.start();
    for_each(0..SESSIONS, gateway.owners(), |client, number| {
        client.post(&format!("/tenants/acme/sessions/s{number}")).is(201);
    });
    let report = gateway.stop();
    assert_eq!((report["reason"].as_str(), report["sessions"].as_u64()), (Some("shutdown"), Some(all)));
    // On a machine that is busy the budget may end before the work does.
    let (delivered, owed) = of_plugin(&report, "memory");
    assert_eq!(delivered + owed, all);
    assert_eq!(of_plugin(&report, "spin"), (0, all));

    // A mended plugin under that name gets every one of them, and the other only what it does not have.
    home.put("spin", "good");
    let gateway = home.start();
    gateway.until("what was owed is delivered", |scrape| scrape.delivered_ends("spin") >= all && scrape.owed() == 0);
    let scrape = gateway.scrape();
    assert_eq!((scrape.delivered_ends("spin"), scrape.delivered_ends("memory")), (all, owed));
    let report = gateway.stop();
    assert_eq!((report["sessions"].as_u64(), report["delivered"].as_u64()), (Some(0), Some(0)));
}

#[test]
fn a_gateway_that_is_interrupted_in_a_terminal_drains_as_well() {
    let home = Home::of_tenant("acme");
    home.put("memory", "prints");
    let gateway = home.start();
    gateway.owners().post("/tenants/acme/sessions/s1").is(201);
    gateway.signal(Signal::INT);
    until("the plugin has printed the end", || {
        let log = gateway.log();
        if log.contains("session-end s1 attempt=1") { Ok(()) } else { Err(log) }
    });
}
