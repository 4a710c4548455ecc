//! Commands that ask a running daemon, or the journal's file where none runs, and say the same.

use std::time::{Duration, Instant};

use lastword_events::is_plain;
use serde_json::{Value, json};

use crate::support::{Home, Launch, Raw, end};

#[test]
fn status_says_what_is_active_owed_and_wrong_with_a_daemon_and_without() {
    let home = Home::new();
    let program = home.serve().guest("prints").guest("fatal").start().ready();
    let mut owner = Raw::connect(&home.socket());
    owner.start("s1");
    owner.say(end("gone", "reset"));
    program.log("session-end gone");
    let outcome = |owner: &mut Raw| loop {
        let outcome = owner.hear("outcome");
        if outcome["plugin"] == "fatal" && outcome["dead"] == true {
            return;
        }
    };
    outcome(&mut owner);
    let status = home.command("status").run();
    assert_eq!(status.code(), 0, "{}", status.stderr());
    let text = status.stdout();
    for said in ["up for", "Active: 1 session,", "Owed:", "fatal", "Wrong:", "1 given up"] {
        assert!(text.contains(said), "{said} in {text}");
    }
    let json: Value = serde_json::from_str(&home.command("status").arg("--json").run().stdout()).unwrap();
    assert_eq!((&json["sessions"], &json["pid"]), (&1.into(), &program.pid().as_raw_nonzero().get().into()));

    let sessions = home.command("sessions").run().stdout();
    let deliveries = home.command("deliveries").arg("--state").arg("dead").run().stdout();
    assert!(sessions.contains("s1") && deliveries.contains("fatal"), "{sessions} {deliveries}");
    program.kill();
    let with_journal = |command: &str| home.command(command).arg("--journal").arg(home.journal());
    assert_eq!(with_journal("sessions").run().stdout(), sessions);
    assert_eq!(with_journal("deliveries").arg("--state").arg("dead").run().stdout(), deliveries);
    let text = with_journal("status").run().stdout();
    for said in ["no daemon", "Active: 1 session,", "fatal", "no daemon answers that has this journal", "1 given up"] {
        assert!(text.contains(said), "{said} in {text}");
    }
}

#[test]
fn status_without_a_daemon_and_without_a_journal_says_that_there_is_neither() {
    let home = Home::new();
    let asked = home.command("status").arg("--journal").arg(home.journal()).run();
    assert_eq!(asked.code(), 5, "{}", asked.stderr());
    let said = asked.stderr();
    assert!(said.contains("no daemon answers at") && said.contains("lastword.sock"), "{said}");
    assert!(said.contains("there is no journal at"), "{said}");
    let program = home.serve().guest("prints").start().ready();
    let asked = home.command("status").arg("--journal").arg(home.journal().with_file_name("another.db")).run();
    let said = asked.stderr();
    assert_eq!(asked.code(), 5, "{said}");
    assert!(said.contains("has another journal, and there is no journal at"), "{said}");
    program.stop();
}

#[test]
fn a_probe_says_whether_a_daemon_lives_and_can_serve_and_never_looks_into_a_journal_in_its_place() {
    let home = Home::new();
    let probe = |what: &str| home.command("status").arg("--probe").arg(what).run();
    let program = home.serve().guest("prints").start().ready();
    for what in ["alive", "ready"] {
        let asked = probe(what);
        assert_eq!((asked.code(), asked.stdout().as_str()), (0, ""), "{what}: {}", asked.stderr());
    }
    program.kill();
    for what in ["alive", "ready"] {
        let asked = probe(what);
        assert_eq!(asked.code(), 6, "{what}: there is a journal, and no daemon");
        assert!(asked.stderr().contains("no daemon answers at"), "{}", asked.stderr());
    }
    // Another one, which was not asked before: what it says of its journal is true for a second.
    let program = home.serve().guest("prints").start().ready();
    let elsewhere = home.join("elsewhere.db");
    std::fs::rename(home.journal(), &elsewhere).unwrap();
    let asked = probe("ready");
    assert_eq!(asked.code(), 6, "{}", asked.stderr());
    assert!(asked.stderr().contains("the journal cannot be written"), "{}", asked.stderr());
    assert_eq!(probe("alive").code(), 0, "a new start would not mend a disk");
    std::fs::rename(&elsewhere, home.journal()).unwrap();
    program.kill();
}

