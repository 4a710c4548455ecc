//! The program under test, and everything that it said.
//!
//! Every wait has a deadline, and a test that fails shows what the program said. Whatever a test is about, a line on stdout
//! that is not one of the protocol's fails it.
//!
//! [`Home`] is the directory in which it runs, [`Launch`] says how it is started, [`Program`] is one that runs, [`Raw`] an owner's connection to one, [`Ended`] one that has left, and [`seen`] gathers what
//! it says meanwhile. [`reports`] has what its plugins have told a server.

#[cfg(target_os = "linux")]
mod child;
#[cfg(target_os = "linux")]
pub(crate) mod cpu;
mod ended;
mod home;
mod launch;
mod program;
mod raw;
pub(crate) mod reports;
mod seen;
mod terminal;

use std::time::Duration;

pub(crate) use rustix::process::Signal;

pub(crate) use ended::Ended;
pub(crate) use home::Home;
pub(crate) use launch::Launch;
pub(crate) use program::Program;
#[cfg(feature = "otlp")]
pub(crate) use raw::http_with;
pub(crate) use raw::{Raw, http};

/// No single wait is longer. Much more than anything here takes, because a machine may be busy; a promise about time is
/// asserted in `timed`, not by this.
const PATIENCE: Duration = Duration::from_secs(60);

/// Whether this is a run of CI's: there the tests do more of the same.
pub(crate) fn in_ci() -> bool {
    std::env::var_os("CI").is_some_and(|value| !value.is_empty() && value != "false")
}

pub(crate) fn sorted(texts: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut texts: Vec<String> = texts.into_iter().collect();
    texts.sort();
    texts
}

/// `s000`, `s001`, …: sorted, and so in the order of their starts.
pub(crate) fn ids(n: usize) -> Vec<String> {
    (0..n).map(|i| format!("s{i:03}")).collect()
}

pub(crate) fn start(id: &str) -> String {
    format!(r#"{{"op":"start","session":{{"id":"{id}"}}}}"#)
}

pub(crate) fn end(id: &str, reason: &str) -> String {
    format!(r#"{{"op":"end","session":{{"id":"{id}"}},"reason":"{reason}"}}"#)
}

/// `lastword <command> <guest>.wasm <args…>`.
pub(crate) fn on_guest(command: &str, guest: &str, args: &[&str]) -> Ended {
    let launch = Launch::command(command).with_guest(guest).arg(format!("{guest}.wasm"));
    args.iter().fold(launch, Launch::arg).run()
}

/// It left with this code, and has said all of this, on whichever of the two.
#[track_caller]
pub(crate) fn assert_says(ended: &Ended, code: i32, said: &[&str]) {
    let whole = format!("{}\n{}", ended.stdout(), ended.stderr());
    assert_eq!(ended.code(), code, "{whole}");
    for said in said {
        assert!(whole.contains(said), "{said:?} is missing in:\n{whole}");
    }
}
