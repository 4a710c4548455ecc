//! `lastword doctor`: what is wrong is said, with what to do, and the exit code says that something is.

use std::fs;

use serde_json::Value;

use super::user::{Said, User};
use crate::support::{Home, http};

fn doctor(user: &User, words: &[&str]) -> Said {
    user.run(&[&["doctor"][..], words].concat())
}

/// What was found of this check.
fn state(json: &str, check: &str) -> String {
    let all: Value = serde_json::from_str(json).unwrap();
    let found = all["findings"].as_array().unwrap().iter().find(|finding| finding["check"] == check);
    found.map_or_else(|| "none".to_owned(), |finding| finding["state"].as_str().unwrap().to_owned())
}

#[test]
fn without_anything_it_says_what_to_begin_with() {
    let said = doctor(&User::new(), &[]);
    assert_eq!(said.code, 6, "{said:?}");
    for words in ["✗ no daemon answers at", "lastword serve", "lastword install claude-code", "✓ nothing waits"] {
        assert!(said.stdout.contains(words), "{words} in {}", said.stdout);
    }
}

#[test]
fn where_everything_works_all_is_well() {
    let home = Home::new();
    let program = home.serve().guest("prints").start().ready();
    let user = User::new();
    let socket = home.socket().to_str().unwrap().to_owned();
    let words = ["--socket", socket.as_str(), "--json"];
    user.does(&["install", "claude-code", "--socket", socket.as_str()]);
    let before = doctor(&user, &words);
    assert_eq!((before.code, state(&before.stdout, "last-hook")), (0, "open".to_owned()), "{before:?}");
    let payload = r#"{"session_id":"s1","transcript_path":"/h/.claude/t.jsonl","cwd":"/w","hook_event_name":"SessionStart","source":"startup"}"#;
    assert_eq!(http(&home.socket(), "POST", "/v1/hooks/claude-code", payload).0, 200);
    let after = doctor(&user, &words);
    assert_eq!(after.code, 0, "{after:?}");
    for check in ["daemon", "plugins", "spool", "hooks", "command", "last-hook"] {
        assert_eq!(state(&after.stdout, check), "good", "{check} in {after:?}");
    }
    let people = doctor(&user, &words[..2]);
    assert!(people.stdout.contains("✓ its last hook came at 2") && !people.stdout.contains('✗'), "{people:?}");
    program.stop();
    let gone = doctor(&user, &words);
    assert_eq!((gone.code, state(&gone.stdout, "daemon")), (6, "wrong".to_owned()), "{gone:?}");
}

#[test]
fn a_daemon_without_plugins_tells_nobody() {
    let home = Home::new();
    let program = home.serve().start().ready();
    let socket = home.socket().to_str().unwrap().to_owned();
    let said = doctor(&User::new(), &["--socket", socket.as_str(), "--json"]);
    assert_eq!((said.code, state(&said.stdout, "plugins")), (6, "wrong".to_owned()), "{said:?}");
    program.stop();
}

#[test]
fn hooks_that_are_not_whole_or_run_something_else_are_found() {
    let user = User::new();
    let asked = doctor(&user, &["gemini", "--json"]);
    assert_eq!(state(&asked.stdout, "hooks"), "wrong", "who asks for an owner wants hooks: {asked:?}");
    fs::create_dir_all(user.path(".gemini")).unwrap();
    assert_eq!(state(&doctor(&user, &["--json"]).stdout, "hooks"), "open");

    user.does(&["install", "gemini"]);
    let whole = user.read(".gemini/settings.json");
    user.write(".gemini/settings.json", whole.replace("AfterAgent", "SomethingElse"));
    assert_eq!(state(&doctor(&user, &["--json"]).stdout, "hooks"), "wrong");
    user.write(".gemini/settings.json", "{");
    assert_eq!(state(&doctor(&user, &["gemini", "--json"]).stdout, "hooks"), "wrong");

    user.write(".gemini/settings.json", whole.replace(super::user::PROGRAM, "/no/such/lastword"));
    let gone = doctor(&user, &["gemini"]);
    assert!(gone.stdout.contains("✗ its hooks run /no/such/lastword, which is not there"), "{gone:?}");
    let other = user.program("bin/lastword", "#!/bin/sh\n");
    user.write(".gemini/settings.json", whole.replace(super::user::PROGRAM, other.to_str().unwrap()));
    let gone = doctor(&user, &["gemini"]);
    assert!(gone.stdout.contains("bin/lastword, and this is"), "{gone:?}");
    assert_eq!(doctor(&user, &["openclaw"]).code, 2);
}

