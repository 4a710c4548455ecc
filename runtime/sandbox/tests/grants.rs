//! What a plugin is given, it finds in standard WASI; what it is not given is not there.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot be set up has failed")]

mod common;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use common::heard::Heard;
use common::{LONG, call, call_end, end, failure, generous, load_with, name, sandbox};
use lastword_events::{
    Event, FailureCause, HookCall, Outcome, PluginName, Session, SessionEnd, Transcript, key_value_bytes,
};
use lastword_sandbox::{
    Change, Grants, KeyValueError, KeyValueGrant, KeyValueUsage, KeyValues, Limits, LoadError, Sandbox, SandboxConfig,
    Source, TranscriptGrant,
};

/// Waits for what other threads are about to do.
async fn until(is_so: impl Fn() -> bool) {
    let waiting = async {
        while !is_so() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waiting).await.unwrap();
}

/// The lines that guests printed, without who and where.
fn printed(heard: &Heard) -> Vec<String> {
    heard.take().iter().map(|line| line.split_once(": ").unwrap().1.to_owned()).collect()
}

#[tokio::test]
async fn config_is_what_the_operator_wrote_and_nothing_else() {
    let (heard, _guard) = Heard::listen();
    let sandbox = sandbox();
    let config = |pairs: &[(&str, &str)]| {
        let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Grants { config: Some(pairs.collect()), ..Grants::default() }
    };
    let told = load_with(&sandbox, "config-prints", generous(), config(&[("greeting", "hello"), ("other", "x")]));
    assert_eq!(call_end(&sandbox, &told).await.outcome, Outcome::Delivered);
    assert_eq!(printed(&heard), ["greeting=hello", "pairs=2"]);
    let empty = load_with(&sandbox, "config-prints", generous(), config(&[]));
    assert_eq!(call_end(&sandbox, &empty).await.outcome, Outcome::Delivered);
    assert_eq!(printed(&heard), ["greeting absent", "pairs=0"]);
}

#[test]
fn a_grant_gives_its_own_interface_and_no_other() {
    let sandbox = sandbox();
    let source = |guest| Source::Bytes(lastword_test_guests::component(guest));
    let config = Grants { config: Some(BTreeMap::new()), ..Grants::default() };
    for guest in ["imports-http", "imports-keyvalue"] {
        let refused = sandbox.load_with(name(guest), &source(guest), generous(), config.clone());
        assert!(matches!(refused, Err(LoadError::NeedsGrant { .. })), "{guest}");
    }
}

/// A store that lives as long as the test.
#[derive(Default)]
struct Stored(Mutex<BTreeMap<String, Vec<u8>>>);

impl KeyValues for Stored {
    fn get(&self, _: &str, _: &PluginName, key: &str) -> Result<Option<Vec<u8>>, KeyValueError> {
        Ok(self.0.lock().unwrap().get(key).cloned())
    }

    fn keys(&self, _: &str, _: &PluginName, after: Option<&str>, limit: usize) -> Result<Vec<String>, KeyValueError> {
        let stored = self.0.lock().unwrap();
        Ok(stored.keys().filter(|key| after.is_none_or(|after| key.as_str() > after)).take(limit).cloned().collect())
    }

    fn usage(&self, _: &str, _: &PluginName) -> Result<KeyValueUsage, KeyValueError> {
        let stored = self.0.lock().unwrap();
        let bytes = stored.iter().map(|(key, value)| key_value_bytes(key, value)).sum();
        Ok(KeyValueUsage { bytes, tenant_left: None })
    }
}

fn key_value(quota: u64) -> Grants {
    Grants { key_value: Some(KeyValueGrant { quota }), ..Grants::default() }
}

#[tokio::test]
async fn what_a_guest_writes_comes_out_with_its_ok_and_not_otherwise() {
    let sandbox = sandbox();
    let store = Arc::new(Stored::default());
    store.0.lock().unwrap().insert("ends".to_owned(), b"41".to_vec());
    for (guest, ok) in [("kv-counts", true), ("kv-counts-then-fails", false), ("kv-counts-then-traps", false)] {
        let plugin = load_with(&sandbox, guest, generous(), key_value(1 << 20));
        let report = sandbox.call(&plugin, end("s1", 1), LONG).with_key_values(store.clone()).await;
        let written = if ok { vec![("ends".to_owned(), Change::Add(1))] } else { Vec::new() };
        assert_eq!(report.changes, written, "{guest}: {}", report.outcome);
        assert_eq!(report.outcome == Outcome::Delivered, ok, "{guest}");
    }
    assert_eq!(store.0.lock().unwrap()["ends"], b"41", "the sandbox itself writes nothing");
}

