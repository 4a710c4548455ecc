//! The page at `/`: who sees what, who may press what, and that nobody else's page can.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use http::Method;
use lastword::events::{FailureCause, Hook, HookCall, Outcome, PluginName};
use lastword::journal::testing::FaultyJournal;
use lastword::{Leave, Plugin, PluginKey};
use lastword_server::{NewToken, Role, Token};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::support::{Agent, Answer, Build, COMES, Client, Daemon, GRACE, start_body, tokens};

/// What a plugin answers that gives up.
fn gives_up(message: &str) -> Outcome {
    Outcome::Failed { cause: FailureCause::Fatal, message: message.to_owned() }
}

/// A daemon whose plugin gives up, with tokens, and where it listens.
async fn gives_up_for(of: &[(&str, Role, Option<&str>)]) -> (Daemon, SocketAddr, Vec<String>) {
    let (store, texts) = tokens(of);
    let daemon = Build { tokens: store, outcome: gives_up("no such user"), ..Build::default() }.start();
    let address = daemon.listen().await;
    (daemon, address, texts)
}

/// Sends a form as a browser does.
pub(crate) async fn send(client: &mut Client, path: &str, fields: &[(&str, &str)], headers: &[(&str, &str)]) -> Answer {
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    let headers = [&[("content-type", "application/x-www-form-urlencoded")][..], headers].concat();
    client.ask(Method::POST, path, &body, &headers).await
}

/// A browser with a login: its cookie.
pub(crate) async fn log_in(address: SocketAddr, token: &str) -> (Client, String) {
    let mut browser = Client::tcp(address, None).await;
    let answer = send(&mut browser, "/login", &[("token", token)], &[]).await;
    assert_eq!((answer.status, &answer.headers["location"]), (303, &"/".parse().unwrap()), "{}", answer.text());
    (browser, cookie_of(&answer))
}

/// The cookie that a login is answered with.
fn cookie_of(answer: &Answer) -> String {
    let cookie = answer.headers["set-cookie"].to_str().unwrap();
    cookie.split(';').next().unwrap().to_owned()
}

pub(crate) async fn page(browser: &mut Client, cookie: &str) -> String {
    let answer = browser.ask(Method::GET, "/", "", &[("cookie", cookie)]).await;
    assert_eq!((answer.status, &answer.headers["content-type"]), (200, &"text/html; charset=utf-8".parse().unwrap()));
    answer.text()
}

