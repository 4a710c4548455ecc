//! Tenants that come and go while the others stay.

use serde_json::json;

use crate::support::Home;

#[test]
fn a_tenant_is_added_and_removed_with_its_last_words_while_another_goes_on() {
    let home = Home::new();
    let gateway = home.start();
    let (owners, operators) = (gateway.owners(), gateway.operators());
    for tenant in ["acme", "globex"] {
        operators.put(&format!("/tenants/{tenant}"), "").is(201);
        operators.put(&format!("/tenants/{tenant}"), "").is(200);
        operators.put_guest(&format!("/tenants/{tenant}/plugins/notes"), "prints").is(201);
        for session in ["s1", "s2"] {
            owners.post(&format!("/tenants/{tenant}/sessions/{tenant}-{session}")).is(201);
        }
    }

    let removed = operators.delete("/tenants/acme?owed=dropped").is(200);
    assert_eq!(removed, json!({"sessions": 2, "owed": 0}));
    let log = gateway.log();
    for session in ["acme-s1", "acme-s2"] {
        assert!(log.contains(&format!("session-end {session} attempt=1")), "no end of {session} in {log}");
    }
    assert_eq!(owners.post("/tenants/acme/sessions/s3").is(404)["code"], "unknown_tenant");
    assert_eq!(operators.delete("/tenants/acme").is(404)["code"], "unknown_tenant");
    assert!(!home.path("plugins").join("acme").exists());

    let plugins = operators.get("/plugins").is(200);
    assert_eq!((plugins.as_array().unwrap().len(), &plugins[0]["plugin"]), (1, &json!("globex/notes")));
    assert_eq!(owners.get("/tenants/globex/sessions").is(200)["sessions"].as_array().unwrap().len(), 2);
    assert!(!log.contains("session-end globex"), "{log}");

    // It may come back, with another plugin of that name.
    operators.put("/tenants/acme", "").is(201);
    operators.put_guest("/tenants/acme/plugins/notes", "good").is(201);
    owners.post("/tenants/acme/sessions/s3").is(201);
}

#[test]
fn what_a_removed_tenants_plugins_were_owed_is_kept_or_dropped_as_asked() {
    let home = Home::new();
    let gateway = home.start();
    let (owners, operators) = (gateway.owners(), gateway.operators());
    let fill = || {
        operators.put("/tenants/acme", "").is(201);
        operators.put_guest("/tenants/acme/plugins/notes", "retry").is(201);
        owners.delete("/tenants/acme/sessions/s1").is(200);
    };
    fill();
    assert_eq!(operators.delete("/tenants/acme").is(200)["owed"], 1);
    let kept = operators.get("/deliveries?tenant=acme&state=orphaned").is(200);
    assert_eq!(kept["deliveries"].as_array().unwrap().len(), 1);

    fill();
    operators.delete("/tenants/acme?owed=dropped").is(200);
    assert_eq!(operators.get("/deliveries?tenant=acme").is(200)["deliveries"], json!([]));
}

#[test]
fn a_quota_counts_from_the_next_start_of_a_session_and_outlives_a_restart() {
    let home = Home::of_tenant("acme");
    let gateway = home.start();
    gateway.owners().post("/tenants/acme/sessions/s1").is(201);
    gateway.operators().put_json("/tenants/acme/quota", &json!({"active_sessions": 1})).is(204);
    let refused = gateway.owners().post("/tenants/acme/sessions/s2");
    assert_eq!(refused.is(429)["quota"], "active-sessions");
    assert!(refused.retry_after.is_some());
    gateway.stop();

    let gateway = home.start();
    gateway.owners().post("/tenants/acme/sessions/s1").is(201);
    gateway.owners().post("/tenants/acme/sessions/s2").is(429);
    gateway.operators().delete("/tenants/acme/quota").is(204);
    gateway.owners().post("/tenants/acme/sessions/s2").is(201);
    assert!(!home.path("plugins").join("acme").join("quota.json").exists());
}
