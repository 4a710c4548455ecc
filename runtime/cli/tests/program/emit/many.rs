//! Many hooks at once while no daemon answers.

use std::process::{Child, Command, Stdio};

use super::{refused, start, waiting};
use crate::support::{Home, http, in_ci};

const PROCESSES: usize = 20;

/// A process of its own each, which is what takes the time: the spool itself is tried with 10 000 events of twenty processes
/// (`lastword-spool`'s tests).
fn each() -> usize {
    if in_ci() { 100 } else { 25 }
}

#[test]
fn no_event_of_twenty_processes_that_go_on_and_on_is_lost_or_comes_twice() {
    let home = Home::in_memory();
    let shells: Vec<Child> = (0..PROCESSES).map(|number| shell(&home, number)).collect();
    for mut shell in shells {
        assert!(shell.wait().unwrap().success());
    }
    let many = PROCESSES * each();
    assert_eq!((waiting(&home).len(), refused(&home).len()), (many, 0));
    let program = home.serve().start().ready();
    assert!(waiting(&home).is_empty());
    let (_, status) = http(&home.socket(), "GET", "/v1/status", "");
    assert_eq!(status["sessions"], many, "each event began a session of its own");
    program.kill();
}

/// One hook after the other, each with a session of its own.
fn shell(home: &Home, number: usize) -> Child {
    let payload = start(&format!("s-{number}-%d"));
    let script = format!(
        "i=0; while [ $i -lt {} ]; do printf '{payload}' $i | \"$0\" emit claude-code || exit 1; i=$((i+1)); done",
        each()
    );
    let mut command = Command::new("sh");
    command.arg("-c").arg(script).arg(env!("CARGO_BIN_EXE_lastword")).current_dir(home.path());
    for name in ["HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR"] {
        command.env(name, home.path());
    }
    command.stdin(Stdio::null()).spawn().unwrap()
}
