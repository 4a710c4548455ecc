//! What an operator does with a journal: `sessions`, `deliveries`, `redeliver`, `drop`, `journal …`, `--attach-grace`.

use std::path::{Path, PathBuf};

use rusqlite::Connection;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Ended, Launch, Program, Signal, end, start};

/// A journal's file, in a directory that outlives the programs.
struct Journal(TempDir);

impl Journal {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("journal.db")
    }

    fn stdio(&self) -> Launch {
        Launch::stdio().arg("--journal").arg(self.path())
    }

    /// `lastword <words…> --journal …`.
    fn ask(&self, words: &[&str]) -> Ended {
        let (command, rest) = words.split_first().unwrap();
        let launch = rest.iter().fold(Launch::command(command), |launch, word| launch.arg(*word));
        launch.arg("--journal").arg(self.path()).run()
    }

    /// `lastword deliveries`: each id with its state.
    fn deliveries(&self, more: &[&str]) -> Vec<(String, String)> {
        let text = |line: &Value, field: &str| line[field].as_str().unwrap().to_owned();
        json(&self.ask(&[&["deliveries", "--json"], more].concat()))
            .iter()
            .map(|line| (text(line, "delivery"), text(line, "state")))
            .collect()
    }
}

fn json(ended: &Ended) -> Vec<Value> {
    assert_eq!(ended.code(), 0, "{}", ended.stderr());
    ended.text.iter().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn left(program: Program) -> Ended {
    program.stop()
}

/// Somebody has added a column that a row must have, and that ours does not: the outcome of a drain cannot be recorded, and its plugin is told of it all the same.
#[test]
fn what_could_not_be_recorded_is_listed_and_its_end_goes_out_after_the_next_start() {
    let journal = Journal::new();
    let program = journal.stdio().guest("prints").start().ready();
    program.open(["s1"]);
    let alter = |sql: &str| Connection::open(journal.path()).unwrap().execute_batch(sql).unwrap();
    // (A row that is in the way would be replaced, and triggers do not run.)
    alter("ALTER TABLE drained ADD COLUMN more NOT NULL");
    let ended = left(program);
    assert_eq!(ended.drained("delivered"), 1, "{}", ended.drain());
    let warnings = ended.drain()["warnings"].to_string();
    assert!(warnings.contains("set aside"), "{warnings}");
    assert!(ended.stderr().contains("defect"), "{}", ended.stderr());
    alter("ALTER TABLE drained DROP COLUMN more");
    let checked = journal.ask(&["journal", "check"]);
    assert_eq!(checked.code(), 0, "the file is whole");
    let listed = checked.stdout();
    assert!(
        listed.contains("set aside at") && listed.contains("session s1") && listed.contains("NOT NULL"),
        "{listed}"
    );
    let next = left(journal.stdio().guest("prints").start().ready());
    assert_eq!((next.code(), next.outcomes("prints", "session-end").count()), (0, 1));
}

#[test]
fn what_a_drain_could_not_deliver_is_listed_and_can_be_given_another_chance_or_dropped() {
    let journal = Journal::new();
    let program = journal.stdio().guest("prints").guest("fatal").guest("trap").start().ready();
    program.open(["s1"]);
    // Given up, recorded as its own event; and s1 in the drain.
    program.send([end("gone", "reset")]);
    program.line("the end of it", |line| line["session"] == "gone" && line["plugin"] == "fatal");
    let ended = left(program);
    assert_eq!(ended.code(), 3);
    let name = ended.of("ready").next().unwrap()["journal"].as_str().unwrap().to_owned();
    let id = |session: u32, plugin: &str| format!("{name}.{session}/session-end/{plugin}");

    let owed = |session, plugin| (id(session, plugin), "owed".to_owned());
    let dead = |session, plugin| (id(session, plugin), "dead".to_owned());
    let all = [dead(1, "fatal"), owed(1, "trap"), dead(2, "fatal"), owed(2, "trap")];
    assert_eq!(journal.deliveries(&[]), all, "those of the drain among them, which wrote no end of a session");
    assert_eq!(journal.deliveries(&["--state", "dead"]), [dead(1, "fatal"), dead(2, "fatal")]);
    let table = journal.ask(&["deliveries"]).stdout();
    assert!(table.contains("DELIVERY") && table.contains("trap: unreachable") && table.contains("reset"), "{table}");
    assert_eq!(journal.ask(&["sessions"]).stdout(), "no session is active", "the drain has ended it");

    let kept = journal.ask(&["drop", &id(1, "trap")]);
    assert_eq!(kept.code(), 2, "not without --yes");
    assert!(kept.stderr().contains("--yes"), "{}", kept.stderr());
    assert_eq!(journal.ask(&["drop", "--yes", &id(1, "trap"), &id(2, "trap")]).code(), 0);
    assert_eq!(journal.ask(&["redeliver", &id(1, "fatal")]).code(), 0);
    let again = journal.ask(&["redeliver", &id(1, "fatal")]).stdout();
    assert!(again.contains("owed already"), "{again}");
    let unknown = journal.ask(&["redeliver", &id(9, "fatal")]);
    assert_eq!(unknown.code(), 6);
    assert!(unknown.stdout().contains("not in this journal"), "{}", unknown.stdout());
    assert_eq!(journal.deliveries(&[]), [owed(1, "fatal"), dead(2, "fatal")]);

    // It works now, under the same name.
    let good = lastword_test_guests::component("prints");
    let launch = journal.stdio().guest("prints").component("fatal", &good);
    let program = launch.component("trap", &good).start().ready();
    let made = program.line("another attempt", |line| line["delivery"] == id(1, "fatal").as_str());
    assert_eq!(made["outcome"], "delivered");
    assert!(made["attempt"].as_u64().unwrap() > 1);
    let ended = left(program);
    assert_eq!(ended.code(), 0);
    assert_eq!((ended.printed_ends("trap").len(), ended.printed_ends("prints").len()), (0, 0), "nothing else");
    assert_eq!(journal.deliveries(&[]), [dead(2, "fatal")]);
}

#[test]
fn what_is_forgotten_is_in_no_file_and_what_is_owed_is_refused() {
    let journal = Journal::new();
    let session = |op: &str, id: &str| {
        format!(r#"{{"op":"{op}","session":{{"id":"{id}","tenant":"rubber-plant","cwd":"/of/{id}"}},"reason":"idle"}}"#)
    };
    let program = journal.stdio().guest("prints").guest("trap").start().ready();
    program.send([session("start", "parrot"), session("end", "parrot"), session("start", "lamp")]);
    program.line("the end's failure", |line| line["plugin"] == "trap" && line["session"] == "parrot");
    let in_use = journal.ask(&["forget", "--tenant", "rubber-plant", "--drop-owed"]);
    assert_eq!(in_use.code(), 5, "{}", in_use.stderr());
    assert_eq!(left(program).code(), 3);
    let is_somewhere = |text: &str| {
        let files = std::fs::read_dir(journal.0.path()).unwrap();
        let bytes = files.map(|file| std::fs::read(file.unwrap().path()).unwrap());
        bytes.into_iter().any(|bytes| bytes.windows(text.len()).any(|window| window == text.as_bytes()))
    };
    let forget = |words: &[&str]| journal.ask(&[&["forget"], words].concat());
    let refused = forget(&["--session", "parrot", "--tenant", "rubber-plant"]);
    assert_eq!(refused.code(), 2);
    assert!(refused.stderr().contains("1 delivery is owed of session \"parrot\""), "{}", refused.stderr());
    assert!(refused.stderr().contains("--drop-owed"), "{}", refused.stderr());
    assert!(is_somewhere("/of/parrot"));
    assert_eq!(forget(&["--session", "parrot"]).code(), 6, "another tenant's");

    let done = forget(&["--session", "parrot", "--tenant", "rubber-plant", "--drop-owed"]);
    assert_eq!(done.code(), 0, "{}", done.stderr());
    assert!(done.stdout().contains("erased: 1 session, 1 delivery"), "{}", done.stdout());
    assert!(!is_somewhere("parrot") && is_somewhere("/of/lamp"));
    assert_eq!(forget(&["--tenant", "rubber-plant", "--drop-owed"]).code(), 0);
    assert!(!is_somewhere("lamp") && !is_somewhere("rubber-plant"));
    let unsaid = forget(&[]);
    assert_eq!(unsaid.code(), 2);
    assert!(unsaid.stderr().contains("--session") && unsaid.stderr().contains("--tenant"), "{}", unsaid.stderr());
    // Whoever starts anew owes nothing.
    assert_eq!(left(journal.stdio().guest("prints").start().ready()).code(), 0);
}

#[test]
fn while_a_program_has_the_journal_it_can_be_looked_at_and_not_changed() {
    let journal = Journal::new();
    let program = journal.stdio().guest("prints").start().ready();
    program.send([r#"{"op":"start","session":{"id":"s1","tenant":"acme","cwd":"/w"}}"#]);
    program.count("accepted", 1);
    let sessions = json(&journal.ask(&["sessions", "--json"]));
    assert_eq!((sessions.len(), &sessions[0]["tenant"], &sessions[0]["cwd"]), (1, &"acme".into(), &"/w".into()));
    let table = journal.ask(&["sessions"]).stdout();
    assert!(table.contains("TENANT") && table.contains("acme"), "{table}");
    let exported = json(&journal.ask(&["journal", "export"]));
    assert_eq!(exported[1]["session"]["id"], "s1");
    assert!(journal.ask(&["journal", "check"]).stdout().contains("whole"));

    for change in [&["redeliver", "aaaaaaaa.1/session-end/prints"][..], &["journal", "compact"]] {
        let refused = journal.ask(change);
        assert_eq!(refused.code(), 5, "{change:?}");
        let said = refused.stderr();
        assert!(said.contains("in use by process") && said.contains("--journal"), "{said}");
    }
    assert_eq!(left(program).code(), 0);
    let compacted = journal.ask(&["journal", "compact"]);
    assert_eq!(compacted.code(), 0, "{}", compacted.stderr());
}

#[test]
fn a_journal_that_is_not_there_is_not_made_by_looking_for_it() {
    let journal = Journal::new();
    for ask in [&["sessions"][..], &["deliveries"], &["journal", "check"], &["journal", "compact"]] {
        let ended = journal.ask(ask);
        assert_eq!(ended.code(), 5, "{ask:?}");
        assert!(ended.stderr().contains("there is no journal at"), "{}", ended.stderr());
    }
    assert_eq!(std::fs::read_dir(journal.0.path()).unwrap().count(), 0);
    let mistyped = Launch::command("journal").arg("check").arg("--config").arg("nowhere/lastword.toml").run();
    mistyped.assert_refused(2, &["there is no configuration nowhere/lastword.toml"]);
    let elsewhere = Launch::command("sessions").arg("--journal").arg("memory").run();
    assert_eq!(elsewhere.code(), 2, "{}", elsewhere.stderr());
}

#[test]
fn a_delivery_whose_plugin_is_gone_is_kept_as_orphaned_until_it_is_back() {
    let journal = Journal::new();
    let program = journal.stdio().guest("retry").start().ready();
    program.send([end("s1", "reset")]);
    program.line("its failure", |line| line["event"] == "outcome");
    assert_eq!(left(program).code(), 3);

    let program = journal.stdio().guest("prints").start().ready();
    program.log("kept as orphaned");
    assert_eq!(left(program).code(), 3, "it is owed still");
    let [(_, state)] = &journal.deliveries(&[])[..] else { panic!("one is owed") };
    assert_eq!(state, "orphaned");

    let launch = journal.stdio().component("retry", &lastword_test_guests::component("prints"));
    let program = launch.start().ready();
    program.line("its delivery", |line| line["outcome"] == "delivered");
    assert_eq!(left(program).code(), 0);
    assert!(journal.deliveries(&[]).is_empty());
}

#[test]
fn what_a_drain_owes_is_owed_to_those_who_were_installed_then_and_to_nobody_else() {
    let journal = Journal::new();
    let program = journal.stdio().guest("prints").guest("retry").start().ready();
    program.open(["s1"]);
    assert_eq!(left(program).code(), 3, "it failed in the drain");

    // Without the one that is owed it, and with one that is new.
    let good = lastword_test_guests::component("prints");
    let program = journal.stdio().component("new", &good).start().ready();
    program.log("kept as orphaned");
    let ended = left(program);
    assert_eq!((ended.code(), ended.printed_ends("new")), (3, vec![]));
    let [(id, state)] = &journal.deliveries(&[])[..] else { panic!("one is owed") };
    assert!(id.ends_with("/session-end/retry") && state == "orphaned", "{id} {state}");

    let program = journal.stdio().component("retry", &good).start().ready();
    program.line("its delivery", |line| line["outcome"] == "delivered");
    assert_eq!(left(program).code(), 0);
}

#[test]
fn a_file_that_is_no_journal_is_left_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    for (name, content) in [("lastword.toml", "[drain]\n".to_owned()), ("other.db", "x".repeat(5_000))] {
        let path = dir.path().join(name);
        std::fs::write(&path, &content).unwrap();
        let ended = Launch::stdio().arg("--journal").arg(&path).run();
        assert_eq!(ended.code(), 5, "{}", ended.stderr());
        assert!(ended.stderr().contains("is no journal"), "{}", ended.stderr());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), content);
    }
}

#[cfg(unix)]
#[test]
fn a_journal_is_its_owners_alone_to_read() {
    use std::os::unix::fs::PermissionsExt as _;
    let journal = Journal::new();
    let program = journal.stdio().guest("prints").start().ready();
    program.open(["s1"]);
    for suffix in ["", "-wal"] {
        let path = format!("{}{suffix}", journal.path().display());
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600, "{path}");
    }
}

