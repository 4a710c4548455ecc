//! The routes, as a client sees them.

use http::Method;
use lastword::events::DrainReason;
use serde_json::json;

use crate::support::{Build, Daemon, start_body};

#[tokio::test]
async fn an_answer_says_what_is_on_record_and_with_wait_what_became_of_it() {
    let mut daemon = Daemon::start();
    let mut client = daemon.client().await;
    let started = client.post("/v1/sessions", &start_body("a")).await.ok();
    assert_eq!(
        (&started["op"], &started["tenant"], &started["generation"]),
        (&"start".into(), &"default".into(), &1.into())
    );
    assert!(started["outcomes"].is_null());
    let compacted = client.post("/v1/sessions/a/compaction", r#"{"phase":"after","message_count":7}"#).await.ok();
    assert_eq!(compacted["op"], "compaction");
    let ended = client.post("/v1/sessions/a/end?wait=delivered", r#"{"reason":"reset"}"#).await.ok();
    assert_eq!(ended["outcomes"][0]["state"], "delivered");
    assert_eq!(ended["outcomes"][0]["delivery"], ended["deliveries"][0]);
    assert_eq!(daemon.next_end().await.reason, "reset");
    // Nothing in the body: it ended, and nobody knows why.
    let ended = client.post("/v1/sessions/never-started/end", "").await.ok();
    assert_eq!(ended["generation"], 1);
}

#[tokio::test]
async fn a_request_that_is_sent_again_with_its_key_does_nothing() {
    let daemon = Daemon::start();
    let mut client = daemon.client().await;
    let key = [("idempotency-key", "\"k-1\"")];
    let first = client.ask(Method::POST, "/v1/sessions", &start_body("a"), &key).await.ok();
    assert_eq!(first["op_id"], "k-1");
    client.post("/v1/sessions/a/end", "{}").await.ok();
    let again = client.ask(Method::POST, "/v1/sessions", &start_body("a"), &key).await.ok();
    assert_eq!(again["code"], "duplicate_op");
    assert!(!daemon.is_active("default", "a"));
    let long = "x".repeat(1000);
    let refused = client.ask(Method::POST, "/v1/sessions", &start_body("b"), &[("idempotency-key", &long)]).await;
    assert_eq!(refused.problem(400), "bad_op_id");
}

#[tokio::test]
async fn the_trace_of_a_request_is_its_events_and_an_invalid_one_is_named() {
    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let daemon = Daemon::start();
    let mut client = daemon.client().await;
    let traced = [("traceparent", PARENT), ("tracestate", "v=1")];
    let started = client.ask(Method::POST, "/v1/sessions", &start_body("a"), &traced).await.ok();
    assert!(started["dropped"].is_null(), "{started}");
    let hook = r#"{"hook_event_name":"SessionStart","session_id":"b","source":"startup"}"#;
    let taken = client.ask(Method::POST, "/v1/hooks/claude-code", hook, &traced).await.ok();
    assert!(taken["dropped"].is_null(), "{taken}");
    let invalid = [("traceparent", "00-0-0-00")];
    let named = r#"traceparent: "00-0-0-00" is no W3C trace context"#;
    let ended = client.ask(Method::POST, "/v1/sessions/a/end", "{}", &invalid).await.ok();
    assert_eq!((&ended["op"], &ended["dropped"][0]), (&"end".into(), &named.into()));
    let line = json!({"op": "end", "session": {"id": "b"}}).to_string();
    let answer = client.ask(Method::POST, "/v1/events", &line, &invalid).await;
    assert!(answer.text().contains("is no W3C trace context"), "{}", answer.text());
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_said_with_the_codes_of_stdio() {
    let daemon = Daemon::start();
    let mut client = daemon.client().await;
    let table = [
        (Method::POST, "/v1/sessions", "{}", 400, "missing_field"),
        (Method::POST, "/v1/sessions", r#"{"session":{"id":""}}"#, 400, "empty_id"),
        (Method::POST, "/v1/sessions", "nonsense", 400, "bad_json"),
        (Method::POST, "/v1/sessions", "[1]", 400, "not_an_object"),
        (Method::POST, "/v1/sessions?wait=forever", r#"{"session":{"id":"a"}}"#, 400, "bad_wait"),
        (Method::POST, "/v1/sessions?pid=x", r#"{"session":{"id":"a"}}"#, 400, "bad_query"),
        (Method::POST, "/v1/sessions/a/compaction", r#"{"phase":"during"}"#, 400, "unknown_phase"),
        (Method::PUT, "/v1/owners/o", r#"{"lease":"soon"}"#, 400, "bad_duration"),
        (Method::PUT, "/v1/owners/o", r#"{"pid":1}"#, 400, "missing_field"),
        (Method::PUT, "/v1/owners/o", r#"{"pids":1}"#, 400, "wrong_type"),
        (Method::DELETE, "/v1/owners/o?reason=boredom", "", 400, "unknown_reason"),
        (Method::DELETE, "/v1/owners/nobody", "", 404, "not_found"),
        (Method::POST, "/v1/hooks/no-such-owner", "{}", 404, "not_found"),
        (Method::POST, "/v1/hooks/claude-code", "{}", 400, "missing_field"),
        (Method::GET, "/v1/deliveries?state=lost", "", 400, "bad_state"),
        (Method::GET, "/v1/deliveries?after=x", "", 400, "bad_page"),
        (Method::GET, "/v1/sessions?after=x", "", 400, "bad_page"),
        (Method::POST, "/v1/deliveries/drop", "{}", 400, "missing_field"),
        (Method::POST, "/v1/deliveries/drop", r#"{"deliveries":["x"]}"#, 400, "bad_delivery"),
        (Method::POST, "/v1/drain", "", 501, "not_implemented"),
        (Method::GET, "/v1/nothing", "", 404, "not_found"),
        (Method::DELETE, "/v1/sessions", "", 405, "method_not_allowed"),
    ];
    for (method, path, body, status, code) in table {
        let answer = client.ask(method.clone(), path, body, &[]).await;
        assert_eq!(answer.problem(status), code, "{method} {path} {body}");
        if status == 405 {
            assert!(answer.headers.contains_key("allow"));
        }
    }
    assert!(daemon.runtime.sessions().is_empty(), "nothing of it was carried out");
}

#[tokio::test]
async fn many_events_come_in_one_body_and_each_line_has_its_answer() {
    let mut daemon = Daemon::start();
    let mut client = daemon.client().await;
    let lines = [
        json!({"op": "start", "session": {"id": "a"}}),
        json!({"op": "nonsense"}),
        json!({"op": "end", "session": {"id": "a"}, "reason": "reset"}),
        json!({"op": "shutdown"}),
    ];
    let body: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let answer = client.ask(Method::POST, "/v1/events?wait=delivered", &body, &[("idempotency-key", "batch")]).await;
    assert_eq!((answer.status, &answer.headers["content-type"]), (200, &"application/x-ndjson".parse().unwrap()));
    let answers: Vec<serde_json::Value> =
        answer.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let said: Vec<_> = answers.iter().map(|line| (line["event"].as_str().unwrap(), line["line"].as_u64())).collect();
    assert_eq!(said[..4], [("accepted", Some(1)), ("error", Some(2)), ("accepted", Some(3)), ("error", Some(4))]);
    assert_eq!(said[4..], [("settled", None), ("settled", None)], "the start's delivery, and the end's");
    assert_eq!(answers[0]["op_id"], "batch/1");
    assert_eq!(daemon.next_end().await.session, "a");
    let again = client.ask(Method::POST, "/v1/events", &body, &[("idempotency-key", "batch")]).await;
    assert!(again.text().lines().next().unwrap().contains("duplicate_op"));
}

#[tokio::test]
async fn a_hooks_payload_is_taken_as_its_owner_wrote_it() {
    let mut daemon = Daemon::start();
    let mut client = daemon.client().await;
    client
        .post("/v1/hooks/claude-code", r#"{"hook_event_name":"SessionStart","session_id":"a","source":"startup"}"#)
        .await
        .ok();
    // Copilot does not say which event it is: the path does.
    let copilot = r#"{"sessionId":"b","timestamp":1700000000000,"cwd":"/w","reason":"complete"}"#;
    client.post("/v1/hooks/copilot/sessionEnd?wait=delivered", copilot).await.ok();
    let end = daemon.next_end().await;
    assert_eq!((end.session.as_str(), end.reason.as_str()), ("b", "completed"));
    let listed = client.get("/v1/sessions?kind=claude-code").await.ok();
    assert_eq!(
        (&listed["sessions"][0]["id"], &listed["sessions"][0]["owner_kind"]),
        (&"a".into(), &"claude-code".into())
    );
}

#[tokio::test]
async fn lists_come_in_pages_that_have_everything_once() {
    let daemon = Daemon::start();
    let mut client = daemon.client().await;
    let lines: String = (0..25)
        .map(|n| {
            format!("{}\n", json!({"op": "start", "session": {"id": format!("s{n}"), "tenant": format!("t{}", n % 2)}}))
        })
        .collect();
    client.post("/v1/events", &lines).await;
    for (query, all) in [("limit=10", 25), ("limit=13", 25), ("limit=4&tenant=t1", 12)] {
        let (mut seen, mut after) = (std::collections::BTreeSet::new(), String::new());
        loop {
            let page = client.get(&format!("/v1/sessions?{query}{after}")).await.ok();
            for session in page["sessions"].as_array().unwrap() {
                assert!(seen.insert(session["id"].as_str().unwrap().to_owned()), "{session} came twice");
            }
            match page["next"].as_str() {
                Some(next) => after = format!("&after={next}"),
                None => break,
            }
        }
        assert_eq!(seen.len(), all, "{query}");
    }
}

#[tokio::test]
async fn health_metrics_status_and_the_description_are_there() {
    let daemon = Build { with_tenants: true, ..Build::default() }.start();
    let mut client = daemon.client().await;
    client.post("/v1/sessions", &start_body("a")).await.ok();
    client.post("/v1/sessions/a/end?wait=delivered", "{}").await.ok();
    assert_eq!(client.get("/healthz").await.ok()["status"], "ok");
    assert_eq!(client.get("/readyz").await.ok()["status"], "ok");
    let metrics = client.get("/metrics").await;
    for line in [
        r#"lastword_calls_total{plugin="memory",outcome="delivered",cause=""} 2"#,
        r#"lastword_tenant_calls_total{tenant="default",outcome="delivered"} 2"#,
        r#"lastword_http_requests_total{method="POST",route="/v1/sessions/{id}/end",status="200"} 1"#,
        "lastword_sessions 0",
    ] {
        assert!(metrics.text().contains(line), "{line} is not in {}", metrics.text());
    }
    let status = client.get("/v1/status").await.ok();
    assert_eq!((&status["sessions"], &status["durability"]), (&0.into(), &"memory".into()));
    assert!(status["wrong"][0].as_str().unwrap().contains("memory"));
    let described = client.get("/openapi.json").await;
    assert_eq!(described.headers["content-type"], "application/json");
    let description = client.get("/openapi.json").await.ok();
    assert!(description["paths"]["/v1/sessions"]["post"].is_object());
    assert!(description["openapi"].as_str().unwrap().starts_with('3'));
}

#[tokio::test]
async fn a_daemon_whose_runtime_drains_is_not_ready_and_lives() {
    let daemon = Daemon::start();
    let mut client = daemon.client().await;
    client.get("/readyz").await.ok();
    daemon.runtime.drain(DrainReason::Restart).await;
    assert_eq!(client.get("/readyz").await.problem(503), "draining");
    client.get("/healthz").await.ok();
    assert_eq!(client.get("/v1/status").await.ok()["draining"], true);
}
