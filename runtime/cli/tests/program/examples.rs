//! The plugins of guest-examples/ as an operator runs them, beside fakes of the servers that they talk to.
//!
//! `cargo xtask guests` builds them, and `cargo xtask test` does so before the tests.

mod claude_mem;
mod compaction_notifier;
mod every;
mod server;
mod with_tools;

use std::path::Path;

use crate::support::{Ended, Home, Launch, Program};

/// Puts a plugin of guest-examples/ into the program's home, under the name that it is built with.
fn with_example(launch: Launch, name: &str) -> Launch {
    let file = format!("{name}.wasm");
    let built = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/guests")).join(&file);
    let component = std::fs::read(&built)
        .unwrap_or_else(|error| panic!("{}: {error}; `cargo xtask guests` builds it", built.display()));
    launch.write(&file, component);
    launch
}

/// An example that keeps data and talks to one server, whose address is in one of its settings.
struct Installed {
    /// As it is built.
    file: &'static str,
    name: &'static str,
    setting: &'static str,
    /// More of its entry in lastword.toml.
    more: &'static str,
}

impl Installed {
    /// The program, ready. Its budget is long: these tests are not about time, and a machine may be busy.
    fn start(&self, home: &Home, server: &str) -> Program {
        let Self { file, name, setting, more } = self;
        let config = format!(
            "[drain]\nbudget = \"60s\"\n[[plugin]]\nname = \"{name}\"\ncomponent = \"{file}.wasm\"\nkeyvalue = {{}}\n\
             http = [\"{server}\"]\nconfig = {{ {setting} = \"{server}\" }}\n{more}\n"
        );
        let launch = home.stdio().arg("--journal").arg(home.journal());
        with_example(launch, file).config(&config).start().ready()
    }

    /// `lastword test`, with what it needs.
    fn test(&self, server: &str, args: &[&str]) -> Ended {
        let Self { file, setting, .. } = self;
        let launch = with_example(Launch::command("test"), file).arg(format!("{file}.wasm")).arg("--grant-keyvalue");
        let launch = launch.arg("--grant-http").arg(server).arg("--grant-config").arg(format!("{setting}={server}"));
        args.iter().fold(launch, |launch, arg| launch.arg(*arg)).run()
    }
}

/// Waits for so many outcomes of a hook.
fn outcomes(program: &Program, hook: &str, outcome: &str, wanted: usize) {
    let mut seen = 0;
    program.line(&format!("{wanted} times {hook}: {outcome}"), |line| {
        seen += usize::from(line["hook"] == hook && line["outcome"] == outcome);
        seen == wanted
    });
}
