//! `rust-compaction-notifier`: a webhook is told once of each compaction that it began, and once that it ended.

use std::collections::BTreeSet;
use std::sync::mpsc::{self, Receiver};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use lastword_events::PluginName;
use lastword_journal::{Journal as _, Space};
use lastword_sqlite::SqliteJournal;
use serde_json::{Value, json};

use super::server::{Answer, Request, Server};
use super::{Installed, outcomes};
use crate::support::{Home, Program, ids, start};

const PLUGIN: Installed = Installed {
    file: "rust_compaction_notifier",
    name: "notifier",
    setting: "webhook",
    more: "limits = { deadline = \"10s\" }",
};

const HOOK: &str = "session-compaction";

/// Nothing takes so long.
const PATIENCE: Duration = Duration::from_secs(60);

/// A chat's webhook, which is up.
struct Webhook {
    server: Server,
    /// Every notice that came, in order.
    notices: Receiver<Notice>,
}

#[derive(Debug)]
struct Notice {
    key: String,
    body: Value,
    was_taken: bool,
}

impl Webhook {
    fn new(answer: impl Fn(&str) -> Answer + Send + Sync + 'static) -> Self {
        let (sender, notices) = mpsc::channel();
        let mut server = Server::new(move |Request { headers, body, .. }| {
            let key = headers["idempotency-key"].clone();
            let answer = answer(&key);
            let was_taken = !matches!(answer, Answer::Status(503));
            // A test that is over counts no more.
            sender.send(Notice { key, body, was_taken }).ok();
            answer
        });
        server.up();
        Self { server, notices }
    }

    fn that_takes_everything() -> Self {
        Self::new(|_| Answer::Status(204))
    }

    /// Of each notice the first attempt is refused.
    fn that_is_busy() -> Self {
        let seen = Mutex::new(BTreeSet::new());
        Self::new(move |key| {
            let is_first = seen.lock().unwrap_or_else(PoisonError::into_inner).insert(key.to_owned());
            Answer::Status(if is_first { 503 } else { 200 })
        })
    }

    fn next(&self) -> Notice {
        self.notices.recv_timeout(PATIENCE).unwrap()
    }
}

fn begin(home: &Home, webhook: &Webhook) -> Program {
    PLUGIN.start(home, &webhook.server.url())
}

fn home() -> Home {
    Home::new()
}

/// What the plugin keeps for the session s1, when no program runs.
fn kept(home: &Home) -> Option<String> {
    let journal = SqliteJournal::open(&home.path().join("journal.db")).unwrap();
    let space = Space { tenant: "default".into(), plugin: PluginName::new(PLUGIN.name).unwrap() };
    journal.key_value(&space, "told/s1#1").unwrap().map(|note| String::from_utf8(note).unwrap())
}

fn compaction(session: &str, phase: &str) -> String {
    json!({"op": "compaction", "session": {"id": session}, "phase": phase}).to_string()
}

#[test]
fn each_compaction_is_told_once_that_it_began_and_once_that_it_ended_although_the_first_answer_is_503() {
    let (home, webhook, sessions) = (home(), Webhook::that_is_busy(), ids(3));
    let program = begin(&home, &webhook);
    for round in 0..2 {
        for (n, phase) in ["before", "after"].into_iter().enumerate() {
            program.send(sessions.iter().map(|id| compaction(id, phase)));
            outcomes(&program, HOOK, "delivered", (round * 2 + n + 1) * sessions.len());
        }
    }
    assert_eq!(program.stop().code(), 0);
    let (taken, refused): (Vec<_>, Vec<_>) = webhook.notices.try_iter().partition(|notice| notice.was_taken);
    let keys: BTreeSet<&str> = taken.iter().map(|notice| notice.key.as_str()).collect();
    assert_eq!((refused.len(), taken.len(), keys.len()), (12, 12, 12), "once for each key: {taken:#?}");
    for session in sessions {
        let told: Vec<_> = taken.iter().filter(|notice| notice.body["session"] == session).collect();
        let events: Vec<_> = told.iter().map(|notice| notice.body["event"].as_str().unwrap()).collect();
        assert_eq!(events, ["compaction-began", "compaction-ended", "compaction-began", "compaction-ended"]);
    }
}

#[test]
fn killed_before_the_answer_is_on_record_it_sends_the_same_idempotency_key_again() {
    let (home, silent, webhook) = (home(), Webhook::new(|_| Answer::Never), Webhook::that_takes_everything());
    let program = begin(&home, &silent);
    program.send([compaction("s1", "before")]);
    let first = silent.next();
    assert!(program.kill().was_killed());
    let program = begin(&home, &webhook);
    outcomes(&program, HOOK, "delivered", 1);
    assert_eq!(program.stop().code(), 0);
    let second = webhook.next();
    assert_eq!((first.key, first.body), (second.key, second.body));
    assert!(webhook.notices.try_iter().next().is_none(), "once");
}

#[test]
fn a_delivery_that_the_webhook_has_taken_is_not_posted_again() {
    let webhook = Webhook::that_takes_everything();
    let ended = PLUGIN.test(&webhook.server.url(), &["--json"]);
    let lines: Vec<Value> = ended.text.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let again = lines.iter().find(|line| line["case"] == "redelivery" && line["hook"] == HOOK).unwrap();
    let printed = |call: usize| again["calls"][call]["printed"][0].as_str().unwrap();
    assert!(printed(0).starts_with("told: "), "{again}");
    assert_eq!(printed(1), "told already: 204");
}

#[test]
fn what_is_kept_for_a_session_is_forgotten_with_its_end() {
    let (home, webhook) = (home(), Webhook::that_takes_everything());
    let program = begin(&home, &webhook);
    program.send([compaction("s1", "before")]);
    outcomes(&program, HOOK, "delivered", 1);
    // Outcomes are told before they are on the disk. What is accepted after them is there after them.
    program.send([start("s2")]);
    program.count("accepted", 2);
    assert!(program.kill().was_killed());
    assert_eq!(kept(&home), Some(format!("{} 204\n", webhook.next().key)));
    let program = begin(&home, &webhook);
    outcomes(&program, "session-end", "delivered", 2);
    assert_eq!(program.stop().code(), 0);
    assert_eq!(kept(&home), None);
}

#[test]
fn a_notice_that_comes_after_newer_ones_says_so_and_leaves_nothing_behind() {
    let (home, mut webhook) = (home(), Webhook::that_takes_everything());
    webhook.server.down();
    let program = begin(&home, &webhook);
    program.send([compaction("s1", "before")]);
    outcomes(&program, HOOK, "failed", 1);
    // What is late is told after the end of its session, which needs no webhook.
    program.send([json!({"op": "end", "session": {"id": "s1"}}).to_string()]);
    outcomes(&program, "session-end", "delivered", 1);
    webhook.server.up();
    outcomes(&program, HOOK, "delivered", 1);
    assert_eq!(program.stop().code(), 0);
    let notice = webhook.next();
    assert_eq!((&notice.body["event"], &notice.body["late"]), (&json!("compaction-began"), &json!(true)));
    assert_eq!(kept(&home), None);
}

#[test]
fn it_passes_the_conformance_test() {
    let ended = PLUGIN.test(&Webhook::that_takes_everything().server.url(), &[]);
    assert_eq!(ended.code(), 0, "{}", ended.stdout());
    assert!(!ended.stdout().contains("it answered"), "every ordinary event is delivered:\n{}", ended.stdout());
}
