//! Clients that are slow, large, many or fast.

use std::time::Duration;

use lastword::events::PluginName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{interval, timeout};

use crate::support::{Build, COMES, Client, Daemon, start_body, tokens};
use lastword_server::limits::MAX_EVENTS_IN_A_BODY;
use lastword_server::{Role, ServerLimits};

/// What the connection says until it is closed.
async fn rest(mut stream: UnixStream) -> String {
    let mut text = Vec::new();
    timeout(COMES, stream.read_to_end(&mut text)).await.unwrap().ok();
    String::from_utf8(text).unwrap()
}

async fn connect(daemon: &Daemon, says: &str) -> UnixStream {
    let mut stream = UnixStream::connect(&daemon.socket).await.unwrap();
    stream.write_all(says.as_bytes()).await.unwrap();
    stream
}

#[tokio::test]
async fn a_client_whose_request_does_not_come_is_cut_and_others_are_answered_meanwhile() {
    let short = Duration::from_millis(200);
    let limits = ServerLimits { head_timeout: short, body_timeout: short, ..ServerLimits::default() };
    let daemon = Build { limits, ..Build::default() }.start();
    let silent = connect(&daemon, "").await;
    let no_head = connect(&daemon, "POST /v1/sessions HTTP/1.1\r\nhost: localhost\r\n").await;
    let no_body = connect(&daemon, "POST /v1/sessions HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\n{").await;
    daemon.client().await.post("/v1/sessions", &start_body("a")).await.ok();
    assert_eq!(rest(silent).await, "");
    assert!(!rest(no_head).await.contains(" 200 "));
    let slow = rest(no_body).await;
    assert!(slow.starts_with("HTTP/1.1 408") && slow.contains("body_too_slow"), "{slow}");
}

#[tokio::test]
async fn a_head_and_a_body_that_come_byte_by_byte_are_cut_when_their_time_is_over() {
    let short = Duration::from_millis(300);
    let limits = ServerLimits { head_timeout: short, body_timeout: short, ..ServerLimits::default() };
    let daemon = Build { limits, ..Build::default() }.start();
    let begins = [
        ("POST /v1/sessions HTTP/1.1\r\nhost: localhost\r\nx: ", ""),
        ("POST /v1/sessions HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100000\r\n\r\n", "body_too_slow"),
    ];
    for (begins, said) in begins {
        let (mut reader, mut writer) = connect(&daemon, begins).await.into_split();
        // So often that none of them is late, and so seldom that they are no large head.
        let mut pace = interval(Duration::from_millis(10));
        let drips = tokio::spawn(async move {
            while writer.write_all(b"x").await.is_ok() {
                pace.tick().await;
            }
        });
        let mut text = Vec::new();
        // The daemon closes it with bytes that it has not read.
        timeout(COMES, reader.read_to_end(&mut text)).await.unwrap().ok();
        let text = String::from_utf8(text).unwrap();
        assert!(!text.contains(" 200 ") && !text.contains(" 431 ") && text.contains(said), "{begins:?}: {text}");
        timeout(COMES, drips).await.unwrap().unwrap();
        daemon.client().await.get("/healthz").await.ok();
    }
}

#[tokio::test]
async fn a_body_that_has_no_end_is_refused_where_it_is_too_large_and_nothing_of_it_is_kept() {
    let limits = ServerLimits { body_bytes: 64 * 1024, bodies_bytes: 256 * 1024, ..ServerLimits::default() };
    let daemon = Build { limits, ..Build::default() }.start();
    // One after the other: what the first have held is free again for the last.
    for _ in 0..10 {
        let head = "POST /v1/sessions HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n";
        let (mut reader, mut writer) = connect(&daemon, head).await.into_split();
        let piece = format!("1000\r\n{}\r\n", "x".repeat(0x1000));
        let goes_on = tokio::spawn(async move { while writer.write_all(piece.as_bytes()).await.is_ok() {} });
        let mut text = Vec::new();
        timeout(COMES, reader.read_to_end(&mut text)).await.unwrap().ok();
        let text = String::from_utf8(text).unwrap();
        assert!(text.starts_with("HTTP/1.1 413") && text.contains("body_too_large"), "{text}");
        timeout(COMES, goes_on).await.unwrap().unwrap();
    }
    daemon.client().await.post("/v1/sessions", &start_body("a")).await.ok();
}

