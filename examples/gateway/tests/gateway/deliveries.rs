//! Deliveries that were given up: operators see them, and decide.

use serde_json::{Value, json};

use crate::support::{Home, Program};

/// Ends a session, and gives the id of what its plugin is owed.
fn end(gateway: &Program, tenant: &str, id: &str) -> String {
    let ended = gateway.owners().delete(&format!("/tenants/{tenant}/sessions/{id}")).is(200);
    ended["deliveries"][0].as_str().unwrap().to_owned()
}

fn rows(page: &Value) -> Vec<&str> {
    page["deliveries"].as_array().unwrap().iter().map(|row| row["delivery"].as_str().unwrap()).collect()
}

#[test]
fn dead_ones_are_listed_and_redelivered_once_the_plugin_is_mended() {
    let home = Home::of_tenant("acme");
    std::fs::create_dir(home.path("plugins").join("globex")).unwrap();
    home.put("memory", "fatal");
    let gateway = home.start();
    let operators = gateway.operators();
    let ids = ["s1", "s2", "s3"].map(|id| end(&gateway, "acme", id));
    let other = end(&gateway, "globex", "s1");
    for id in ids.iter().chain([&other]) {
        let known = operators.get(&format!("/deliveries/{id}?wait=20")).is(200);
        assert_eq!((&known["state"], &known["cause"]), (&json!("dead"), &json!("fatal")), "{known}");
    }

    let first = operators.get("/deliveries?state=dead&tenant=acme&plugin=memory&limit=2").is(200);
    let after = first["next"].as_str().unwrap();
    let second = operators.get(&format!("/deliveries?state=dead&tenant=acme&limit=2&after={after}")).is(200);
    assert_eq!([rows(&first), rows(&second)].concat(), ids);
    assert_eq!(gateway.scrape().sum("lastword_deliveries", &[("state", "dead")]), 4);

    operators.put_guest("/plugins/memory", "good").is(200);
    let again = operators.post_json("/deliveries/redeliver", &json!({"ids": [ids[0], ids[1]]})).is(200);
    assert_eq!(again, json!([{"id": ids[0], "changed": "done"}, {"id": ids[1], "changed": "done"}]));
    for id in &ids[..2] {
        let known = operators.get(&format!("/deliveries/{id}?wait=20")).is(200);
        assert!(known["state"] == "delivered" || known["state"] == "not_owed", "{known}");
    }
    let forgotten = operators.post_json("/deliveries/forget", &json!({"ids": [ids[2]]})).is(200);
    assert_eq!(forgotten, json!([{"id": ids[2], "changed": "done"}]));
    assert_eq!(rows(&operators.get("/deliveries").is(200)), [&other]);
    assert_eq!(gateway.scrape().delivered_ends("memory"), 2);
}

#[test]
fn who_waits_for_what_is_owed_still_is_told_so() {
    let home = Home::of_tenant("acme");
    home.put("memory", "retry");
    let gateway = home.start();
    let id = end(&gateway, "acme", "s1");
    let known = gateway.operators().get(&format!("/deliveries/{id}")).is(202);
    assert_eq!(known, json!({"state": "owed"}));
}
