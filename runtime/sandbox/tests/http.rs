//! Requests as guests really make them, and whose words the log has about those that go wrong.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod common;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{IpAddr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use common::heard::Heard;
use common::{LONG, call, generous, load_with, sandbox};
use lastword_events::{Deferral, EndReason, Event, HookCall, Outcome, Session, SessionEnd, Timestamp};
use lastword_sandbox::limits::LACK_PAUSE;
use lastword_sandbox::{Egress, Grants, Limits, Resolve, Resolving, Sandbox, SandboxConfig};
use rustix::io::Errno;
use tracing::Subscriber;
use tracing::field::{Field, Visit};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

const PIECE: u64 = 4096;
/// How long a connection is kept that nobody uses, as docs/limits.md says.
const STAYS: Duration = Duration::from_secs(4);
/// Longer than a test that passes waits for anything.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a server got of one request.
struct ReceivedRequest {
    line: String,
    body: u64,
    whole: bool,
}

/// Serves one request, whose body is in chunks if it has one.
fn serve(response: &'static str) -> (String, JoinHandle<ReceivedRequest>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let authority = listener.local_addr().unwrap().to_string();
    let served = std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut reader = BufReader::new(&stream);
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let mut chunked = false;
        let mut header = String::new();
        while reader.read_line(&mut header).unwrap() > 2 {
            chunked |= header.to_ascii_lowercase().contains("chunked");
            header.clear();
        }
        let mut got =
            ReceivedRequest { line: line.trim_end().to_owned(), body: 0, whole: !chunked && !line.is_empty() };
        while !got.whole {
            let mut size = String::new();
            reader.read_line(&mut size).unwrap();
            let Ok(size) = u64::from_str_radix(size.trim_end(), 16) else { break };
            let mut chunk = vec![0; usize::try_from(size).unwrap() + 2];
            if reader.read_exact(&mut chunk).is_err() {
                break;
            }
            got.body += size;
            got.whole = size == 0;
        }
        // A client that has gone away is what some of these tests want.
        drop((&stream).write_all(response.as_bytes()));
        got
    });
    (authority, served)
}

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";

/// Serves requests without a body on the first connection that comes, until the client closes it. Tells then how many they were.
fn serve_one_connection(response: &'static str) -> (String, mpsc::Receiver<usize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let authority = listener.local_addr().unwrap().to_string();
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        // A second one is refused.
        drop(listener);
        let mut served = 0;
        let lines = BufReader::new(stream.try_clone().unwrap()).lines().map(Result::unwrap);
        for _ in lines.filter(String::is_empty) {
            stream.write_all(response.as_bytes()).unwrap();
            served += 1;
        }
        tell.send(served)
    });
    (authority, told)
}

fn http(authority: &str) -> Grants {
    Grants { http: Some([format!("http://{authority}").parse().unwrap()].into_iter().collect()), ..Grants::default() }
}

/// A session that names the server and the path, and how many pieces a guest is to write.
fn naming(authority: Option<&str>, path: &str, pieces: u64) -> HookCall {
    let mut session = Session::new("acme", "s1");
    session.key = authority.map(str::to_owned);
    session.agent_id = Some(path.to_owned());
    let mut end = SessionEnd::new(EndReason::Reset, Timestamp::now());
    end.message_count = Some(pieces.try_into().unwrap());
    call(session, Event::End(end), 1)
}

/// The lines that the guest has printed.
fn printed(heard: &Heard) -> Vec<String> {
    heard.take().iter().map(|line| line.split_once(": ").unwrap().1.to_owned()).collect()
}

