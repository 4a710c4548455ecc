//! Machines that give little: each either works, or the program ends before `ready` with one sentence that names the limit.

mod address_space;
mod descriptors;
mod directories;
mod executable;
mod itself;
mod processors;
mod refused_threads;
mod threads;

use crate::support::{Ended, Launch};

/// How many ends [`twenty_ends`] sends.
const ENDS: usize = 20;

/// Serves twenty ends of a plugin that prints, in its own home: its code is compiled.
fn twenty_ends() -> Launch {
    let lines: String = (0..ENDS)
        .map(|n| format!("{{\"op\":\"end\",\"session\":{{\"id\":\"s{n}\"}},\"reason\":\"reset\"}}\n"))
        .collect();
    Launch::stdio().guest("prints").input(format!("{lines}{{\"op\":\"shutdown\"}}\n"))
}

/// All ends were delivered at the first attempt, and nothing failed for the machine's sake.
#[track_caller]
fn assert_served(ended: &Ended, what: &str) {
    assert_eq!(ended.code(), 0, "{what}: {}", ended.stderr());
    assert_eq!(ended.ends("prints", "delivered").len(), ENDS, "{what}");
    assert_eq!(ended.of("outcome").count(), ENDS, "{what}: one attempt each");
}

/// It did not start: code 2, no `ready`, and a last line that says all of this.
#[track_caller]
fn assert_refused(ended: &Ended, what: &str, said: &[&str]) {
    assert_eq!(ended.code(), 2, "{what}: {}", ended.stderr());
    assert!(ended.lines.is_empty(), "{what}: {:?}", ended.lines);
    let last = ended.log.last().map_or("", String::as_str);
    for said in said {
        assert!(last.contains(said), "{what}: {said:?} is missing in {last:?}");
    }
}

/// A command that is given the test guest `prints`, and where it keeps code.
fn command(name: &str) -> Launch {
    let launch = Launch::command(name).with_guest("prints").arg("prints.wasm");
    let cache = launch.dir().join("cache");
    launch.arg("--cache-dir").arg(cache)
}

/// The commands that load a plugin, and their exit codes when it is fine.
const COMMANDS: [&str; 4] = ["run", "check", "test", "compile"];
