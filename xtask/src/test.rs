//! `cargo xtask test`: every test there is.

use crate::console::say;
use crate::tools::{NEXTEST, WASMTIME};
use crate::{guests, process, repository};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Handed to `cargo nextest run`: names of tests, `-E 'package(lastword)'`, … With any, only these tests run
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    nextest: Vec<String>,
}

impl Args {
    pub(crate) fn everything() -> Self {
        Self { nextest: Vec::new() }
    }
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let wasmtime = WASMTIME.find_or_install()?;
    // Many tests run the example plugins.
    guests::build_all()?;
    if args.nextest.is_empty() {
        say("tests of the example plugins");
        guests::test_all()?;
        say("examples in the documentation");
        process::run(process::cargo(&repository::root()).args([
            "test",
            "--quiet",
            "--doc",
            "--workspace",
            "--all-features",
        ]))?;
    }
    // Last, for its summary to be what a reader sees last.
    say("tests");
    let mut nextest = NEXTEST.command()?;
    nextest.args(["nextest", "run", "--workspace", "--all-features"]).args(&args.nextest);
    // For the tests that type what the pages say.
    nextest.env("LASTWORD_WASMTIME", wasmtime).env("LASTWORD_GUEST_TOOLS", guests::programs()?);
    process::run(&mut nextest)
}