/// Two sessions of a run that was killed.
fn killed_with_two_sessions(journal: &Journal) {
    let program = journal.stdio().guest("prints").start().ready();
    program.open(["s1", "s2"]);
    program.signal(Signal::KILL);
    program.ended();
}

#[test]
fn with_a_grace_an_owner_goes_on_with_its_sessions_and_the_others_end_as_crashed() {
    let journal = Journal::new();
    killed_with_two_sessions(&journal);
    let program = journal.stdio().guest("prints").arg("--attach-grace").arg("1h").start().ready();
    assert_eq!(program.line("ready", |line| line["event"] == "ready")["recovered"]["sessions"], 2);
    program.send([start("s1")]);
    let attached = program.line("the answer", |line| line["event"] == "accepted");
    assert_eq!((&attached["updated"], &attached["generation"]), (&true.into(), &1.into()));
    let ended = left(program);
    assert_eq!(ended.code(), 0, "{}", ended.stderr());
    let reason = |session: &str| {
        let line = ended.outcomes("prints", "session-end").find(|line| line["session"] == session).unwrap();
        line["reason"].as_str().unwrap().to_owned()
    };
    assert_eq!((reason("s1"), reason("s2")), ("shutdown".into(), "crashed".into()));
    let starts = ended.outcomes("prints", "session-start");
    assert!(starts.into_iter().all(|line| line["attempt"] == 2), "there was no new start to tell of");
}

