//! What happens, for those who watch.

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use crate::page::{form_token, log_in, page, send};
use crate::support::{Build, COMES, Client, Daemon, start_body, tokens};
use lastword_server::{Role, ServerLimits};

/// Who reads a stream of events.
struct Watcher {
    body: Incoming,
    text: String,
}

impl Watcher {
    async fn watch(daemon: &Daemon, path: &str) -> Self {
        Self::over(UnixStream::connect(&daemon.socket).await.unwrap(), path, ("x", "")).await
    }

    /// With a header that shows who it is.
    async fn over(
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        path: &str,
        (name, value): (&str, &str),
    ) -> Self {
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(async move { connection.await.ok() });
        let request = Request::get(path).header("host", "localhost");
        let request = request.header(name, value).body(Empty::<Bytes>::new()).unwrap();
        let response = sender.send_request(request).await.unwrap();
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { body: response.into_body(), text: String::new() }
    }

    /// The next event: its kind, and what it says.
    async fn next(&mut self) -> (String, Value) {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let (event, rest) = (event.to_owned(), rest.to_owned());
                self.text = rest;
                let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
                let (Some(kind), Some(data)) = (field("event: "), field("data: ")) else { continue };
                return (kind, serde_json::from_str(&data).unwrap());
            }
            let frame = timeout(COMES, self.body.frame()).await.unwrap().unwrap().unwrap();
            self.text.push_str(std::str::from_utf8(frame.data_ref().unwrap()).unwrap());
        }
    }
}

/// What shows a token.
fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

