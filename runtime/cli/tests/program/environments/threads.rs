//! A user who may have few processes and threads (`ulimit -u`).

use std::fmt::Write as _;
use std::fs;
use std::num::NonZeroUsize;
use std::thread;

use serde_json::json;

use super::{COMMANDS, assert_refused, assert_served, command, twenty_ends};
use crate::support::{Home, Launch};

/// A user that has no other processes, and is nobody else's while this process lives; root is not counted.
fn nobody() -> String {
    (100_000 + std::process::id()).to_string()
}

/// May have so many processes and threads. A user namespace counts its own; root, who may not be limited in one,
/// becomes somebody else who can still read everything.
fn limited(launch: Launch, processes: usize) -> Launch {
    // Not the shell's: dash has no `ulimit -u`.
    let limit = format!("--nproc={processes}");
    let nobody = nobody();
    let launcher: &[&str] = if rustix::process::geteuid().is_root() {
        let all = "+dac_override";
        &["setpriv", "--reuid", &nobody, "--regid", &nobody, "--clear-groups", "--inh-caps", all, "--ambient-caps", all]
    } else {
        &["unshare", "--user", "--map-root-user"]
    };
    launch.through(launcher.iter().copied().chain(["prlimit", &limit]))
}

#[test]
fn with_too_few_processes_it_works_or_does_not_start_and_says_so() {
    let (mut served, mut refused) = (0, 0);
    for processes in 1..=40 {
        let what = format!("ulimit -u of {processes}");
        let ended = limited(twenty_ends(), processes).run();
        if ended.code() == 0 {
            assert_served(&ended, &what);
            served += 1;
        } else {
            assert_refused(&ended, &what, &["`ulimit -u`", "pids limit"]);
            assert_eq!(served, 0, "{what}: fewer were enough");
            refused += 1;
        }
    }
    assert!(served > 0 && refused > 0, "{served} served, {refused} refused");
}

#[test]
fn what_would_take_more_threads_later_gets_along_with_those_that_are_there() {
    const ENDS: usize = 32;
    // `STDIO_THREADS`, `IO_THREADS`, `BLOCKING_THREADS`, the main thread, and one for each processor: not one more.
    let enough = 9 + 2 + 4 + 1 + thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let launch = Launch::stdio().with_guest("transcript-reads");
    let root = launch.dir().canonicalize().unwrap().join("agents");
    fs::create_dir_all(root.join("default")).unwrap();
    let mut lines = String::new();
    for n in 0..ENDS {
        let path = root.join("default").join(format!("s{n}.jsonl"));
        fs::write(&path, "hello").unwrap();
        let session = json!({"id": format!("s{n}"), "transcript": {"uri": path}});
        writeln!(lines, "{}", json!({"op": "end", "session": session, "reason": "reset"})).unwrap();
    }
    let config = format!(
        "[[plugin]]\nname = \"transcript-reads\"\ncomponent = \"transcript-reads.wasm\"\n\
         limits = {{ deadline = \"60s\" }}\ntranscript = {{ root = \"{}/{{tenant}}\" }}\n[drain]\nbudget = \"60s\"\n",
        root.display()
    );
    let ended = limited(launch.config(&config).input(lines), enough).run();
    assert_eq!(ended.ends("transcript-reads", "delivered").len(), ENDS, "{}", ended.stderr());
    assert_eq!(ended.printed("transcript-reads").iter().filter(|line| *line == "bytes=5").count(), ENDS);
    let ended = limited(twenty_ends(), enough - 1).run();
    assert_refused(&ended, "one less", &["`ulimit -u`"]);
}

#[test]
fn every_command_works_with_few_processes_or_says_that_they_are_too_few() {
    for name in COMMANDS {
        let ended = (1..=24).map(|processes| (processes, limited(command(name), processes).run()));
        let mut enough = false;
        for (processes, ended) in ended {
            let what = format!("{name} with {processes}");
            if ended.code() == 0 {
                enough = true;
            } else {
                assert_eq!(ended.code(), 2, "{what}: {}", ended.stderr());
                assert!(ended.stderr().contains("`ulimit -u`"), "{what}: {}", ended.stderr());
                assert!(!enough, "{what}: fewer were enough");
            }
        }
        assert!(enough, "{name}: 24 are enough");
    }
}

#[test]
fn a_command_that_only_looks_needs_one_process() {
    let home = Home::new();
    let ended = home.stdio().guest("prints").arg("--journal").arg("j.db").run();
    assert_eq!(ended.code(), 0, "{}", ended.stderr());
    assert!(fs::exists(home.path().join("j.db")).unwrap());
    let sessions = home.command("sessions").arg("--journal").arg("j.db");
    let ended = limited(sessions, 1).run();
    assert_eq!(ended.code(), 0, "{}", ended.stderr());
}
