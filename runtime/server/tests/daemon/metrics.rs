//! What a scrape shows, however much is made up.

use std::collections::BTreeMap;

use http::Method;
use lastword::events::{Hook, HookCall, Outcome, PluginName};
use lastword::{Plugin, Tenants};
use serde_json::json;

use crate::support::{Build, Client};
use lastword_server::limits::{MAX_KIND_LABELS, MAX_TENANT_LABELS};

const PLUGINS: usize = 200;
const KINDS: usize = 1_000;
/// Some more than have a label of their own.
const TENANTS: usize = MAX_TENANT_LABELS + 100;
/// `ready`, `running`, `waiting`, `dead` and `orphaned`.
const STATES: usize = 5;

/// How many series there are of each metric.
async fn series(client: &mut Client) -> BTreeMap<String, usize> {
    let scraped = client.get("/metrics").await;
    assert_eq!(scraped.status, 200);
    let mut series = BTreeMap::new();
    for line in scraped.text().lines().filter(|line| !line.starts_with('#')) {
        let name = line.split(['{', ' ']).next().unwrap_or_default();
        *series.entry(name.to_owned()).or_insert(0) += 1;
    }
    series
}

/// Ends a session of each tenant, and waits for what comes of it.
async fn end(client: &mut Client, tenants: impl Iterator<Item = String>, deliveries: usize) {
    let line = |tenant: String| json!({"op": "end", "session": {"id": "s", "tenant": tenant}, "reason": "reset"});
    let lines: String = tenants.map(|tenant| format!("{}\n", line(tenant))).collect();
    let answers = client.post("/v1/events?wait=delivered", &lines).await.text();
    assert_eq!(answers.matches(r#""state":"delivered""#).count(), deliveries, "{answers}");
}

/// Makes up owners with a kind each, tenants, paths and methods.
async fn make_up(client: &mut Client, word: &str) {
    for n in 0..KINDS {
        let body = json!({"kind": format!("{word}-{n}"), "lease": "1h"}).to_string();
        client.put(&format!("/v1/owners/{word}-{n}"), &body).await.ok();
    }
    end(client, (0..TENANTS).map(|n| format!("{word}-{n}")), TENANTS).await;
    for n in 0..100 {
        client.get(&format!("/{word}/{n}")).await.problem(404);
        let method = Method::from_bytes(format!("{word}{n}").to_uppercase().as_bytes()).unwrap();
        client.ask(method, "/v1/sessions", "", &[]).await.problem(405);
    }
}

#[tokio::test]
async fn tenants_kinds_paths_and_methods_that_are_made_up_add_no_series_without_end() {
    let daemon = Build { with_tenants: true, ..Build::default() }.start();
    for n in 0..PLUGINS {
        let name = PluginName::new(&format!("plugin-{n}")).unwrap();
        let answers = |_call: &HookCall| Outcome::Delivered;
        let plugin = Plugin::native(name, [Hook::SessionEnd].into_iter().collect(), answers).unwrap();
        daemon.runtime.install(plugin, Tenants::Only(vec!["many".into()])).unwrap();
    }
    let mut client = daemon.client().await;
    // The others have one plugin each, which all tenants have.
    end(&mut client, ["many".to_owned()].into_iter(), PLUGINS + 1).await;
    // A scrape is counted as well, when it was answered.
    series(&mut client).await;
    make_up(&mut client, "one").await;
    let first = series(&mut client).await;
    assert_eq!(first["lastword_tenant_calls_total"], MAX_TENANT_LABELS + 1);
    for by_kind in ["lastword_owners", "lastword_owner_sessions"] {
        assert_eq!(first[by_kind], MAX_KIND_LABELS + 1, "{by_kind}");
    }
    assert_eq!(first["lastword_calls_total"], PLUGINS + 1, "a plugin, how its calls ended, and no tenant");
    assert_eq!(first["lastword_deliveries"], STATES * (PLUGINS + 1));
    make_up(&mut client, "two").await;
    assert_eq!(series(&mut client).await, first, "as many others are no series more");
}
