//! The daemon as docs/deploy has it in a container: the first process of its pid namespace, on a root file system that can only be read.
//! Owners are outside, as in another container.

use std::fs::read_to_string;
use std::process::Command;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::support::{Home, Program, Raw, http};

/// Makes the namespaces. The process itself stays outside, and leaves with the exit code of the first one in there.
const NAMESPACES: [&str; 6] = ["unshare", "--user", "--map-root-user", "--pid", "--kill-child", "--mount-proc"];

/// The home can be written, and nothing else of the root file system: a file there is tried, to be sure.
const READ_ONLY: &str = r#"
mount --bind "$HOME" "$HOME"
mount -o remount,bind,ro /
cd "$HOME"
if (: > /lastword-was-here) 2>/dev/null; then echo "/ can be written" >&2; exit 99; fi
exec "$@"
"#;

/// What starts the program like that, and becomes it.
fn container() -> impl Iterator<Item = &'static str> {
    NAMESPACES.into_iter().chain(["sh", "-euc", READ_ONLY, "sh"])
}

/// Whether this machine lets a user have one. Some forbid it, and nothing of ours is missing then.
fn has_containers(home: &Home) -> bool {
    let mut words = container();
    let tried = Command::new(words.next().unwrap()).args(words).arg("true").env("HOME", home.path()).output();
    let works = tried.as_ref().is_ok_and(|tried| tried.status.success());
    if !works {
        println!("skipped: unshare and mount make no container here: {tried:?}");
    }
    works
}

/// The daemon, as it is seen from outside.
fn first_process(program: &Program) -> Pid {
    let outside = program.pid().as_raw_nonzero();
    let children = read_to_string(format!("/proc/{outside}/task/{outside}/children")).unwrap();
    Pid::from_raw(children.trim().parse().unwrap()).unwrap()
}

#[test]
fn as_the_first_process_on_a_read_only_root_it_serves_owners_of_other_containers_and_drains_at_sigterm() {
    let home = Home::new();
    if !has_containers(&home) {
        return;
    }
    let program = home.serve().guest("prints").through(container()).start().ready();
    assert_eq!(read_to_string(home.join("lastword/lastword.sock.lock")).unwrap().trim(), "1", "its own number");
    let probe = home.command("status").arg("--probe").arg("ready").run();
    assert_eq!(probe.code(), 0, "{}", probe.stderr());

    // A number of ours is another process's in there.
    let me = json!({"kind": "script", "pid": std::process::id(), "start_time": 1}).to_string();
    let (status, said) = http(&home.socket(), "PUT", "/v1/owners/me", &me);
    assert_eq!((status, &said["code"], &said["hint"]), (422, &"not_visible".into(), &"use a lease".into()));
    let (status, said) = http(&home.socket(), "PUT", "/v1/owners/me", r#"{"kind":"script","lease":"1h"}"#);
    assert_eq!((status, &said["watched_by"]), (200, &"lease".into()));
    // What a hook says without a daemon in its own container.
    let start = json!({"session_id": "hooked", "hook_event_name": "SessionStart", "source": "startup"}).to_string();
    let hook = home.command("emit").arg("claude-code").arg("--strict").input(start).run();
    assert_eq!(hook.code(), 0, "{}", hook.stderr());
    assert_eq!(http(&home.socket(), "GET", "/v1/sessions", "").1["sessions"][0]["id"], "hooked");
    // A connection that closes is seen across containers.
    let mut raw = Raw::connect(&home.socket());
    raw.start("dies");
    drop(raw);
    program.log("session-end dies");

    kill_process(first_process(&program), Signal::TERM).unwrap();
    let ended = program.ended();
    assert_eq!(ended.code(), 0, "{}", ended.stderr());
    assert_eq!(ended.printed_ends("prints"), ["dies", "hooked"]);
}
