//! Which process the agent is.

use lastword_process::Process;
use lastword_spool::{Spool, SpooledEvent, Stamp};

use super::{assert_silent, header, sessions, spool, start, waiting};
use crate::support::{Home, http};

/// The process that is on record of a hook which a shell runs like that: `"$@"` is the hook.
fn process_after(script: &str) -> (u64, Home) {
    let home = Home::new();
    let ended =
        home.command("emit").arg("claude-code").without_env("CLAUDE_PID").shell(script).input(start("s1")).run();
    assert_eq!(ended.code(), 0, "{}", ended.stderr());
    let files = waiting(&home);
    assert_eq!(files.len(), 1);
    (header(&files[0])["process"]["pid"].as_u64().unwrap(), home)
}

#[test]
fn shells_between_the_agent_and_its_hook_are_passed_over() {
    for script in ["exec \"$@\"", "\"$@\"; exit 0", "sh -c '\"$@\"; exit 0' sh \"$@\"; exit 0"] {
        assert_eq!(process_after(script).0, u64::from(std::process::id()), "{script}");
    }
}

#[test]
fn what_claude_says_of_itself_counts_if_it_is_an_ancestor() {
    // The shell itself is one.
    let (pid, home) = process_after("echo $$ > pid; CLAUDE_PID=$$ \"$@\"; exit 0");
    assert_eq!(std::fs::read_to_string(home.join("pid")).unwrap().trim(), pid.to_string());
    let neighbour = "sleep 60 & CLAUDE_PID=$! \"$@\"; kill $!; exit 0";
    for script in [neighbour, "CLAUDE_PID=nonsense \"$@\"; exit 0"] {
        assert_eq!(process_after(script).0, u64::from(std::process::id()), "{script}");
    }
}

#[test]
fn what_claude_says_is_nothing_to_other_owners_and_neither_are_the_launchers_of_others() {
    for (owner, variable) in
        [("codex", "CLAUDE_PID"), ("qwen", "QWEN_CODE_LAUNCHER_PID"), ("copilot", "COPILOT_LOADER_PID")]
    {
        let home = Home::new();
        let script = format!("{variable}=$$ \"$@\"; exit 0");
        assert_silent(&home.command("emit").arg(owner).shell(&script).input(start("s1")).run());
        assert_eq!(header(&waiting(&home)[0])["process"]["pid"], std::process::id(), "{owner}");
    }
}

#[test]
fn a_process_that_the_hook_is_told_counts_also_when_it_is_gone() {
    let home = Home::new();
    // No process has a number of ten digits.
    let launch = home.command("emit").arg("opencode").arg("session.idle").arg("--process").arg("4000000000,77");
    assert_silent(&launch.input(r#"{"sessionID":"s1"}"#).run());
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let expected = serde_json::json!({ "pid": 4_000_000_000_u64, "start_time": 77, "boot_id": boot.trim() });
    assert_eq!(header(&waiting(&home)[0])["process"], expected);
}

#[test]
fn a_process_of_another_pid_namespace_is_not_found_dead() {
    for (is_here, lost) in [(false, 0), (true, 1)] {
        let home = Home::new();
        let gone = Process { start_time: 1, ..Process::current().unwrap() };
        let event = SpooledEvent::new("claude-code", &Stamp::now(), start("s1").into_bytes());
        // As a hook in a container writes it, whose daemon is not in there.
        let pid_namespace = event.pid_namespace.map(|number| if is_here { number } else { number + 1 });
        let event = SpooledEvent { process: Some(gone), pid_namespace, ..event };
        Spool::at(spool(&home)).writer().unwrap().write(&event).unwrap();
        let program = home.serve().arg("--owner-grace").arg("10m").start().ready();
        let (_, status) = http(&home.socket(), "GET", "/v1/status", "");
        assert_eq!((status["owners_lost"].as_u64(), sessions(&home).len()), (Some(lost), 1), "{status}");
        program.kill();
    }
}