#[tokio::test]
async fn a_body_or_a_head_that_is_too_large_is_refused() {
    let limits = ServerLimits { body_bytes: 1000, ..ServerLimits::default() };
    let daemon = Build { limits, ..Build::default() }.start();
    let large = daemon.client().await.post("/v1/sessions", &"x".repeat(1001)).await;
    assert_eq!(large.problem(413), "body_too_large");
    let headers = format!("GET /healthz HTTP/1.1\r\nhost: localhost\r\nx: {}\r\n\r\n", "x".repeat(64 * 1024));
    assert!(rest(connect(&daemon, &headers).await).await.starts_with("HTTP/1.1 431"));
    daemon.client().await.get("/healthz").await.ok();
}

#[tokio::test]
async fn connections_that_are_too_many_are_told_so_and_those_that_are_there_are_served() {
    let limits = ServerLimits { connections: 2, ..ServerLimits::default() };
    let daemon = Build { limits, ..Build::default() }.start();
    let mut first = daemon.client().await;
    first.get("/healthz").await.ok();
    let mut second = daemon.client().await;
    second.get("/healthz").await.ok();
    let third = rest(connect(&daemon, "").await).await;
    assert!(third.starts_with("HTTP/1.1 503") && third.ends_with('}'), "{third}");
    let (head, body) = third.split_once("\r\n\r\n").unwrap();
    assert!(head.contains(&format!("content-length: {}\r\n", body.len())), "{head}");
    let problem: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(problem["code"], "too_many_connections");
    first.get("/healthz").await.ok();
    drop(second);
    while daemon.server.status().connections > 1 {
        tokio::task::yield_now().await;
    }
    daemon.client().await.get("/healthz").await.ok();
}

#[tokio::test]
async fn a_tenant_has_so_many_connections_and_leaves_the_others_theirs() {
    let limits = ServerLimits { tenant_connections: 1, ..ServerLimits::default() };
    let (store, texts) = tokens(&[("a", Role::Owner, Some("a")), ("b", Role::Owner, Some("b"))]);
    let daemon = Build { limits, tokens: store, ..Build::default() }.start();
    let address = daemon.listen().await;
    let mut first = Client::tcp(address, Some(&texts[0])).await;
    first.get("/v1/sessions").await.ok();
    let mut second = Client::tcp(address, Some(&texts[0])).await;
    assert_eq!(second.get("/v1/sessions").await.problem(429), "too_many_connections");
    Client::tcp(address, Some(&texts[1])).await.get("/v1/sessions").await.ok();
    first.get("/v1/sessions").await.ok();
}

#[tokio::test]
async fn a_token_that_asks_too_often_is_told_when_to_come_back() {
    let limits = ServerLimits { requests_per_second: 3, ..ServerLimits::default() };
    let (store, texts) = tokens(&[("a", Role::Owner, Some("a")), ("b", Role::Owner, Some("b"))]);
    let daemon = Build { limits, tokens: store, ..Build::default() }.start();
    let address = daemon.listen().await;
    let mut fast = Client::tcp(address, Some(&texts[0])).await;
    let refused = loop {
        let answer = fast.get("/v1/sessions").await;
        if answer.status != 200 {
            break answer;
        }
    };
    assert_eq!(refused.problem(429), "too_many_requests");
    assert_eq!(refused.headers["retry-after"], "1");
    Client::tcp(address, Some(&texts[1])).await.get("/v1/sessions").await.ok();
}

#[tokio::test]
async fn a_server_that_closes_answers_what_is_under_way_and_cuts_the_rest() {
    let daemon = Daemon::start();
    let idle = connect(&daemon, "").await;
    let half = connect(&daemon, "POST /v1/sessions HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\n{").await;
    daemon.client().await.post("/v1/sessions", &start_body("a")).await.ok();
    while daemon.server.status().connections < 2 {
        tokio::task::yield_now().await;
    }
    let until = std::time::Instant::now() + Duration::from_millis(200);
    daemon.server.close(until).await;
    assert_eq!((rest(idle).await, rest(half).await), (String::new(), String::new()));
    assert!(UnixStream::connect(&daemon.socket).await.is_err(), "nobody listens any more");
    assert!(daemon.is_active("default", "a"), "no session is ended for it");
}