#[test]
fn the_hooks_of_a_project_are_looked_at_where_they_are() {
    let user = User::new();
    let folder = user.path("project");
    fs::create_dir_all(&folder).unwrap();
    let project = folder.to_str().unwrap();
    let none = doctor(&user, &["--project", project]);
    assert!(none.code == 6 && none.stdout.contains("no owner has hooks in this project"), "{none:?}");
    let asked = doctor(&user, &["gemini", "--project", project]);
    assert!(asked.stdout.contains(&format!("lastword install gemini --project {project}")), "{asked:?}");

    user.does(&["install", "gemini", "--project", project]);
    let whole = doctor(&user, &["--project", project, "--json"]);
    assert_eq!(state(&whole.stdout, "hooks"), "good", "{whole:?}");
    assert_eq!(state(&whole.stdout, "command"), "good", "{whole:?}");
    let users_own = doctor(&user, &["gemini", "--json"]);
    assert_eq!(state(&users_own.stdout, "hooks"), "wrong", "these are the project's alone: {users_own:?}");
    let mut here = user.command(super::user::PROGRAM);
    let here = here.args(["doctor", "gemini", "--json", "--project"]).current_dir(&folder).output().unwrap();
    assert_eq!(state(&String::from_utf8(here.stdout).unwrap(), "hooks"), "good");
    for owner in ["goose", "hermes"] {
        assert_eq!(doctor(&user, &[owner, "--project", project]).code, 2, "it has none in projects");
    }
    assert_eq!(doctor(&user, &["--project", "/no/such/folder"]).code, 2);
}

#[test]
fn whether_hermes_loads_the_plugin_is_asked_of_hermes() {
    let bin = User::new();
    let user = User::new().env("PATH", format!("{}:/usr/bin:/bin", bin.path("bin").display()));
    user.does(&["install", "hermes"]);
    for (status, expected) in [("enabled", "good"), ("not enabled", "wrong"), ("disabled", "wrong")] {
        let list = format!("[{{\"name\": \"lastword\", \"status\": \"{status}\"}}]");
        let script = format!("#!/bin/sh\n[ \"$*\" = \"plugins list --json --no-bundled\" ] && echo '{list}'\n");
        bin.program("bin/hermes", &script);
        let said = doctor(&user, &["hermes", "--json"]);
        assert_eq!(state(&said.stdout, "enabled"), expected, "{said:?}");
        assert_eq!(said.stdout.contains("hermes plugins enable lastword"), expected == "wrong", "{said:?}");
    }
    bin.program("bin/hermes", "#!/bin/sh\necho '[]'\n");
    let elsewhere = doctor(&user, &["hermes"]);
    assert!(elsewhere.stdout.contains("✗ Hermes does not know the plugin"), "{elsewhere:?}");
    fs::remove_file(bin.path("bin/hermes")).unwrap();
    let gone = doctor(&user, &["hermes"]);
    assert!(gone.stdout.contains("✗ whether Hermes loads the plugin is not known: `hermes` cannot be"), "{gone:?}");
}

/// A hook that nobody answers.
fn hook(user: &User, owner: &str) {
    let payload = user.write("payload.json", r#"{"session_id":"s1","hook_event_name":"SessionEnd","reason":"clear"}"#);
    let mut hook = user.command(super::user::PROGRAM);
    let done = hook.args(["emit", owner]).stdin(fs::File::open(payload).unwrap()).output().unwrap();
    assert!(done.status.success() && done.stdout.is_empty() && done.stderr.is_empty(), "{done:?}");
}

#[test]
fn what_waits_in_the_spool_is_counted_and_what_no_daemon_takes_is_said() {
    let user = User::new();
    hook(&user, "claude-code");
    hook(&user, "claude-code");
    let said = doctor(&user, &[]);
    assert!(said.stdout.contains("– 2 events wait in the spool"), "{said:?}");
    assert!(!said.stdout.contains("no daemon takes"), "{said:?}");
    hook(&user, "no-such-owner");
    let said = doctor(&user, &[]);
    assert!(said.stdout.contains("✗ 1 event is kept that no daemon takes"), "{said:?}");
    assert!(said.stdout.contains("no-such-owner") && said.stdout.contains("spool/refused"), "{said:?}");
}

#[cfg(target_os = "linux")]
#[test]
fn sessions_of_claude_code_that_the_daemon_does_not_know_are_named() {
    let home = Home::new();
    let program = home.serve().guest("prints").start().ready();
    let socket = home.socket().to_str().unwrap().to_owned();
    let user = User::new();
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let start = stat.rsplit_once(')').unwrap().1.split_whitespace().nth(19).unwrap().to_owned();
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let (pid, boot) = (std::process::id(), boot.trim());
    user.write(
        &format!(".claude/sessions/{pid}.json"),
        format!(r#"{{"pid":{pid},"sessionId":"s1","procStart":"{start}","pidDomain":"linux:{boot}:pid:[1]"}}"#),
    );
    user.write(".claude/sessions/1.json", r#"{"pid":1,"sessionId":"dead","procStart":"no"}"#);
    let words = ["claude-code", "--socket", socket.as_str()];
    let unknown = doctor(&user, &words);
    assert!(unknown.stdout.contains("✗ the daemon does not know 1 of its 1 sessions that live: s1"), "{unknown:?}");
    let payload = r#"{"session_id":"s1","cwd":"/w","hook_event_name":"SessionStart","source":"startup"}"#;
    assert_eq!(http(&home.socket(), "POST", "/v1/hooks/claude-code", payload).0, 200);
    let known = doctor(&user, &words);
    assert!(known.stdout.contains("✓ the daemon knows all of its 1 sessions"), "{known:?}");
    program.stop();
}
