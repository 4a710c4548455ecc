//! Tenants' walls: what two tokens see and touch, on every route.

use http::Method;
use lastword::events::PluginName;
use serde_json::json;

use crate::support::{Build, Client, Daemon, start_body, tokens};
use lastword_server::{NewToken, Role, Token};

/// A daemon with sessions of two tenants, and the token of one of them in the role.
async fn with_two_tenants(role: Role) -> (Daemon, Client) {
    let (store, texts) = tokens(&[("a", role, Some("a")), ("b", Role::Operator, Some("b"))]);
    let daemon = Build { tokens: store, ..Build::default() }.start();
    let address = daemon.listen().await;
    let mut of_b = Client::tcp(address, Some(&texts[1])).await;
    of_b.put("/v1/owners/owner-of-b", r#"{"lease":"1h"}"#).await.ok();
    of_b.post("/v1/sessions?owner=owner-of-b", &start_body("of-b")).await.ok();
    let of_a = Client::tcp(address, Some(&texts[0])).await;
    (daemon, of_a)
}

#[tokio::test]
async fn a_token_of_one_tenant_neither_sees_nor_touches_anything_of_another_and_learns_of_nothing() {
    let (daemon, mut a) = with_two_tenants(Role::Operator).await;
    let in_b = r#"{"session":{"id":"of-b","tenant":"b"}}"#;
    // Of a tenant that is there and of one that is not, the answers are the same.
    for tenant in ["b", "nobody"] {
        let query = format!("tenant={tenant}");
        let other = in_b.replace("\"b\"", &format!("\"{tenant}\""));
        let requests = [
            (Method::PUT, format!("/v1/owners/owner-of-b?{query}"), r#"{"lease":"1h"}"#.to_owned()),
            (Method::DELETE, format!("/v1/owners/owner-of-b?{query}"), String::new()),
            (Method::POST, "/v1/sessions".to_owned(), other.clone()),
            (Method::POST, format!("/v1/sessions?{query}"), start_body("new")),
            (Method::POST, format!("/v1/sessions/of-b/end?{query}"), "{}".to_owned()),
            (Method::POST, "/v1/sessions/of-b/end".to_owned(), other.clone()),
            (Method::POST, format!("/v1/sessions/of-b/compaction?{query}"), r#"{"phase":"after"}"#.to_owned()),
            (Method::POST, format!("/v1/sessions/of-b/turn?{query}"), r#"{"phase":"begin"}"#.to_owned()),
            (
                Method::POST,
                format!("/v1/hooks/claude-code?{query}"),
                r#"{"hook_event_name":"SessionEnd","session_id":"of-b"}"#.to_owned(),
            ),
            (Method::POST, format!("/v1/hooks/claude-code/Stop?{query}"), r#"{"session_id":"of-b"}"#.to_owned()),
            (Method::GET, format!("/v1/sessions?{query}"), String::new()),
            (Method::GET, format!("/v1/deliveries?{query}"), String::new()),
            (Method::POST, "/v1/deliveries/redeliver".to_owned(), json!({"filter": {"tenant": tenant}}).to_string()),
            (Method::POST, "/v1/deliveries/drop".to_owned(), json!({"filter": {"tenant": tenant}}).to_string()),
            (Method::GET, format!("/v1/stream?{query}"), String::new()),
            (Method::POST, "/v1/drain".to_owned(), String::new()),
            (Method::POST, "/v1/reload".to_owned(), String::new()),
            (Method::GET, "/v1/status".to_owned(), String::new()),
            (Method::GET, "/v1/nodes".to_owned(), String::new()),
            (Method::GET, "/metrics".to_owned(), String::new()),
        ];
        for (method, path, body) in requests {
            let answer = a.ask(method.clone(), &path, &body, &[]).await;
            assert_eq!(answer.problem(404), "not_found", "{method} {path} {body}");
        }
        let lines = format!("{{\"op\":\"end\",{}\n", &other[1..]);
        let answer = a.post("/v1/events", &lines).await;
        assert!(answer.text().contains("not_found"), "{}", answer.text());
    }
    assert!(daemon.is_active("b", "of-b"));
    // What it says without a tenant is of its own.
    assert_eq!(a.delete("/v1/owners/owner-of-b").await.problem(404), "not_found");
    assert_eq!(a.post("/v1/sessions", &start_body("of-b")).await.ok()["tenant"], "a");
    let listed = a.get("/v1/sessions").await.ok();
    assert_eq!((listed["sessions"].as_array().unwrap().len(), &listed["sessions"][0]["tenant"]), (1, &"a".into()));
}

#[tokio::test]
async fn a_delivery_of_another_tenant_is_unknown_as_one_that_never_was() {
    let (daemon, mut a) = with_two_tenants(Role::Operator).await;
    // Held back, so that it is owed for as long as the test takes.
    let memory = PluginName::new("memory").unwrap();
    let paused = daemon.runtime.pause(&memory.into()).unwrap();
    let mut operator = daemon.client().await;
    let ended = operator.post("/v1/sessions/of-b/end?tenant=b", "{}").await.ok();
    let id = ended["deliveries"][0].as_str().unwrap();
    let drop = json!({"deliveries": [id]}).to_string();
    let dropped = a.post("/v1/deliveries/drop", &drop).await.ok();
    assert_eq!((&dropped["changed"], &dropped["deliveries"][0]["how"]), (&0.into(), &"unknown".into()));
    assert_eq!(a.get("/v1/deliveries").await.ok()["deliveries"], json!([]));
    let listed = operator.get("/v1/deliveries?tenant=b").await.ok();
    assert!(listed["deliveries"].as_array().unwrap().iter().any(|row| row["delivery"] == id), "{listed}");
    assert_eq!(operator.post("/v1/deliveries/drop", &drop).await.ok()["changed"], 1);
    std::mem::drop(paused);
}

#[tokio::test]
async fn a_list_names_nothing_of_another_tenant_however_much_it_has() {
    let (daemon, mut a) = with_two_tenants(Role::Operator).await;
    let memory = PluginName::new("memory").unwrap();
    let paused = daemon.runtime.pause(&memory.into()).unwrap();
    // More than a journal looks at for one page.
    let of_b: String =
        (0..5000).map(|n| format!("{}\n", json!({"op": "start", "session": {"id": format!("b{n}")}}))).collect();
    let mut operator = daemon.client().await;
    assert_eq!(operator.post("/v1/events?tenant=b", &of_b).await.status, 200);
    let empty = a.get("/v1/deliveries").await.ok();
    assert_eq!((&empty["deliveries"], empty.get("next")), (&json!([]), None));
    let mut own = Vec::new();
    for id in ["a1", "a2"] {
        let started = a.post("/v1/sessions", &start_body(id)).await.ok();
        own.push(started["deliveries"][0].clone());
        assert_eq!(operator.post("/v1/events?tenant=b", &of_b.replace("\"b", "\"c")).await.status, 200);
    }
    let first = a.get("/v1/deliveries").await.ok();
    let next = first["next"].as_str().unwrap();
    assert_eq!((&first["deliveries"][0]["delivery"], first["next"].clone()), (&own[0], own[0].clone()));
    let second = a.get(&format!("/v1/deliveries?after={next}")).await.ok();
    assert_eq!(second["deliveries"][0]["delivery"], own[1]);
    // Its own are found by their names, among all the others.
    let change = json!({"deliveries": [own[0], "k3f9a2c1.17/session-end/memory", own[1]]}).to_string();
    let dropped = a.post("/v1/deliveries/drop", &change).await.ok();
    let how: Vec<&str> = (0..3).map(|n| dropped["deliveries"][n]["how"].as_str().unwrap()).collect();
    assert_eq!(how, ["done", "unknown", "done"]);
    std::mem::drop(paused);
}

#[tokio::test]
async fn each_role_may_do_what_it_is_for() {
    let (_daemon, mut owner) = with_two_tenants(Role::Owner).await;
    owner.post("/v1/sessions", &start_body("s")).await.ok();
    owner.get("/v1/sessions").await.ok();
    assert_eq!(owner.post("/v1/deliveries/drop", r#"{"filter":{}}"#).await.problem(403), "forbidden");
    let (_daemon, mut reader) = with_two_tenants(Role::ReadOnly).await;
    reader.get("/v1/deliveries").await.ok();
    for (method, path, body) in [
        (Method::POST, "/v1/sessions", r#"{"session":{"id":"s"}}"#),
        (Method::POST, "/v1/sessions/s/end", "{}"),
        (Method::POST, "/v1/sessions/s/compaction", r#"{"phase":"after"}"#),
        (Method::POST, "/v1/events", ""),
        (Method::POST, "/v1/hooks/claude-code", "{}"),
        (Method::PUT, "/v1/owners/o", "{}"),
        (Method::DELETE, "/v1/owners/o", ""),
        (Method::POST, "/v1/deliveries/redeliver", r#"{"filter":{}}"#),
    ] {
        assert_eq!(reader.ask(method, path, body, &[]).await.problem(403), "forbidden", "{path}");
    }
}

#[tokio::test]
async fn without_a_token_nobody_is_let_in_over_tcp_and_after_a_reload_the_old_one_is_none() {
    let (store, texts) = tokens(&[("t", Role::Operator, None)]);
    let daemon = Build { tokens: store.clone(), ..Build::default() }.start();
    let address = daemon.listen().await;
    for token in [None, Some("lastword_0"), Some("")] {
        let refused = Client::tcp(address, token).await.get("/v1/sessions").await;
        assert_eq!(refused.problem(401), "unauthorized");
        assert_eq!(refused.headers["www-authenticate"], "Bearer");
    }
    // What a load balancer asks has no token, and says nothing of anybody.
    Client::tcp(address, None).await.get("/healthz").await.ok();
    let mut client = Client::tcp(address, Some(&texts[0])).await;
    client.get("/v1/status").await.ok();
    let new = NewToken::generate().unwrap();
    store.replace(vec![Token::new("t", &new.hash(), Role::Operator, None).unwrap()]);
    assert_eq!(client.get("/v1/status").await.problem(401), "unauthorized");
    Client::tcp(address, Some(new.text())).await.get("/v1/status").await.ok();
}

#[tokio::test]
async fn whoever_can_open_the_socket_is_operator_of_all_tenants() {
    let daemon = Daemon::start();
    let mut client = daemon.client().await;
    for tenant in ["a", "b"] {
        client.post(&format!("/v1/sessions?tenant={tenant}"), &start_body("s")).await.ok();
    }
    assert_eq!(client.get("/v1/sessions").await.ok()["sessions"].as_array().unwrap().len(), 2);
    client.get("/metrics").await;
}