#[test]
fn through_a_daemon_a_delivery_is_redelivered_at_once_and_dropped() {
    let home = Home::new();
    let program = home.serve().guest("fatal").start().ready();
    let mut owner = Raw::connect(&home.socket());
    let dead = owner.end_and_be_told("s1");
    let id = dead["delivery"].as_str().unwrap().to_owned();
    let json = |words: &[&str]| {
        let ended = words.iter().fold(home.command("deliveries").arg("--json"), |launch, word| launch.arg(*word)).run();
        ended.text.iter().map(|line| serde_json::from_str::<Value>(line).unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(json(&["--state", "dead"])[0]["delivery"], id.as_str());
    let again = home.command("redeliver").arg(&id).run();
    assert!(again.stdout().contains("is tried again now"), "{} {}", again.stdout(), again.stderr());
    // Nobody is told of what an operator has begun: so it is looked for.
    let deadline = Instant::now() + Duration::from_secs(60);
    while json(&["--state", "dead"]).first().is_none_or(|row| row["attempt"] != 2) {
        assert!(Instant::now() < deadline, "it is called again");
    }
    let unknown = home.command("redeliver").arg("aaaaaaaa.9/session-end/fatal").run();
    assert_eq!(unknown.code(), 6, "{}", unknown.stderr());
    let dropped = home.command("drop").arg("--yes").arg(&id).run();
    assert!(dropped.stdout().contains("is dropped"), "{} {}", dropped.stdout(), dropped.stderr());
    assert!(json(&[]).is_empty());
    assert_eq!(program.stop().code(), 0);
}

#[test]
fn json_of_what_owners_say_has_nothing_that_a_terminal_obeys_and_says_the_same() {
    let home = Home::new();
    let program = home.serve().start().ready();
    let cwd = "/w\u{9b}2J\u{202e}";
    let mut owner = Raw::connect(&home.socket());
    owner.say(json!({ "op": "start", "session": { "id": "s1", "cwd": cwd } }).to_string());
    owner.hear("accepted");
    let assert_plain = |launch: Launch| {
        let ended = launch.run();
        assert_eq!(ended.code(), 0, "{}", ended.stderr());
        let text = ended.stdout();
        assert!(text.chars().all(|c| c == '\n' || is_plain(c)), "{text:?}");
        let said = |line: &String| serde_json::from_str::<Value>(line).unwrap().to_string();
        assert!(ended.text.iter().any(|line| said(line).contains(cwd)), "{text}");
    };
    assert_plain(home.command("sessions").arg("--json"));
    program.kill();
    assert_plain(home.command("sessions").arg("--json").arg("--journal").arg(home.journal()));
    assert_plain(home.command("journal").arg("export").arg("--journal").arg(home.journal()));
}

#[test]
fn a_journal_that_the_daemon_has_not_is_looked_up_in_its_file() {
    let home = Home::new();
    let other = home.join("other.db");
    let program = home.stdio().arg("--journal").arg(&other).guest("prints").start().ready();
    program.open(["of-the-other"]);
    program.kill();
    let daemon = home.serve().start().ready();
    Raw::connect(&home.socket()).start("of-the-daemon");
    let of_file = home.command("sessions").arg("--journal").arg(&other).run().stdout();
    assert!(of_file.contains("of-the-other") && !of_file.contains("of-the-daemon"), "{of_file}");
    let of_daemon = home.command("sessions").arg("--journal").arg(home.journal()).run().stdout();
    assert!(of_daemon.contains("of-the-daemon"), "{of_daemon}");
    daemon.stop();
    let nobody = home.command("sessions").arg("--socket").arg(home.socket()).run();
    assert_eq!(nobody.code(), 2);
    assert!(nobody.stderr().contains("no daemon answers at"), "{}", nobody.stderr());
}