/// What the forms of a page are sent with.
pub(crate) fn form_token(page: &str) -> String {
    let (_, rest) = page.split_once(r#"name="form" value=""#).unwrap();
    rest.split('"').next().unwrap().to_owned()
}

/// A session of this tenant whose deliveries are given up: the id of one of them.
async fn give_up(daemon: &Daemon, tenant: &str, id: &str) -> String {
    let mut operator = daemon.client().await;
    let started = operator.post(&format!("/v1/sessions?tenant={tenant}&wait=delivered"), &start_body(id)).await.ok();
    assert_eq!(started["outcomes"][0]["state"], "dead", "{started}");
    started["deliveries"][0].as_str().unwrap().to_owned()
}

/// What was not made of this tenant's, with its attempts, when there is nothing more to try.
async fn unmade_of(daemon: &Daemon, tenant: &str) -> Vec<Value> {
    timeout(COMES, daemon.runtime.settled()).await.unwrap();
    let listed = daemon.client().await.get(&format!("/v1/deliveries?tenant={tenant}")).await.ok();
    listed["deliveries"].as_array().unwrap().clone()
}

/// The number of the last attempt of each.
fn attempts(unmade: &[Value]) -> Vec<u64> {
    unmade.iter().map(|row| row["attempt"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn a_login_is_a_cookie_that_no_script_reads_and_that_is_not_the_token() {
    let (daemon, address, texts) = gives_up_for(&[("t", Role::Operator, None)]).await;
    let mut browser = Client::tcp(address, None).await;
    let asked = browser.get("/").await;
    assert_eq!((asked.status, &asked.headers["www-authenticate"]), (401, &"Bearer".parse().unwrap()));
    assert!(asked.text().contains(r#"action="/login""#) && asked.text().contains(r#"type="password""#));
    for wrong in ["", "lastword_0", "<script>"] {
        let refused = send(&mut browser, "/login", &[("token", wrong)], &[]).await;
        assert!(refused.status == 401 && refused.text().contains("not valid"), "{}", refused.text());
        assert!(!refused.headers.contains_key("set-cookie"));
    }
    let answer = send(&mut browser, "/login", &[("token", &texts[0])], &[]).await;
    let set = answer.headers["set-cookie"].to_str().unwrap().to_owned();
    // Not the port: that of another daemon may look the same to a browser.
    let name = format!("lastword-login-{}=", daemon.server.status().journal);
    assert!(set.starts_with(&name) && !set.contains(&texts[0]) && !set.contains("Secure"), "{set}");
    for attribute in ["Path=/", "HttpOnly", "SameSite=Strict", "Max-Age=43200"] {
        assert!(set.split("; ").any(|said| said == attribute), "{attribute} is not in {set}");
    }
    let cookie = set.split(';').next().unwrap();
    let seen = page(&mut browser, cookie).await;
    assert!(seen.contains("operator, every tenant") && !seen.contains(&texts[0]), "{seen}");
    // With TLS it is never sent without, and no other page can set one of its name.
    let mut over_tls = Client::tls(&daemon, None).await;
    let answer = send(&mut over_tls, "/login", &[("token", &texts[0])], &[]).await;
    let set = answer.headers["set-cookie"].to_str().unwrap();
    assert!(set.starts_with("__Host-lastword-login-") && set.ends_with("; Secure"), "{set}");
}

#[tokio::test]
async fn a_login_ends_with_a_word_of_it_and_with_its_token() {
    let (store, texts) = tokens(&[("t", Role::Operator, None)]);
    let daemon = Build { tokens: store.clone(), ..Build::default() }.start();
    let address = daemon.listen().await;
    let (mut browser, cookie) = log_in(address, &texts[0]).await;
    let (mut other, mut others) = log_in(address, &texts[0]).await;
    let token = form_token(&page(&mut browser, &cookie).await);
    let left = send(&mut browser, "/logout", &[("form", &token)], &[("cookie", &cookie)]).await;
    assert!(left.status == 303 && left.headers["set-cookie"].to_str().unwrap().contains("Max-Age=0"));
    assert_eq!(browser.ask(Method::GET, "/", "", &[("cookie", &cookie)]).await.status, 401);
    page(&mut other, &others).await;
    // Who logs in again has one login, and not two.
    let again = send(&mut other, "/login", &[("token", &texts[0])], &[("cookie", &others)]).await;
    let before = std::mem::replace(&mut others, cookie_of(&again));
    assert_ne!(before, others);
    assert_eq!(other.ask(Method::GET, "/", "", &[("cookie", &before)]).await.status, 401);
    page(&mut other, &others).await;
    let new = NewToken::generate().unwrap();
    store.replace(vec![Token::new("t", &new.hash(), Role::Operator, None).unwrap()]);
    assert_eq!(other.ask(Method::GET, "/", "", &[("cookie", &others)]).await.status, 401);
}

#[tokio::test]
async fn a_browser_changes_nothing_by_itself() {
    let (daemon, address, texts) = gives_up_for(&[("t", Role::Operator, None)]).await;
    let dead = give_up(&daemon, "default", "s").await;
    let before = unmade_of(&daemon, "default").await;
    assert_eq!(attempts(&before), [1]);
    let (mut browser, cookie) = log_in(address, &texts[0]).await;
    let (mut other, others) = log_in(address, &texts[0]).await;
    let (own, of_other) =
        (form_token(&page(&mut browser, &cookie).await), form_token(&page(&mut other, &others).await));
    assert_ne!(own, of_other);
    let basic = format!("Basic {}", basic(&texts[0]));
    let ways: [(&str, &str); 2] = [("cookie", &cookie), ("authorization", &basic)];
    for way in ways {
        for form in [None, Some(""), Some("0"), Some(of_other.as_str())] {
            let fields: Vec<(&str, &str)> =
                [("delivery", dead.as_str())].into_iter().chain(form.map(|form| ("form", form))).collect();
            for path in ["/redeliver", "/drop", "/logout"] {
                let refused = send(&mut browser, path, &fields, &[way]).await;
                assert_eq!(refused.problem(403), "form_token", "{path} {form:?} {way:?}");
            }
        }
        // The API takes what nobody's page can have sent.
        browser.ask(Method::GET, "/v1/sessions", "", &[way]).await.ok();
        for (method, path) in [
            (Method::POST, "/v1/sessions"),
            (Method::POST, "/v1/deliveries/redeliver"),
            (Method::POST, "/v1/deliveries/drop"),
            (Method::DELETE, "/v1/owners/o"),
            (Method::PUT, "/v1/owners/o"),
        ] {
            assert_eq!(browser.ask(method, path, "{}", &[way]).await.problem(403), "form_token", "{path}");
        }
    }
    // Another site's page that had the form token would still be told by the browser's own word.
    for (name, value) in [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        ("origin", "https://evil.example"),
        ("origin", "null"),
    ] {
        let fields = [("form", own.as_str()), ("delivery", dead.as_str())];
        for path in ["/redeliver", "/drop"] {
            let refused = send(&mut browser, path, &fields, &[("cookie", &cookie), (name, value)]).await;
            assert_eq!(refused.problem(403), "cross_site", "{path} {name}: {value}");
        }
        let refused = send(&mut browser, "/login", &[("token", &texts[0])], &[(name, value)]).await;
        assert_eq!(refused.problem(403), "cross_site", "{name}: {value}");
    }
    assert_eq!(unmade_of(&daemon, "default").await, before, "it was given up, and was not tried again");
    // Its own page does it, and who shows a token on purpose.
    let fields = [("form", own.as_str()), ("delivery", dead.as_str())];
    let done = send(&mut browser, "/redeliver", &fields, &[("cookie", &cookie), ("origin", "http://localhost")]).await;
    assert_eq!((done.status, &done.headers["location"]), (303, &"/?redelivered=1".parse().unwrap()));
    let seen = browser.ask(Method::GET, "/?redelivered=1", "", &[("cookie", &cookie)]).await.text();
    assert!(seen.contains("1 delivery is owed again"), "{seen}");
    assert_eq!(attempts(&unmade_of(&daemon, "default").await), [2]);
    let mut on_purpose = Client::tcp(address, Some(&texts[0])).await;
    let again = send(&mut on_purpose, "/redeliver", &[("plugin", "memory")], &[]).await;
    assert_eq!((again.status, &again.headers["location"]), (303, &"/?redelivered=1".parse().unwrap()));
    assert_eq!(attempts(&unmade_of(&daemon, "default").await), [3]);
    let done = send(&mut browser, "/drop", &fields, &[("cookie", &cookie), ("origin", "http://localhost")]).await;
    assert_eq!((done.status, &done.headers["location"]), (303, &"/?dropped=1".parse().unwrap()));
    let seen = browser.ask(Method::GET, "/?dropped=1", "", &[("cookie", &cookie)]).await.text();
    assert!(seen.contains("1 delivery was dropped") && seen.contains("nothing was given up"), "{seen}");
    assert!(unmade_of(&daemon, "default").await.is_empty());
    let again = send(&mut browser, "/drop", &fields, &[("cookie", &cookie)]).await;
    assert_eq!(again.headers["location"], "/?dropped=0");
}

/// `user:password`, as HTTP Basic has it.
fn basic(token: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(format!("anybody:{token}"))
}

#[tokio::test]
async fn http_basic_shows_the_page_and_its_forms_work() {
    let (daemon, address, texts) = gives_up_for(&[("t", Role::Operator, None)]).await;
    let dead = give_up(&daemon, "default", "s").await;
    let mut browser = Client::tcp(address, None).await;
    let basic = format!("Basic {}", basic(&texts[0]));
    let way = [("authorization", basic.as_str())];
    let seen = browser.ask(Method::GET, "/", "", &way).await;
    assert_eq!(seen.status, 200);
    let fields = [("form", form_token(&seen.text())), ("delivery", dead)];
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert_eq!(send(&mut browser, "/redeliver", &fields, &way).await.status, 303);
    let wrong = browser.ask(Method::GET, "/", "", &[("authorization", "Basic Og==")]).await;
    assert_eq!(wrong.status, 401);
}

#[tokio::test]
async fn a_name_that_is_not_ours_is_not_answered_where_a_browser_may_be_asking() {
    let (store, texts) = tokens(&[("t", Role::Operator, None)]);
    let hosts = vec!["lastword.example".to_owned()];
    let daemon = Build { tokens: store, hosts, ..Build::default() }.start();
    let address = daemon.listen().await;
    let (mut browser, cookie) = log_in(address, &texts[0]).await;
    let basic = format!("Basic {}", basic(&texts[0]));
    for way in [("cookie", cookie.as_str()), ("authorization", basic.as_str())] {
        for path in ["/", "/assets/page.js", "/login", "/v1/sessions", "/v1/stream", "/metrics"] {
            let refused = browser.ask(Method::GET, path, "", &[way, ("host", "evil.example")]).await;
            assert_eq!(refused.problem(421), "wrong_host", "{path}");
            assert!(refused.json()["detail"].as_str().unwrap().contains("hosts"), "{}", refused.text());
        }
    }
    let evil = [("host", "evil.example:80")];
    assert_eq!(send(&mut browser, "/login", &[("token", &texts[0])], &evil).await.problem(421), "wrong_host");
    for host in ["lastword.example", "LASTWORD.example:7417", "127.0.0.1:1", "[::1]:1", "localhost:7417"] {
        let seen = browser.ask(Method::GET, "/", "", &[("cookie", &cookie), ("host", host)]).await;
        assert_eq!(seen.status, 200, "{host}");
    }
    // What no browser sends by itself may be asked of any name, as before.
    let mut client = Client::tcp(address, Some(&texts[0])).await;
    client.ask(Method::GET, "/v1/sessions", "", &[("host", "gateway.example")]).await.ok();
    // Somebody may have made a port of the socket.
    let mut socket = daemon.client().await;
    for (path, host) in [("/", "evil.example"), ("/v1/sessions", "evil.example"), ("/v1/sessions", "x")] {
        let refused = socket.ask(Method::GET, path, "", &[("host", host)]).await;
        assert_eq!(refused.problem(421), "wrong_host", "{path} of {host}");
    }
    for host in ["lastword", "localhost:8080"] {
        socket.ask(Method::GET, "/v1/sessions", "", &[("host", host)]).await.ok();
    }
    let evil = [("origin", "http://evil.example")];
    let refused = socket.ask(Method::POST, "/v1/sessions", &start_body("s"), &evil).await;
    assert_eq!(refused.problem(403), "cross_site");
    assert!(!daemon.is_active("default", "s"));
}

#[tokio::test]
async fn who_may_only_read_sees_no_button_and_can_press_none() {
    let (daemon, address, texts) =
        gives_up_for(&[("w", Role::Owner, None), ("r", Role::ReadOnly, None), ("o", Role::Operator, None)]).await;
    let dead = give_up(&daemon, "default", "s").await;
    for (text, may) in texts.iter().zip([false, false, true]) {
        let (mut browser, cookie) = log_in(address, text).await;
        let seen = page(&mut browser, &cookie).await;
        assert!(seen.contains("no such user"), "{seen}");
        for action in [r#"action="/redeliver""#, r#"action="/drop""#, "<details"] {
            assert_eq!(seen.contains(action), may, "{action}: {seen}");
        }
        let token = form_token(&seen);
        for path in ["/redeliver", "/drop"] {
            // What was redelivered may be under way, and cannot be dropped then.
            timeout(COMES, daemon.runtime.settled()).await.unwrap();
            for what in [("delivery", dead.as_str()), ("plugin", "memory")] {
                let fields = [("form", token.as_str()), ("state", "dead"), what];
                let answer = send(&mut browser, path, &fields, &[("cookie", &cookie)]).await;
                if may {
                    assert_eq!(answer.status, 303, "{}", answer.text());
                } else {
                    assert_eq!(answer.problem(403), "forbidden");
                }
            }
        }
        assert_eq!(unmade_of(&daemon, "default").await.is_empty(), may, "who may not drop it has not");
    }
}

/// Sends a form of the page. Gives the place that the browser is sent to.
async fn press(browser: &mut Client, cookie: &str, path: &str, fields: &[(&str, &str)]) -> String {
    let answer = send(browser, path, fields, &[("cookie", cookie)]).await;
    answer.headers["location"].to_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_tenant_sees_and_presses_what_is_its_own() {
    let (daemon, address, texts) =
        gives_up_for(&[("a", Role::Operator, Some("a")), ("b", Role::Operator, Some("b"))]).await;
    let of_b = give_up(&daemon, "b", "session-of-b").await;
    let of_a = give_up(&daemon, "a", "session-of-a").await;
    let mut operator = daemon.client().await;
    for tenant in ["a", "b"] {
        operator.put(&format!("/v1/owners/gone-of-{tenant}?tenant={tenant}"), r#"{"lease":"1h"}"#).await.ok();
        let started = format!("/v1/sessions?tenant={tenant}&owner=gone-of-{tenant}&wait=delivered");
        operator.post(&started, &start_body(&format!("other-of-{tenant}"))).await.ok();
        operator.delete(&format!("/v1/owners/gone-of-{tenant}?tenant={tenant}")).await.ok();
        operator.put(&format!("/v1/owners/dead-of-{tenant}?tenant={tenant}"), r#"{"lease":"5s"}"#).await.ok();
        let started = format!("/v1/sessions?tenant={tenant}&owner=dead-of-{tenant}&wait=delivered");
        operator.post(&started, &start_body(&format!("left-of-{tenant}"))).await.ok();
    }
    daemon.clock.advance(Duration::from_secs(5));
    daemon.lost(2).await;
    let (before_a, before_b) = (unmade_of(&daemon, "a").await, unmade_of(&daemon, "b").await);
    // The starts of three sessions, and the end of the one whose owner said goodbye.
    assert_eq!((attempts(&before_a), attempts(&before_b)), (vec![1; 4], vec![1; 4]));
    let (mut browser, cookie) = log_in(address, &texts[0]).await;
    let seen = page(&mut browser, &cookie).await;
    for own in ["session-of-a", &of_a, "gone-of-a", "dead-of-a"] {
        assert!(seen.contains(own), "{own} is not in {seen}");
    }
    for foreign in ["-of-b", &of_b, "<bdi>b</bdi>", "every tenant", "process "] {
        assert!(!seen.contains(foreign), "{foreign} is in {seen}");
    }
    let token = form_token(&seen);
    let of_plugin = [("form", token.as_str()), ("plugin", "memory")];
    let done = press(&mut browser, &cookie, "/redeliver", &of_plugin).await;
    assert_eq!(done, "/?redelivered=4", "its own, and no other");
    let of_other = [("form", token.as_str()), ("delivery", of_b.as_str())];
    assert_eq!(press(&mut browser, &cookie, "/redeliver", &of_other).await, "/?redelivered=0");
    assert_eq!(attempts(&unmade_of(&daemon, "a").await), [2; 4]);
    assert_eq!(unmade_of(&daemon, "b").await, before_b, "nothing of the other's was tried again");
    assert_eq!(press(&mut browser, &cookie, "/drop", &of_other).await, "/?dropped=0");
    let of_plugin = [&of_plugin[..], &[("state", "dead")][..]].concat();
    assert_eq!(press(&mut browser, &cookie, "/drop", &of_plugin).await, "/?dropped=4", "its own, and no other");
    assert!(unmade_of(&daemon, "a").await.is_empty());
    assert_eq!(unmade_of(&daemon, "b").await, before_b, "nothing of the other's was dropped");
}

#[tokio::test]
async fn what_is_left_of_an_uninstalled_plugin_is_dropped_in_the_state_that_the_form_names() {
    let (store, texts) = tokens(&[("t", Role::Operator, None)]);
    let outcome = Outcome::Failed { cause: FailureCause::Retry, message: "the server is away".to_owned() };
    let daemon = Build { tokens: store, outcome, ..Build::default() }.start();
    let address = daemon.listen().await;
    daemon.client().await.post("/v1/sessions", &start_body("s")).await.ok();
    let memory = PluginKey::from(PluginName::new("memory").unwrap());
    daemon.runtime.uninstall(&memory, Leave::Orphaned).await.unwrap();
    let unmade = daemon.client().await.get("/v1/deliveries").await.ok();
    let unmade = unmade["deliveries"].as_array().unwrap();
    assert!(unmade.len() == 1 && unmade[0]["state"] == "orphaned", "{unmade:?}");
    let (mut browser, cookie) = log_in(address, &texts[0]).await;
    let seen = page(&mut browser, &cookie).await;
    assert!(seen.contains("Drop all of memory that it has left behind"), "{seen}");
    assert!(!seen.contains("that were given up") && !seen.contains(r#"action="/redeliver""#), "{seen}");
    let token = form_token(&seen);
    let all = |state| [("form", token.as_str()), ("plugin", "memory"), ("state", state)];
    assert_eq!(press(&mut browser, &cookie, "/drop", &all("dead")).await, "/?dropped=0");
    assert_eq!(press(&mut browser, &cookie, "/drop", &all("orphaned")).await, "/?dropped=1");
    let unmade = daemon.client().await.get("/v1/deliveries").await.ok();
    assert_eq!(unmade["deliveries"], json!([]));
}

#[tokio::test]
async fn what_others_have_said_is_text_wherever_it_stands() {
    let long = "x".repeat(10 * 1024);
    let hostile = |name: &str, most: usize| {
        let text = format!("{name}<script>alert('\"&')</script>\u{202e}\"onload=\"{long}");
        text[..text.floor_char_boundary(most)].to_owned()
    };
    let message = hostile("m-message", 10 * 1024);
    let daemon = Build { outcome: gives_up(&message), ..Build::default() }.start();
    let (tenant, id, owner) = (hostile("m-tenant", 128), hostile("m-session", 512), hostile("m-owner", 256));
    let (dead, kind, cwd) = (hostile("m-dead", 200), hostile("m-kind", 1024), hostile("m-cwd", 4096));
    let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let mut client = daemon.client().await;
    for (name, lease) in [(&owner, "1h"), (&dead, "5s")] {
        let path = format!("/v1/owners/{}?tenant={}", encoded(name), encoded(&tenant));
        client.put(&path, &json!({"kind": "m-kind<b>", "lease": lease}).to_string()).await.ok();
    }
    let session = json!({"session": {"id": id, "tenant": tenant, "owner_kind": kind, "cwd": cwd}}).to_string();
    let start = format!("/v1/sessions?owner={}&wait=delivered", encoded(&owner));
    client.post(&start, &session).await.ok();
    let left = json!({"session": {"id": "left", "tenant": tenant}}).to_string();
    client.post(&format!("/v1/sessions?owner={}", encoded(&dead)), &left).await.ok();
    daemon.clock.advance(Duration::from_secs(5));
    daemon.lost(1).await;
    let text = client.get("/").await.text();
    for marker in ["m-message", "m-tenant", "m-session", "m-owner", "m-dead", "m-kind", "m-cwd"] {
        assert!(text.contains(&format!("<bdi>{marker}")), "{marker} is not isolated in {text}");
    }
    assert_eq!(text.matches("<script").count(), 1, "the page's own: {text}");
    assert!(!text.contains("<b>") && !text.contains('\u{202e}') && !text.contains("\"onload"), "{text}");
    assert!(text.contains("\\u{202e}"), "it is shown that there is one");
    assert!(!text.contains(&"x".repeat(200)) && text.len() < 64 * 1024, "{} bytes", text.len());
}

#[tokio::test]
async fn whatever_is_answered_here_says_that_nothing_comes_from_elsewhere() {
    let (_daemon, address, texts) = gives_up_for(&[("t", Role::Operator, None)]).await;
    let (mut browser, cookie) = log_in(address, &texts[0]).await;
    for (method, path) in [
        (Method::GET, "/"),
        (Method::HEAD, "/"),
        (Method::GET, "/login"),
        (Method::POST, "/login"),
        (Method::POST, "/logout"),
        (Method::POST, "/redeliver"),
        (Method::POST, "/drop"),
        (Method::GET, "/assets/page.css"),
        (Method::GET, "/assets/page.js"),
        (Method::GET, "/assets/icon.svg"),
    ] {
        for headers in [vec![], vec![("cookie", cookie.as_str())], vec![("host", "evil.example")]] {
            let answer = browser.ask(method.clone(), path, "", &headers).await;
            let header = |name: &str| answer.headers[name].to_str().unwrap();
            let policy = header("content-security-policy");
            for part in ["default-src 'self'", "frame-ancestors 'none'", "form-action 'self'", "base-uri 'none'"] {
                assert!(policy.split("; ").any(|said| said == part), "{method} {path}: {policy}");
            }
            assert!(!policy.contains("unsafe") && header("x-content-type-options") == "nosniff");
            assert_eq!((header("referrer-policy"), header("cache-control")), ("same-origin", "no-store"));
        }
    }
    let seen = page(&mut browser, &cookie).await;
    for inline in [" style=", "<style", " onclick=", "javascript:", "http://", "https://"] {
        assert!(!seen.contains(inline), "{inline} is in {seen}");
    }
}

#[tokio::test]
async fn without_a_script_the_page_has_everything_also_over_the_socket() {
    let daemon = Build { outcome: gives_up("no such user"), ..Build::default() }.start();
    let mut socket = daemon.client().await;
    assert!(socket.get("/").await.text().contains("The journal is in memory"));
    let dead = give_up(&daemon, "default", "first").await;
    give_up(&daemon, "default", "second").await;
    socket.put("/v1/owners/gateway", r#"{"lease":"1h"}"#).await.ok();
    socket.post("/v1/sessions?owner=gateway&wait=delivered", &start_body("third")).await.ok();
    socket.delete("/v1/owners/gateway?reason=restart").await.ok();
    socket.put("/v1/owners/agent", r#"{"lease":"5s","kind":"codex"}"#).await.ok();
    socket.post("/v1/sessions?owner=agent", &start_body("fourth")).await.ok();
    daemon.clock.advance(Duration::from_secs(5));
    daemon.lost(1).await;
    let text = socket.get("/").await.text();
    for what in [
        // What is wrong, and what to do about it.
        "things are wrong",
        "gives up, its last",
        "calls refused what they were told",
        "given up",
        "<code>lastword deliveries --state dead</code>",
        "<strong><bdi>agent</bdi></strong>",
        "its lease lapsed",
        "nothing if you stopped it",
        // The question before something is dropped needs no script.
        "<details class=\"drop\"",
        "Yes, drop it",
        // The lists.
        "<bdi>first</bdi>",
        "<bdi>fourth</bdi>",
        "<bdi>gateway</bdi>",
        "no such user",
        "<svg class=\"bar\"",
        &dead,
    ] {
        assert!(text.contains(what), "{what} is not in {text}");
    }
    let wrong = text.find("id=\"wrong\"").unwrap();
    assert!(
        ["owed", "plugins", "drains", "owners", "sessions"]
            .iter()
            .all(|id| { text.find(&format!("<section id=\"{id}\"")).is_some_and(|place| place > wrong) })
    );
    // A form works there as well, and takes its token.
    let refused = send(&mut socket, "/redeliver", &[("delivery", &dead)], &[]).await;
    assert_eq!(refused.problem(403), "form_token");
    let fields = [("form", form_token(&text)), ("delivery", dead)];
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert_eq!(send(&mut socket, "/redeliver", &fields, &[]).await.headers["location"], "/?redelivered=1");
    // And who logs in there is there already.
    assert_eq!(send(&mut socket, "/login", &[("token", "x")], &[]).await.status, 303);
}

#[tokio::test]
async fn all_is_well_where_nothing_is_wrong_and_an_owner_that_came_back_is_no_news() {
    let (store, texts) = tokens(&[("a", Role::ReadOnly, Some("a"))]);
    let daemon = Build { tokens: store, ..Build::default() }.start();
    let address = daemon.listen().await;
    let (mut browser, cookie) = log_in(address, &texts[0]).await;
    assert!(page(&mut browser, &cookie).await.contains(">All is well</h1>"));
    let mut socket = daemon.client().await;
    let lease = r#"{"lease":"5s"}"#;
    socket.put("/v1/owners/o?tenant=a", lease).await.ok();
    socket.post("/v1/sessions?owner=o&tenant=a", &start_body("s")).await.ok();
    // One whose sessions have all ended leaves, as it should.
    socket.put("/v1/owners/tidy?tenant=a", lease).await.ok();
    socket.post("/v1/sessions?owner=tidy&tenant=a", &start_body("t")).await.ok();
    socket.post("/v1/sessions/t/end?owner=tidy&tenant=a", r#"{"reason":"completed"}"#).await.ok();
    daemon.clock.advance(Duration::from_secs(5));
    daemon.lost(2).await;
    let seen = page(&mut browser, &cookie).await;
    assert!(seen.contains("All is well; 1 thing to know") && !seen.contains("tidy"), "{seen}");
    socket.put("/v1/owners/o?tenant=a", lease).await.ok();
    let seen = page(&mut browser, &cookie).await;
    assert!(seen.contains(">All is well</h1>") && seen.contains("it came back"), "{seen}");
}

#[tokio::test]
async fn a_death_that_a_late_hook_reveals_is_shown_when_its_session_has_ended_for_it() {
    let (store, texts) = tokens(&[("a", Role::ReadOnly, Some("default"))]);
    let mut daemon = Build { tokens: store, ..Build::default() }.start();
    let address = daemon.listen().await;
    let (mut browser, cookie) = log_in(address, &texts[0]).await;
    let agents = [Agent::start(), Agent::start()];
    let processes = agents.each_ref().map(|agent| agent.process.clone());
    agents.into_iter().for_each(Agent::kill);
    let hook = |event: &str, session: &str| json!({"hook_event_name": event, "session_id": session}).to_string();
    let mut number = 0;
    for (process, session, ends) in [(&processes[0], "left", false), (&processes[1], "told", true)] {
        for event in ["SessionStart", "SessionEnd"].into_iter().take(if ends { 2 } else { 1 }) {
            number += 1;
            let read = daemon.server.read_hook("claude-code", None, hook(event, session).as_bytes()).unwrap();
            daemon.server.take_hook(read, &format!("k-{number}"), Some(process.clone())).await.unwrap();
        }
    }
    assert_eq!(daemon.next_end().await.session, "told");
    assert!(page(&mut browser, &cookie).await.contains(">All is well</h1>"), "its session may go on yet");
    daemon.pass(GRACE).await;
    let end = daemon.next_end().await;
    assert_eq!((end.session.as_str(), end.raw_reason.as_deref()), ("left", Some("exited")));
    let seen = page(&mut browser, &cookie).await;
    let [left, told] = processes.each_ref().map(|process| format!("<bdi>claude-code-{}-", process.pid));
    for said in
        ["All is well; 1 thing to know", "its process was gone when its hook came", "its session was ended", &left]
    {
        assert!(seen.contains(said), "{said} is not in {seen}");
    }
    assert!(!seen.contains(&told), "the end of the other was told by itself: {seen}");
    let status = daemon.client().await.get("/v1/status").await.ok();
    let to_know = status["to_know"].as_array().unwrap();
    assert!(to_know.len() == 1 && to_know[0].as_str().unwrap().contains("was gone when its hook came"), "{status}");
}

#[tokio::test]
async fn a_plugin_that_was_mended_or_taken_out_is_not_wrong_any_more() {
    let daemon = Build { outcome: gives_up("no such user"), ..Build::default() }.start();
    let mut socket = daemon.client().await;
    let memory = PluginKey::from(PluginName::new("memory").unwrap());
    let fails = "gives up, its last 3 calls";
    for ids in [["a", "b", "c"], ["d", "e", "f"]] {
        for id in ids {
            give_up(&daemon, "default", id).await;
        }
        assert!(socket.get("/").await.text().contains(fails));
        assert!(socket.get("/v1/status").await.text().contains(fails));
        if ids[0] == "a" {
            // The next version is no better, and of that nobody knows yet.
            let hook = |_: &HookCall| gives_up("no such user");
            let next = Plugin::native(memory.name.clone(), Hook::ALL.into_iter().collect(), hook).unwrap();
            daemon.runtime.replace(next).unwrap();
        } else {
            daemon.runtime.uninstall(&memory, Leave::Orphaned).await.unwrap();
        }
        let seen = socket.get("/").await.text();
        assert!(!seen.contains("gives up, its last"), "{seen}");
        assert!(!socket.get("/v1/status").await.text().contains("gives up, its last"));
    }
}

#[tokio::test]
async fn a_journal_that_hangs_is_asked_once_however_many_look_and_the_page_says_what_it_does_not_know() {
    let (store, texts) = tokens(&[("a", Role::ReadOnly, Some("a")), ("b", Role::ReadOnly, Some("b"))]);
    let journal = Arc::new(FaultyJournal::in_memory());
    let daemon = Build { journal: journal.clone(), tokens: store, ..Build::default() }.start();
    let address = daemon.listen().await;
    journal.hold_reads();
    let views = texts.iter().cycle().take(10).map(|text| async move {
        let mut client = Client::tcp(address, Some(text)).await;
        client.get("/").await.text()
    });
    let seen = join_all(views).await;
    let begun = journal.lists_begun();
    // First: the test's runtime waits for its threads.
    journal.release_reads();
    assert!(begun <= 1, "{begun} reads hang");
    for seen in seen {
        assert!(seen.contains("Not all of it could be read in time") && seen.contains("not known"), "{seen}");
        assert!(!seen.contains("cannot be read from the journal") && !seen.contains("Nothing is owed"), "{seen}");
        assert!(seen.contains(">All is well</h1>"), "what is not known is not wrong: {seen}");
    }
}

#[tokio::test]
async fn the_page_is_no_part_of_the_api() {
    let daemon = Daemon::start();
    let description = daemon.client().await.get("/openapi.json").await.ok();
    let paths = description["paths"].as_object().unwrap();
    for path in ["/", "/login", "/logout", "/redeliver", "/drop", "/assets/page.js"] {
        assert!(!paths.contains_key(path), "{path}");
    }
}

#[tokio::test]
async fn a_form_that_is_too_large_or_says_nothing_is_refused() {
    let (_daemon, address, texts) = gives_up_for(&[("t", Role::Operator, None)]).await;
    let mut browser = Client::tcp(address, None).await;
    let large = "x".repeat(lastword_server::limits::MAX_FORM_BYTES);
    assert_eq!(send(&mut browser, "/login", &[("token", &large)], &[]).await.problem(413), "body_too_large");
    let mut browser = Client::tcp(address, Some(&texts[0])).await;
    for path in ["/redeliver", "/drop"] {
        for fields in [vec![], vec![("delivery", "x"), ("plugin", "memory")]] {
            let refused = send(&mut browser, path, &fields, &[]).await;
            assert_eq!(refused.problem(400), "missing_field", "{path} {fields:?}");
        }
        let refused = send(&mut browser, path, &[("delivery", "x")], &[]).await;
        assert_eq!(refused.problem(400), "bad_delivery", "{path}");
    }
    // All of a plugin would be what it is still to be called with as well.
    let refused = send(&mut browser, "/drop", &[("plugin", "memory")], &[]).await;
    assert_eq!((refused.problem(400), &refused.json()["field"]), ("missing_field".to_owned(), &"state".into()));
    let refused = send(&mut browser, "/drop", &[("plugin", "memory"), ("state", "every")], &[]).await;
    assert_eq!(refused.problem(400), "bad_state");
    // Of who has no token nothing is read.
    let mut stranger = Client::tcp(address, None).await;
    for path in ["/redeliver", "/drop"] {
        assert_eq!(send(&mut stranger, path, &[("delivery", "x")], &[]).await.problem(401), "unauthorized");
    }
}