#[tokio::test]
async fn a_body_that_is_written_before_it_is_sent_arrives() {
    let (heard, _guard) = Heard::listen();
    let sandbox = sandbox();
    let limit = Limits::default().http_request_bytes;
    for pieces in [1, 2, 3, 4, 8, 64, limit / PIECE] {
        let (authority, served) = serve(OK);
        let plugin = load_with(&sandbox, "http-posts-first", generous(), http(&authority));
        let report = sandbox.call(&plugin, naming(Some(&authority), "/", pieces), LONG).await;
        assert_eq!(report.outcome, Outcome::Delivered, "{pieces} pieces");
        assert_eq!(printed(&heard), ["status=200"], "{pieces} pieces");
        let got = served.join().unwrap();
        assert_eq!((got.body, got.whole), (pieces * PIECE, true), "{pieces} pieces");
    }
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_refused_as_it_is_written_and_does_not_arrive_as_if_it_were_whole() {
    let (heard, _guard) = Heard::listen();
    let sandbox = sandbox();
    let (authority, served) = serve(OK);
    let limits = Limits { http_request_bytes: 10 * PIECE, ..generous() };
    let plugin = load_with(&sandbox, "http-posts-first", limits, http(&authority));
    let report = sandbox.call(&plugin, naming(Some(&authority), "/", 1_000), LONG).await;
    assert_eq!(report.outcome, Outcome::Delivered);
    assert_eq!(printed(&heard), ["refused=10 error=HTTP-request-body-size"]);
    let got = served.join().unwrap();
    assert!(!got.whole && got.body <= 10 * PIECE, "{} bytes, whole: {}", got.body, got.whole);
}

#[tokio::test]
async fn an_empty_path_is_sent_as_the_root() {
    let (heard, _guard) = Heard::listen();
    let sandbox = sandbox();
    for (path, line) in [("", "GET / HTTP/1.1"), ("?q=1", "GET /?q=1 HTTP/1.1"), ("/a", "GET /a HTTP/1.1")] {
        let (authority, served) = serve(OK);
        let plugin = load_with(&sandbox, "http-gets", generous(), http(&authority));
        let report = sandbox.call(&plugin, naming(Some(&authority), path, 0), LONG).await;
        assert_eq!(report.outcome, Outcome::Delivered, "{path:?}");
        assert_eq!(printed(&heard), ["status=200", "body=hello"], "{path:?}");
        assert_eq!(served.join().unwrap().line, line);
    }
}

#[tokio::test]
async fn calls_of_a_plugin_for_one_tenant_have_one_connection_until_the_sandbox_closes_it() {
    let (heard, _guard) = Heard::listen();
    let sandbox = sandbox();
    loop {
        let (authority, served) = serve_one_connection(OK);
        let plugin = load_with(&sandbox, "http-gets", generous(), http(&authority));
        let began = Instant::now();
        for _ in 0..3 {
            let report = sandbox.call(&plugin, naming(Some(&authority), "/", 0), LONG).await;
            assert_eq!(report.outcome, Outcome::Delivered);
        }
        sandbox.close_idle_connections();
        let (took, lines) = (began.elapsed(), printed(&heard));
        let served = served.recv_timeout(PATIENCE).unwrap();
        // A busy machine may pause for so long between two calls that the connection is not kept any more.
        if took < STAYS {
            assert_eq!(
                (served, lines),
                (3, ["status=200", "body=hello"].repeat(3).into_iter().map(str::to_owned).collect())
            );
            break;
        }
    }
}

/// Everything that is said, as `target plugin: message`.
#[derive(Clone, Default)]
struct Said(Arc<Mutex<Vec<String>>>);

impl<S: Subscriber> Layer<S> for Said {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        #[derive(Default)]
        struct Fields(BTreeMap<&'static str, String>);
        impl Visit for Fields {
            fn record_str(&mut self, field: &Field, value: &str) {
                self.0.insert(field.name(), value.to_owned());
            }
            fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
                self.0.insert(field.name(), format!("{value:?}"));
            }
        }
        let mut fields = Fields::default();
        event.record(&mut fields);
        let get = |name| fields.0.get(name).cloned().unwrap_or_default();
        let target = event.metadata().target();
        if *event.metadata().level() <= tracing::Level::WARN {
            self.0.lock().unwrap().push(format!("{target} {}: {}", get("plugin"), get("message")));
        }
    }
}

#[tokio::test]
async fn a_request_that_goes_wrong_is_told_once_a_call_with_the_plugins_name() {
    let said = Said::default();
    let _guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(said.clone()));
    let sandbox = sandbox();
    let limits = Limits { http_request_bytes: 10 * PIECE, ..generous() };
    // No authority; a server that stops in the middle; a body that is not sent to its end.
    for (guest, response, says) in [
        ("http-gets", None, "an outgoing request went wrong: it has no authority"),
        ("http-gets", Some("HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nhalf"), ""),
        ("http-uploads-forever", Some(OK), ""),
    ] {
        let server = response.map(serve);
        let authority = server.as_ref().map(|(authority, _)| authority.as_str());
        let plugin = load_with(&sandbox, guest, limits, http(authority.unwrap_or("127.0.0.1:9")));
        assert_eq!(sandbox.call(&plugin, naming(authority, "/", 0), LONG).await.outcome, Outcome::Delivered);
        let lines = std::mem::take(&mut *said.0.lock().unwrap());
        let own = lines.iter().all(|line| line.starts_with("lastword_sandbox::") && line.contains(guest));
        assert!(own && lines.len() <= 1, "{guest}: {lines:?}");
        assert!(lines.iter().any(|line| line.contains(says)) || says.is_empty(), "{guest}: {lines:?}");
    }
}

/// Finds this machine, once the process has had no file left for so many look-ups.
struct NoFileLeft(AtomicU32);

impl Resolve for NoFileLeft {
    fn resolve<'a>(&'a self, _host: &'a str) -> Resolving<'a> {
        let lacks = self.0.try_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok();
        let found: io::Result<Vec<IpAddr>> =
            if lacks { Err(Errno::MFILE.into()) } else { Ok(vec![[127, 0, 0, 1].into()]) };
        Box::pin(std::future::ready(found))
    }
}

#[tokio::test]
async fn a_call_for_whose_request_no_file_is_left_is_put_back_after_a_pause() {
    let config = SandboxConfig { max_concurrent_calls: Some(1), ..SandboxConfig::default() };
    let egress = Egress::new().with_resolver(Arc::new(NoFileLeft(AtomicU32::new(2))));
    let sandbox = Sandbox::with_egress(config, egress).unwrap();
    let (authority, served) = serve(OK);
    let named = authority.replace("127.0.0.1", "reports.test");
    let allowed = [&named, &authority].map(|to| format!("http://{to}").parse().unwrap());
    let grants = Grants { http: Some(allowed.into_iter().collect()), ..Grants::default() };
    // It answers `retry` when its request fails.
    let plugin = load_with(&sandbox, "http-reports", generous(), grants);
    let began = Instant::now();
    for outcome in [Outcome::Deferred(Deferral::Turn), Outcome::Deferred(Deferral::Turn), Outcome::Delivered] {
        let report = sandbox.call(&plugin, naming(Some(&named), "/", 0), LONG).await;
        assert_eq!(report.outcome, outcome);
    }
    assert!(began.elapsed() >= 2 * LACK_PAUSE, "two calls came back too soon: {:?}", began.elapsed());
    assert!(served.join().unwrap().line.starts_with("GET /"));
}
