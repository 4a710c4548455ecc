//! An operator edits the folder, and sends SIGHUP.

use std::fs;

use rustix::process::Signal;
use serde_json::Value;

use crate::support::{Home, Program, until};

/// Waits until the installed plugins are these, by name, each with so many hooks.
fn until_installed(gateway: &Program, expected: &[(&str, usize)]) {
    until(&format!("{expected:?} are installed"), || {
        let list = gateway.operators().get("/plugins").is(200);
        let of =
            |plugin: &Value| (plugin["plugin"].as_str().unwrap().to_owned(), plugin["hooks"].as_array().unwrap().len());
        let mut found: Vec<_> = list.as_array().unwrap().iter().map(of).collect();
        found.sort();
        let is_so = found.iter().map(|(name, hooks)| (&**name, *hooks)).eq(expected.iter().copied());
        if is_so { Ok(()) } else { Err(list) }
    });
}

#[test]
fn after_sighup_plugins_and_tenants_are_those_of_the_folder_and_one_that_is_broken_stays_as_it_was() {
    let home = Home::of_tenant("acme");
    home.put("memory", "good");
    home.put("audit", "good");
    home.put("steady", "good");
    let gateway = home.start();
    let owners = gateway.owners();
    owners.post("/tenants/acme/sessions/s1").is(201);

    home.put("memory", "good-all");
    fs::remove_file(home.plugin("audit")).unwrap();
    fs::write(home.plugin("steady"), "no component").unwrap();
    fs::create_dir(home.path("plugins").join("globex")).unwrap();
    home.put("globex/audit", "good");
    fs::write(home.path("plugins").join("globex").join("quota.json"), r#"{"active_sessions": 1}"#).unwrap();
    gateway.signal(Signal::HUP);
    until_installed(&gateway, &[("globex/audit", 1), ("memory", 3), ("steady", 1)]);
    owners.post("/tenants/globex/sessions/s1").is(201);
    owners.post("/tenants/globex/sessions/s2").is(429);

    // What sessions there were go on.
    owners.delete("/tenants/acme/sessions/s1").is(200);
    gateway.until("both plugins of the tenant have the end", |scrape| {
        scrape.delivered_ends("memory") == 1 && scrape.delivered_ends("steady") == 1
    });

    fs::remove_dir_all(home.path("plugins").join("globex")).unwrap();
    gateway.signal(Signal::HUP);
    until_installed(&gateway, &[("memory", 3), ("steady", 1)]);
    until("the tenant is gone", || {
        let answer = owners.post("/tenants/globex/sessions/s3");
        if answer.status == 404 { Ok(()) } else { Err(answer.status) }
    });
}
