//! Plugins that change while sessions go on.

use std::thread;

use serde_json::{Value, json};

use crate::support::{Home, for_each};

/// Sessions that come and go while a plugin is replaced.
const SESSIONS: u32 = 2_000;

#[test]
fn a_plugin_is_replaced_under_load_and_nothing_is_lost_and_no_attempt_counted() {
    let home = Home::of_tenant("acme");
    let gateway = home.start();
    // They differ in how long they take. Each is compiled before the load, so that many are installed under it.
    let versions: Vec<_> = (1..=4).map(|version| lastword_test_guests::burn(version * 10_000)).collect();
    for version in &versions {
        assert!(gateway.operators().put("/plugins/memory", version.clone()).status < 300);
    }

    let replaced = thread::scope(|scope| {
        let load = scope.spawn(|| {
            for_each(0..SESSIONS, gateway.owners(), |client, number| {
                client.post(&format!("/tenants/acme/sessions/s{number}")).is(201);
                client.delete(&format!("/tenants/acme/sessions/s{number}?reason=completed")).is(200);
            });
        });
        let mut replaced = 0;
        for version in versions.iter().cycle().take_while(|_| !load.is_finished()) {
            gateway.operators().put("/plugins/memory", version.clone()).is(200);
            replaced += 1;
        }
        replaced
    });

    gateway.until("nothing is owed", |scrape| scrape.owed() == 0);
    let scrape = gateway.scrape();
    assert!(replaced > versions.len(), "{replaced} replacements are too few to be under load");
    assert_eq!(scrape.delivered_ends("memory"), u64::from(SESSIONS));
    assert_eq!(scrape.sum("lastword_outcomes_total", &[("outcome", "failed")]), 0);
    assert_eq!(scrape.sum("lastword_repeated_calls_total", &[]), 0);
    let left = gateway.operators().get("/deliveries").is(200);
    assert_eq!(left["deliveries"], json!([]));
}

#[test]
fn what_was_put_is_installed_at_the_next_start_and_what_was_removed_is_not() {
    let home = Home::new();
    let gateway = home.start();
    let operators = gateway.operators();
    operators.put("/tenants/acme", "").is(201);
    operators.put_guest("/plugins/memory", "good").is(201);
    operators.put_guest("/plugins/memory", "good-all").is(200);
    operators.put_guest("/plugins/audit", "good").is(201);
    operators.put_guest("/tenants/acme/plugins/notes", "good").is(201);
    operators.delete("/plugins/audit").is(200);
    let before = installed(&operators.get("/plugins").is(200));
    gateway.stop();

    let gateway = home.start();
    let after = installed(&gateway.operators().get("/plugins").is(200));
    assert_eq!(after, before);
    assert_eq!(after.iter().map(|plugin| &*plugin.0).collect::<Vec<_>>(), ["acme/notes", "memory"]);
    gateway.owners().post("/tenants/acme/sessions/s1").is(201);
}

#[test]
fn a_component_that_does_not_fit_is_refused_and_the_plugin_stays_as_it_was() {
    let home = Home::of_tenant("acme");
    let gateway = home.start();
    let operators = gateway.operators();
    operators.put_guest("/plugins/memory", "good").is(201);
    let before = operators.get("/plugins").is(200);
    for component in [b"no component".to_vec(), lastword_test_guests::component("no-session-end")] {
        let refused = operators.put("/plugins/memory", component).is(422);
        assert_eq!(refused["code"], "bad_component");
    }
    // A name is one plugin's for each tenant.
    assert_eq!(operators.put_guest("/tenants/acme/plugins/memory", "good").is(409)["code"], "same_plugin_name");
    assert_eq!(operators.get("/plugins").is(200), before);
}

#[test]
fn what_a_removed_plugin_was_owed_is_kept_for_its_return_or_dropped() {
    let home = Home::of_tenant("acme");
    let gateway = home.start();
    let (owners, operators) = (gateway.owners(), gateway.operators());
    operators.put_guest("/plugins/memory", "retry").is(201);
    let end = |id: &str| {
        let ended = owners.delete(&format!("/tenants/acme/sessions/{id}")).is(200);
        ended["deliveries"][0].as_str().unwrap().to_owned()
    };
    let delivery = end("s1");
    assert_eq!(operators.delete("/plugins/memory?owed=orphaned").is(200), json!({"owed": 1}));
    let orphaned = operators.get("/deliveries?state=orphaned&plugin=memory").is(200);
    assert_eq!(orphaned["deliveries"][0]["delivery"], *delivery);
    operators.put_guest("/plugins/memory", "good").is(201);
    let known = operators.get(&format!("/deliveries/{delivery}?wait=20")).is(200);
    assert!(known["state"] == "delivered" || known["state"] == "not_owed", "{known}");

    operators.put_guest("/plugins/memory", "retry").is(200);
    end("s2");
    assert_eq!(operators.delete("/plugins/memory?owed=dropped").is(200), json!({"owed": 1}));
    assert_eq!(operators.get("/deliveries").is(200)["deliveries"], json!([]));
}

/// Names and sums, by name.
fn installed(list: &Value) -> Vec<(String, String)> {
    let text = |plugin: &Value, field: &str| plugin[field].as_str().unwrap().to_owned();
    let mut plugins: Vec<_> =
        list.as_array().unwrap().iter().map(|one| (text(one, "plugin"), text(one, "sha256"))).collect();
    plugins.sort();
    plugins
}