#[test]
fn when_the_grace_is_over_what_nobody_has_come_for_ends_as_crashed() {
    let journal = Journal::new();
    killed_with_two_sessions(&journal);
    let program = journal.stdio().guest("prints").arg("--attach-grace").arg("1ms").start().ready();
    for id in ["s1", "s2"] {
        let line = program.line("its end", |line| line["hook"] == "session-end" && line["session"] == id);
        assert_eq!(line["reason"], "crashed");
    }
    assert_eq!(left(program).code(), 0);
}

#[test]
fn each_configuration_has_a_journal_of_its_own_in_the_state_directory() {
    let launch = Launch::stdio().with_guest("prints").config("[[plugin]]\nname = \"p\"\ncomponent = \"prints.wasm\"\n");
    let state: &Path = launch.dir();
    let directory = state.join("lastword");
    let program = launch.start().ready();
    let files: Vec<String> = std::fs::read_dir(&directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .filter(|name| name.ends_with(".db"))
        .collect();
    assert!(matches!(&files[..], [one] if one.starts_with("lastword-")), "{files:?}");
    left(program);
}

#[test]
fn a_start_that_comes_to_nothing_and_a_line_that_is_sent_again_do_not_end_what_an_owner_goes_on_with() {
    let journal = Journal::new();
    let program = journal.stdio().guest("prints").start().ready();
    let line = r#"{"op":"start","op_id":"a-1","session":{"id":"s1"}}"#;
    program.send([line]);
    program.count("accepted", 1);
    program.signal(Signal::KILL);
    program.ended();

    let broken = journal.stdio().component("broken", b"no component").run();
    assert_eq!(broken.code(), 2, "{}", broken.stderr());

    let program = journal.stdio().guest("prints").arg("--attach-grace").arg("300ms").start().ready();
    program.send([line]);
    let again = program.line("the answer", |line| line["event"] == "accepted");
    assert_eq!(again["code"], "duplicate_op");
    // Longer than the grace.
    let sessions = || json(&journal.ask(&["sessions", "--json"])).len();
    let until = std::time::Instant::now() + std::time::Duration::from_secs(1);
    while std::time::Instant::now() < until {
        assert_eq!(sessions(), 1, "it is active still");
    }
    let ended = left(program);
    let reasons: Vec<_> = ended.outcomes("prints", "session-end").filter(|line| line["session"] == "s1").collect();
    assert_eq!((reasons.len(), &reasons[0]["reason"]), (1, &"shutdown".into()));
}