#[tokio::test]
async fn a_guest_uses_its_store_as_any_other() {
    let (heard, _guard) = Heard::listen();
    let sandbox = sandbox();
    let store = Arc::new(Stored::default());
    store.0.lock().unwrap().insert("before".to_owned(), b"x".to_vec());
    for guest in ["kv-remembers", "kv-increments-text", "kv-counts"] {
        let plugin = load_with(&sandbox, guest, generous(), key_value(1 << 20));
        let report = sandbox.call(&plugin, end("s1", 1), LONG).with_key_values(store.clone()).await;
        assert_eq!(report.outcome, Outcome::Delivered, "{guest}");
    }
    assert_eq!(printed(&heard), ["keys=2", "ends=1"]);
}

#[tokio::test]
async fn a_guest_is_told_of_its_quota() {
    let sandbox = sandbox();
    let plugin = load_with(&sandbox, "kv-flood", generous(), key_value(100_000));
    let report = sandbox.call(&plugin, end("s1", 1), LONG).with_key_values(Arc::new(Stored::default())).await;
    let (_, message) = failure(&report);
    assert!(message.starts_with("quota: the plugin may store 100000 bytes"), "{message}");
    assert_eq!(report.changes, []);
    let plugin = load_with(&sandbox, "kv-big-key", generous(), key_value(1 << 20));
    let report = sandbox.call(&plugin, end("s1", 1), LONG).with_key_values(Arc::new(Stored::default())).await;
    assert!(failure(&report).1.starts_with("a key has 1 to 1024 bytes"), "{report:?}");
}

#[tokio::test]
async fn a_guest_is_told_of_what_one_call_may_write() {
    let sandbox = sandbox();
    let call = async |limits: Limits| {
        let plugin = load_with(&sandbox, "kv-flood", limits, key_value(1 << 30));
        let report = sandbox.call(&plugin, end("s1", 1), LONG).with_key_values(Arc::new(Stored::default())).await;
        assert_eq!(report.changes, []);
        failure(&report).1.to_owned()
    };
    // Each is 4 KiB and the key.
    let bytes = call(Limits { key_value_bytes: 10_000, ..generous() }).await;
    assert!(bytes.starts_with("limit keyvalue-bytes: one call may write 10000 bytes"), "{bytes}");
    let keys = call(Limits { key_value_keys: 7, ..generous() }).await;
    assert_eq!(keys, "limit keyvalue-keys: one call may change 7 keys");
}

/// A disk that takes its time for each look-up.
struct Slow {
    stored: Stored,
    takes: Duration,
}

#[expect(clippy::disallowed_methods, reason = "what is tested is a thread that a disk keeps")]
impl KeyValues for Slow {
    fn get(&self, tenant: &str, plugin: &PluginName, key: &str) -> Result<Option<Vec<u8>>, KeyValueError> {
        std::thread::sleep(self.takes);
        self.stored.get(tenant, plugin, key)
    }

    fn keys(&self, tenant: &str, of: &PluginName, after: Option<&str>, n: usize) -> Result<Vec<String>, KeyValueError> {
        std::thread::sleep(self.takes);
        self.stored.keys(tenant, of, after, n)
    }

    fn usage(&self, tenant: &str, plugin: &PluginName) -> Result<KeyValueUsage, KeyValueError> {
        self.stored.usage(tenant, plugin)
    }
}

#[tokio::test]
async fn the_time_of_a_look_up_is_the_guests() {
    let sandbox = sandbox();
    let slow = |ms| Arc::new(Slow { stored: Stored::default(), takes: Duration::from_millis(ms) });
    let counts = load_with(&sandbox, "kv-counts", generous(), key_value(1 << 20));
    let report = sandbox.call(&counts, end("s1", 1), LONG).with_key_values(slow(40)).await;
    assert_eq!(report.outcome, Outcome::Delivered);
    assert!(report.active >= Duration::from_millis(39), "{:?} of {:?}", report.active, report.wall);

    // It would come to its 256 keys, a hundredth of a second each.
    let floods = load_with(&sandbox, "kv-flood", generous(), key_value(1 << 20));
    let deadline = Duration::from_millis(100);
    let report = sandbox.call(&floods, end("s1", 1), deadline).with_key_values(slow(10)).await;
    assert_eq!(failure(&report).0, &FailureCause::Deadline, "{report:?}");
}

/// A server that answers one request with `response` and gives back what it was sent.
fn serve_once(response: &'static str) -> (String, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let authority = listener.local_addr().unwrap().to_string();
    let served = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        let mut buffer = [0; 4096];
        while !request.ends_with(b"\r\n\r\n") && !request.ends_with(b"0\r\n\r\n") {
            match stream.read(&mut buffer).unwrap() {
                0 => break,
                read => request.extend_from_slice(&buffer[..read]),
            }
        }
        stream.write_all(response.as_bytes()).unwrap();
        String::from_utf8(request).unwrap()
    });
    (authority, served)
}

/// The end of a session that names where its plugin goes.
fn end_naming(authority: &str, path: &str) -> HookCall {
    let mut session = Session::new("acme", "s1");
    session.key = Some(authority.to_owned());
    session.agent_id = Some(path.to_owned());
    call(session, Event::End(SessionEnd::new(lastword_events::EndReason::Reset, lastword_events::Timestamp::now())), 1)
}

