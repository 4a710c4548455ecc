//! `cargo xtask simulate`: a fleet of nodes in virtual time (`tests/simulation`), with faults. It fails when an end is lost.

use crate::{process, repository};

#[derive(clap::Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Args {
    /// `--help` says which: `--nodes 100 --sessions 1000000 --hours 6 --seed 7 --faults deaths,leaders`, …
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

/// Builds it as it is fastest, and runs it.
///
/// # Errors
/// It cannot be built, or a promise was broken; with `--mutate`, the mistake was not found.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let mut command = process::cargo(&repository::root());
    command.args(["run", "--quiet", "--release", "--package", "lastword-simulation", "--"]);
    process::run(command.args(&args.arguments))
}
