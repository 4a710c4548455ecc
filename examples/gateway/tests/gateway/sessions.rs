//! Sessions over HTTP: they start, end, begin anew, and mistakes are told.

use serde_json::json;

use crate::support::Home;

#[test]
fn a_session_is_opened_reset_and_closed_and_its_plugin_hears_of_each_end() {
    let home = Home::of_tenant("acme");
    home.put("memory", "good-all");
    let gateway = home.start();
    let owners = gateway.owners();

    let opened =
        owners.post_json("/tenants/acme/sessions/s1", &json!({"agent_id": "main", "source": "startup"})).is(201);
    assert_eq!((&opened["how"], &opened["generation"]), (&json!("registered"), &json!(1)));
    let again = owners.post("/tenants/acme/sessions/s1").is(200);
    assert_eq!(again["how"], "updated");
    let reset = owners.post("/tenants/acme/sessions/s1/reset").is(200);
    assert_eq!((&reset["ended"]["generation"], &reset["started"]["generation"]), (&json!(1), &json!(2)));
    let moved = owners.post_json("/tenants/acme/sessions/s1/reset", &json!({"next": "s2"})).is(200);
    assert_eq!((&moved["ended"]["id"], &moved["started"]["id"]), (&json!("s1"), &json!("s2")));

    let list = owners.get("/tenants/acme/sessions").is(200);
    assert_eq!(list["sessions"].as_array().unwrap().len(), 1);
    assert_eq!(list["sessions"][0]["id"], "s2");
    let closed = owners.delete("/tenants/acme/sessions/s2?reason=user-exit").is(200);
    let delivery = closed["deliveries"][0].as_str().unwrap();
    let known = gateway.operators().get(&format!("/deliveries/{delivery}?wait=20")).is(200);
    assert!(known["state"] == "delivered" || known["state"] == "not_owed", "{known}");

    let list = owners.get("/tenants/acme/sessions").is(200);
    assert_eq!(list, json!({"sessions": [], "next": null}));
    gateway.until("every end is delivered", |scrape| scrape.delivered_ends("memory") == 3);
    assert_eq!(gateway.scrape().sum("lastword_sessions", &[]), 0);
}

#[test]
fn sessions_are_listed_by_the_page_and_of_one_tenant() {
    let home = Home::of_tenant("acme");
    std::fs::create_dir(home.path("plugins").join("globex")).unwrap();
    let gateway = home.start();
    let owners = gateway.owners();
    for id in ["s1", "s2", "s3"] {
        owners.post(&format!("/tenants/acme/sessions/{id}")).is(201);
        owners.post(&format!("/tenants/globex/sessions/{id}")).is(201);
    }
    let first = owners.get("/tenants/acme/sessions?limit=2").is(200);
    let second = owners.get(&format!("/tenants/acme/sessions?limit=2&after={}", first["next"])).is(200);
    let pages = [first, second].map(|page| page["sessions"].as_array().unwrap().clone());
    let seen: Vec<_> =
        pages.concat().iter().map(|session| (session["tenant"].clone(), session["id"].clone())).collect();
    assert_eq!(seen, ["s1", "s2", "s3"].map(|id| (json!("acme"), json!(id))));
}

#[test]
fn a_request_that_is_sent_again_with_its_key_changes_nothing() {
    let home = Home::of_tenant("acme");
    home.put("memory", "good");
    let gateway = home.start();
    let send = |method: &str, path: &str, key: &str| {
        let body = (method == "POST").then(Vec::new);
        gateway.owners().send(method, path, &[("idempotency-key", key)], body).unwrap()
    };
    send("POST", "/tenants/acme/sessions/s1", "k1").is(201);
    assert_eq!(send("POST", "/tenants/acme/sessions/s1", "k1").is(200)["how"], "duplicate_op");
    let reset = send("POST", "/tenants/acme/sessions/s1/reset", "k2").is(200);
    let again = send("POST", "/tenants/acme/sessions/s1/reset", "k2").is(200);
    assert_eq!(again["ended"]["how"], "duplicate_op");
    assert_eq!(again["started"]["generation"], reset["started"]["generation"]);
    send("DELETE", "/tenants/acme/sessions/s1", "k3").is(200);
    assert_eq!(send("DELETE", "/tenants/acme/sessions/s1", "k3").is(200)["how"], "duplicate_op");
    gateway.until("both ends are delivered", |scrape| scrape.owed() == 0 && scrape.delivered_ends("memory") >= 2);
    assert_eq!(gateway.scrape().delivered_ends("memory"), 2);
}

#[test]
fn a_mistake_is_answered_with_its_status_and_names_what_is_wrong() {
    let home = Home::of_tenant("acme");
    let gateway = home.start();
    let (owners, operators) = (gateway.owners(), gateway.operators());

    let control = owners.post("/tenants/acme/sessions/a%0Ab").is(400);
    assert_eq!((&control["code"], &control["field"]), (&json!("bad_id"), &json!("session.id")));
    let long = owners.send("POST", "/tenants/acme/sessions/s1", &[("idempotency-key", &"k".repeat(257))], Some(vec![]));
    assert_eq!(long.unwrap().is(400)["field"], "op_id");
    assert_eq!(owners.post("/tenants/nobody/sessions/s1").is(404)["code"], "unknown_tenant");
    let misspelt = owners.post_json("/tenants/acme/sessions/s1", &json!({"agentid": "main"})).is(422);
    assert!(misspelt["message"].as_str().unwrap().contains("agentid"), "{misspelt}");

    assert_eq!(operators.put_guest("/plugins/Memory", "good").is(400)["field"], "name");
    assert_eq!(operators.put_guest("/tenants/nobody/plugins/memory", "good").is(404)["code"], "unknown_tenant");
    assert_eq!(operators.put("/tenants/a%2Fb", "").is(400)["field"], "tenant");
    assert_eq!(operators.delete("/plugins/memory").is(404)["code"], "not_installed");
    assert_eq!(operators.get("/deliveries?state=lost").is(400)["code"], "bad_query");
    assert_eq!(operators.get("/deliveries/17").is(400)["field"], "id");
    assert_eq!(operators.put_json("/tenants/acme/quota", &json!({"sessions": 1})).is(422)["code"], "bad_body");
}

#[test]
fn what_operators_do_is_not_there_on_the_owners_address() {
    let home = Home::of_tenant("acme");
    let gateway = home.start();
    for path in ["/plugins", "/deliveries", "/metrics"] {
        assert_eq!(gateway.owners().get(path).status, 404, "{path}");
        assert_eq!(gateway.operators().get(path).status, 200, "{path}");
    }
    assert_eq!(gateway.owners().put_guest("/tenants/acme/plugins/memory", "good").status, 404);
    // The gateway has not read that body, and closes the connection.
    assert_eq!(gateway.owners().another().delete("/tenants/acme").status, 404);
}