#[tokio::test]
async fn what_happens_to_sessions_and_owners_is_told_to_who_watches() {
    let mut daemon = Daemon::start();
    let mut all = Watcher::watch(&daemon, "/v1/stream").await;
    let mut of_acme = Watcher::watch(&daemon, "/v1/stream?tenant=acme").await;
    let mut client = daemon.client().await;
    client.post("/v1/sessions", &start_body("not-acmes")).await.ok();
    client.put("/v1/owners/o?tenant=acme", r#"{"lease":"5s"}"#).await.ok();
    client.post("/v1/sessions?owner=o&tenant=acme", &start_body("a")).await.ok();
    loop {
        let (kind, said) = all.next().await;
        if kind == "accepted" && said["session"] == "not-acmes" {
            break;
        }
    }
    let mut kinds = Vec::new();
    while kinds.len() < 2 {
        let (kind, said) = of_acme.next().await;
        assert_eq!((&said["tenant"], &said["session"]), (&"acme".into(), &"a".into()), "{kind} {said}");
        kinds.push(kind);
    }
    kinds.sort();
    assert_eq!(kinds, ["accepted", "outcome"], "of its start");
    daemon.pass(std::time::Duration::from_secs(5)).await;
    let (kind, said) = of_acme.next().await;
    assert_eq!((kind.as_str(), &said["state"], &said["how"]), ("owner", &"lost".into(), &"lease".into()));
}

#[tokio::test]
async fn a_reader_that_is_too_slow_is_told_how_much_it_missed_and_holds_up_nobody() {
    // Cut is who takes nothing for long, and a busy machine takes long to tell so much.
    let limits = ServerLimits { write_timeout: 10 * COMES, ..ServerLimits::default() };
    let daemon = Build { limits, ..Build::default() }.start();
    let mut slow = Watcher::watch(&daemon, "/v1/stream?tenant=default").await;
    let mut client = daemon.client().await;
    // Each start is told twice, in a line as long as they may be: more than the connection and the ring of a tenant hold.
    let key = "k".repeat(400);
    let lines: String = (0..4000)
        .map(|n| format!("{}\n", serde_json::json!({"op": "start", "session": {"id": format!("{key}{n}")}})))
        .collect();
    client.post("/v1/events", &lines).await;
    let missed = loop {
        let (kind, said) = slow.next().await;
        if kind == "missed" {
            break said["events"].as_u64().unwrap();
        }
    };
    assert!(missed > 0);
}

#[tokio::test]
async fn who_watches_and_has_closed_its_half_is_told_on_and_who_is_gone_leaves_its_place() {
    let daemon = Daemon::start();
    let mut stream = UnixStream::connect(&daemon.socket).await.unwrap();
    stream.write_all(b"GET /v1/stream HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    stream.shutdown().await.unwrap();
    let mut lines = BufReader::new(stream).lines();
    let mut said = async |what: &str| {
        while !timeout(COMES, lines.next_line()).await.unwrap().unwrap().unwrap().contains(what) {}
    };
    said("text/event-stream").await;
    let mut client = daemon.client().await;
    for id in ["first", "second"] {
        client.post("/v1/sessions", &start_body(id)).await.ok();
        said(id).await;
    }
    drop(lines);
    // It is noticed with the next that is to be told it.
    let is_alone = async {
        while daemon.server.status().connections > 1 {
            client.post("/v1/sessions", &start_body("third")).await.ok();
        }
    };
    timeout(COMES, is_alone).await.unwrap();
}

#[tokio::test]
async fn a_stream_ends_when_the_server_closes() {
    let daemon = Daemon::start();
    let mut watcher = Watcher::watch(&daemon, "/v1/stream").await;
    daemon.server.close(std::time::Instant::now() + COMES).await;
    assert!(timeout(COMES, watcher.body.frame()).await.unwrap().is_none());
}

#[tokio::test]
async fn a_stream_ends_when_its_token_is_not_valid_any_more() {
    let (store, texts) = tokens(&[("a", Role::ReadOnly, Some("a"))]);
    let daemon = Build { tokens: store.clone(), ..Build::default() }.start();
    let stream = TcpStream::connect(daemon.listen().await).await.unwrap();
    let mut watcher = Watcher::over(stream, "/v1/stream", ("authorization", &bearer(&texts[0]))).await;
    store.replace(Vec::new());
    assert!(timeout(COMES, watcher.body.frame()).await.unwrap().is_none());
}

#[tokio::test]
async fn a_stream_ends_with_the_login_that_it_was_asked_for_with_and_no_other_does() {
    let (store, texts) = tokens(&[("a", Role::ReadOnly, Some("a"))]);
    let daemon = Build { tokens: store, ..Build::default() }.start();
    let address = daemon.listen().await;
    let (mut browser, cookie) = log_in(address, &texts[0]).await;
    let (_other, others) = log_in(address, &texts[0]).await;
    let mut watchers = Vec::new();
    for cookie in [&cookie, &others] {
        let stream = TcpStream::connect(address).await.unwrap();
        watchers.push(Watcher::over(stream, "/v1/stream", ("cookie", cookie)).await);
    }
    let token = form_token(&page(&mut browser, &cookie).await);
    assert_eq!(send(&mut browser, "/logout", &[("form", &token)], &[("cookie", &cookie)]).await.status, 303);
    assert!(timeout(COMES, watchers[0].body.frame()).await.unwrap().is_none());
    daemon.client().await.post("/v1/sessions?tenant=a", &start_body("s")).await.ok();
    assert_eq!(watchers[1].next().await.1["session"], "s");
}

#[tokio::test]
async fn a_tenant_watches_and_waits_so_often_at_once_and_no_more() {
    let (store, texts) = tokens(&[("a", Role::Owner, Some("a")), ("b", Role::Owner, Some("b"))]);
    let limits = ServerLimits { tenant_waits: 1, ..ServerLimits::default() };
    let daemon = Build { tokens: store, limits, ..Build::default() }.start();
    let address = daemon.listen().await;
    let stream = TcpStream::connect(address).await.unwrap();
    let watcher = Watcher::over(stream, "/v1/stream", ("authorization", &bearer(&texts[0]))).await;
    let mut a = Client::tcp(address, Some(&texts[0])).await;
    for path in ["/v1/sessions?wait=delivered", "/v1/events?wait=delivered"] {
        assert_eq!(a.post(path, &start_body("s")).await.problem(429), "too_many_waits", "{path}");
    }
    assert!(!daemon.is_active("a", "s"), "nothing of it is carried out");
    a.post("/v1/sessions", &start_body("s")).await.ok();
    let mut b = Client::tcp(address, Some(&texts[1])).await;
    b.post("/v1/sessions?wait=delivered", &start_body("s")).await.ok();
    drop(watcher);
}
