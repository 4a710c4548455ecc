//! What probes see.

use crate::support::Home;

#[test]
fn a_gateway_that_can_write_is_ready_on_both_addresses() {
    let home = Home::new();
    let gateway = home.start();
    for client in [gateway.owners(), gateway.operators()] {
        client.get("/healthz").is(204);
        assert!(client.get("/readyz").is(200)["journal_ms"].as_f64().unwrap() >= 0.0);
    }
}

/// Disks are broken with a library for `LD_PRELOAD`.
#[cfg(target_os = "linux")]
mod of_a_full_disk {
    use std::fs;

    use lastword_faults::{Fault, Kind};
    use serde_json::json;

    use crate::support::{Home, Program, until};

    fn until_ready(gateway: &Program, status: u16) {
        until(&format!("readyz is {status}"), || {
            let answer = gateway.owners().get("/readyz");
            if answer.status == status { Ok(()) } else { Err(format!("{} {}", answer.status, answer.text)) }
        });
    }

    #[test]
    fn it_is_seen_by_readyz_and_sessions_are_refused_and_taken_when_there_is_room() {
        let home = Home::of_tenant("acme");
        home.put("memory", "good");
        // There is room while there is this file.
        let room = home.path("room");
        fs::write(&room, "").unwrap();
        let fault = Fault::at(1, Kind::FullFrom, "sessions.db").until(&room);
        let gateway = home.start_with(|command| fault.apply(command));
        let owners = gateway.owners();
        owners.post("/tenants/acme/sessions/s1").is(201);
        until_ready(&gateway, 200);

        fs::remove_file(&room).unwrap();
        until_ready(&gateway, 503);
        let unready = owners.get("/readyz");
        assert_eq!((unready.is(503)["code"].clone(), unready.retry_after.is_some()), (json!("journal"), true));
        for answer in [owners.post("/tenants/acme/sessions/s2"), owners.delete("/tenants/acme/sessions/s1")] {
            let refused = answer.is(507);
            assert_eq!(refused["code"], "journal");
            assert!(refused["message"].as_str().unwrap().contains("full"), "{refused}");
        }
        // A restart would not help.
        owners.get("/healthz").is(204);
        let scrape = gateway.scrape();
        assert_eq!(scrape.sum("lastword_refusals_total", &[("code", "journal")]), 2);
        assert_ne!(scrape.sum("lastword_commits_total", &[("result", "error")]), 0);

        fs::write(&room, "").unwrap();
        until_ready(&gateway, 200);
        owners.post("/tenants/acme/sessions/s2").is(201);
        owners.delete("/tenants/acme/sessions/s1").is(200);
        gateway.until("the end is delivered", |scrape| scrape.delivered_ends("memory") == 1);
    }
}