#[tokio::test]
async fn a_client_that_closes_its_half_is_answered() {
    let daemon = Daemon::start();
    let mut stream = connect(&daemon, "GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    stream.shutdown().await.unwrap();
    assert!(rest(stream).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn strangers_over_tcp_take_no_place_from_the_socket_nor_from_those_with_tokens() {
    let limits = ServerLimits { connections: 1, strangers: 1, ..ServerLimits::default() };
    let (store, texts) = tokens(&[("a", Role::Owner, Some("a"))]);
    let daemon = Build { limits, tokens: store, ..Build::default() }.start();
    let address = daemon.listen().await;
    let mut known = Client::tcp(address, Some(&texts[0])).await;
    known.get("/v1/sessions").await.ok();
    // The place of a stranger is free again, for one who says nothing.
    let mut stranger = Client::tcp(address, None).await;
    stranger.get("/healthz").await.ok();
    let mut refused = TcpStream::connect(address).await.unwrap();
    let mut text = String::new();
    timeout(COMES, refused.read_to_string(&mut text)).await.unwrap().unwrap();
    assert!(text.starts_with("HTTP/1.1 503") && text.contains("too_many_connections"), "{text}");
    known.get("/v1/sessions").await.ok();
    daemon.client().await.get("/healthz").await.ok();
}

#[tokio::test]
async fn a_body_has_so_many_lines_and_events_and_others_are_refused() {
    let daemon = Daemon::start();
    let mut client = daemon.client().await;
    let start = "{\"op\":\"start\",\"session\":{\"id\":\"s\"}}\n";
    let lines = format!("{start}{}", "{}\n".repeat(MAX_EVENTS_IN_A_BODY));
    assert_eq!(client.post("/v1/events", &lines).await.problem(413), "too_many_lines");
    assert!(!daemon.is_active("default", "s"), "nothing of it is taken");
    // On one line there may be several.
    let line = format!("{start}{}\n{}", "{}".repeat(MAX_EVENTS_IN_A_BODY), start.replace("\"s\"", "\"late\""));
    let answer = client.post("/v1/events", &line).await;
    let answers = answer.text();
    assert_eq!((answer.status, answers.lines().count()), (200, MAX_EVENTS_IN_A_BODY + 1));
    assert!(answers.lines().next().unwrap().contains("accepted"));
    assert!(answers.lines().last().unwrap().contains("too_many_lines"));
    assert!(daemon.is_active("default", "s") && !daemon.is_active("default", "late"));
}

#[tokio::test]
async fn each_line_of_a_body_counts_as_a_request_of_its_token() {
    let limits = ServerLimits { requests_per_second: 2, ..ServerLimits::default() };
    let (store, texts) = tokens(&[("a", Role::Owner, Some("a"))]);
    let daemon = Build { limits, tokens: store, ..Build::default() }.start();
    let mut client = Client::tcp(daemon.listen().await, Some(&texts[0])).await;
    let lines = "{}\n".repeat(1000);
    assert_eq!(client.post("/v1/events", &lines).await.status, 200);
    let refused = client.get("/v1/sessions").await;
    assert_eq!(refused.problem(429), "too_many_requests");
    let after: u64 = refused.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!(after > 100, "{after}");
}

#[tokio::test]
async fn bodies_for_which_there_is_no_room_are_refused_and_their_room_is_free_again() {
    let limits = ServerLimits { bodies_bytes: 2000, tenant_bodies_bytes: 1000, ..ServerLimits::default() };
    let (store, texts) = tokens(&[("a", Role::Owner, Some("a")), ("all", Role::Owner, None)]);
    let daemon = Build { limits, tokens: store, ..Build::default() }.start();
    let address = daemon.listen().await;
    let mut of_a = Client::tcp(address, Some(&texts[0])).await;
    let refused = of_a.post("/v1/events", &"x".repeat(1500)).await;
    assert_eq!(refused.problem(429), "too_many_bodies");
    assert_eq!(refused.headers["retry-after"], "1");
    let mut of_all = Client::tcp(address, Some(&texts[1])).await;
    assert_eq!(of_all.post("/v1/events", &"x".repeat(2500)).await.problem(503), "too_many_bodies");
    let mut of_a = Client::tcp(address, Some(&texts[0])).await;
    for n in 0..5 {
        let body = format!("{}{}", start_body(&format!("s{n}")), " ".repeat(900));
        of_a.post("/v1/sessions", &body).await.ok();
    }
}

#[tokio::test]
async fn who_waits_for_deliveries_holds_no_room_for_bodies() {
    let limits = ServerLimits { bodies_bytes: 1000, tenant_bodies_bytes: 1000, ..ServerLimits::default() };
    let daemon = Build { limits, ..Build::default() }.start();
    let paused = daemon.runtime.pause(&PluginName::new("memory").unwrap().into()).unwrap();
    let large = |id: &str| format!("{}{}", start_body(id), " ".repeat(900));
    let mut waits = daemon.client().await;
    let body = large("a");
    let waiting = tokio::spawn(async move { waits.post("/v1/sessions?wait=delivered", &body).await.ok() });
    let is_on_record = async {
        while !daemon.is_active("default", "a") {
            tokio::task::yield_now().await;
        }
    };
    timeout(COMES, is_on_record).await.unwrap();
    daemon.client().await.post("/v1/sessions", &large("b")).await.ok();
    drop(paused);
    assert_eq!(waiting.await.unwrap()["outcomes"][0]["state"], "delivered");
}

/// A request of whoever has this token, to be written in one piece.
fn start_over_tcp(token: &str, query: &str, id: &str) -> String {
    let (body, head) = (start_body(id), "host: localhost\r\ncontent-type: application/json\r\n");
    let length = body.len();
    format!(
        "POST /v1/sessions{query} HTTP/1.1\r\n{head}authorization: Bearer {token}\r\ncontent-length: {length}\r\n\r\n{body}"
    )
}

async fn until_active(daemon: &Daemon, tenant: &str, id: &str) {
    let is_active = async {
        while !daemon.is_active(tenant, id) {
            tokio::task::yield_now().await;
        }
    };
    timeout(COMES, is_active).await.unwrap();
}

#[tokio::test]
async fn who_has_waited_and_is_gone_holds_no_place_among_those_that_wait() {
    let limits = ServerLimits { tenant_waits: 1, ..ServerLimits::default() };
    let (store, texts) = tokens(&[("a", Role::Owner, Some("a"))]);
    let daemon = Build { limits, tokens: store, ..Build::default() }.start();
    let address = daemon.listen().await;
    let paused = daemon.runtime.pause(&PluginName::new("memory").unwrap().into()).unwrap();
    let mut waits = TcpStream::connect(address).await.unwrap();
    waits.write_all(start_over_tcp(&texts[0], "?wait=delivered", "s").as_bytes()).await.unwrap();
    until_active(&daemon, "a", "s").await;
    let mut other = Client::tcp(address, Some(&texts[0])).await;
    let path = "/v1/sessions?wait=delivered&timeout=1ms";
    assert_eq!(other.post(path, &start_body("other")).await.problem(429), "too_many_waits");
    // Its answer would come when the longest wait is over, which is later than this test waits.
    drop(waits);
    let is_free = async {
        while other.post(path, &start_body("other")).await.status != 202 {
            tokio::task::yield_now().await;
        }
    };
    timeout(COMES, is_free).await.unwrap();
    drop(paused);
}

#[tokio::test]
async fn what_a_client_asks_for_with_its_last_word_is_carried_out() {
    let (store, texts) = tokens(&[("a", Role::Owner, Some("a"))]);
    let daemon = Build { tokens: store, ..Build::default() }.start();
    let address = daemon.listen().await;
    for n in 0..50 {
        let mut goes = TcpStream::connect(address).await.unwrap();
        goes.write_all(start_over_tcp(&texts[0], "", &format!("s{n}")).as_bytes()).await.unwrap();
        drop(goes);
    }
    for n in 0..50 {
        until_active(&daemon, "a", &format!("s{n}")).await;
    }
    // All of it is its head.
    for n in 0..50 {
        let mut goes = TcpStream::connect(address).await.unwrap();
        let head =
            format!("POST /v1/sessions/s{n}/end HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\n", texts[0]);
        goes.write_all(format!("{head}content-length: 0\r\n\r\n").as_bytes()).await.unwrap();
        drop(goes);
    }
    let have_ended = async {
        while daemon.runtime.active_sessions() > 0 {
            tokio::task::yield_now().await;
        }
    };
    timeout(COMES, have_ended).await.unwrap();
}