fn http(urls: &[&str]) -> Grants {
    Grants { http: Some(urls.iter().map(|url| url.parse().unwrap()).collect()), ..Grants::default() }
}

#[tokio::test]
async fn a_request_goes_where_it_may() {
    let (heard, _guard) = Heard::listen();
    let sandbox = sandbox();
    let (authority, served) = serve_once("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello");
    let plugin = load_with(&sandbox, "http-gets", generous(), http(&[&format!("http://{authority}")]));
    let report = sandbox.call(&plugin, end_naming(&authority, "/end?s=1"), LONG).await;
    assert_eq!(report.outcome, Outcome::Delivered);
    assert_eq!(printed(&heard), ["status=200", "body=hello"]);
    let request = served.join().unwrap();
    assert!(request.starts_with("GET /end?s=1 HTTP/1.1\r\n"), "{request}");
    assert_eq!(request.to_lowercase().matches("host: ").count(), 1, "{request}");
}

#[tokio::test]
async fn a_request_goes_nowhere_else() {
    let (heard, _guard) = Heard::listen();
    let sandbox = sandbox();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    // A name that leads to loopback, and the very address which is not granted with this port.
    let grants = http(&[&format!("http://localhost:{port}"), "http://127.0.0.1:1"]);
    let plugin = load_with(&sandbox, "http-gets", generous(), grants);
    for (authority, error) in [
        (format!("127.0.0.1:{port}"), "HTTP-request-denied"),
        (format!("localhost:{port}"), "destination-IP-prohibited"),
        (format!("localhost:{port}@127.0.0.1:{port}"), "HTTP-request"),
        ("169.254.169.254".to_owned(), "HTTP-request-denied"),
    ] {
        let report = sandbox.call(&plugin, end_naming(&authority, "/"), LONG).await;
        assert_eq!(report.outcome, Outcome::Delivered, "{authority}");
        let lines = printed(&heard);
        assert!(lines.iter().any(|line| line.starts_with(&format!("error={error}"))), "{authority}: {lines:?}");
    }
    listener.set_nonblocking(true).unwrap();
    assert!(listener.accept().is_err(), "nobody has connected");
}

#[tokio::test]
async fn the_transcript_is_copied_for_the_call_and_gone_afterwards() {
    let (heard, _guard) = Heard::listen();
    let (root, scratch) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::fs::create_dir(root.path().join("acme")).unwrap();
    let file = root.path().join("acme/s1.jsonl");
    std::fs::write(&file, "{\"role\":\"user\"}").unwrap();
    let config = SandboxConfig {
        max_concurrent_calls: Some(4),
        scratch_dir: Some(scratch.path().to_owned()),
        ..SandboxConfig::default()
    };
    let sandbox = Sandbox::new(config).unwrap();
    let root = format!("{}/{{tenant}}", root.path().display()).parse().unwrap();
    let grants = Grants { transcript: Some(TranscriptGrant { root, max: 1 << 20 }), ..Grants::default() };
    let end_with = |tenant: &str, uri: &str| {
        let mut session = Session::new(tenant, "s1");
        session.transcript = Some(Transcript { uri: uri.to_owned(), archived: false });
        call(
            session,
            Event::End(SessionEnd::new(lastword_events::EndReason::Reset, lastword_events::Timestamp::now())),
            1,
        )
    };
    let reads = load_with(&sandbox, "transcript-reads", generous(), grants.clone());
    let tricks = load_with(&sandbox, "transcript-tricks", generous(), grants);
    let uri = file.to_str().unwrap();

    assert_eq!(sandbox.call(&reads, end_with("acme", uri), LONG).await.outcome, Outcome::Delivered);
    assert_eq!(printed(&heard), ["first={\"role\":\"user\"}", "bytes=15"]);
    assert_eq!(sandbox.call(&tricks, end_with("acme", uri), LONG).await.outcome, Outcome::Delivered);
    // Another tenant's, and one that is no file.
    for (tenant, uri) in [("other", uri), ("acme", "sqlite:sessions.db"), ("acme", "/etc/passwd")] {
        assert_eq!(sandbox.call(&reads, end_with(tenant, uri), LONG).await.outcome, Outcome::Delivered);
        assert_eq!(printed(&heard).last().unwrap(), "absent", "{tenant} {uri}");
    }
    // The copies are removed behind the calls' backs.
    let dirs = || std::fs::read_dir(scratch.path()).unwrap().map(|dir| dir.unwrap().path());
    let copies =
        || dirs().flat_map(|dir| std::fs::read_dir(dir).unwrap()).filter(|c| c.as_ref().unwrap().path().is_dir());
    until(|| copies().count() == 0).await;
    assert_eq!(dirs().count(), 1);
    drop((sandbox, reads, tricks));
    until(|| std::fs::read_dir(scratch.path()).unwrap().count() == 0).await;
}
