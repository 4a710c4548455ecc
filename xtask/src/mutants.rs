//! `cargo xtask mutants`: makes one mistake after the other in what decides about deliveries, and names each that no unit test notices.

use crate::process;
use crate::tools::MUTANTS;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only a part of them: with 0/4 the first and every fourth after it
    #[arg(long)]
    shard: Option<String>,
    /// What cargo-mutants is told besides: --list, or --iterate to leave out what was noticed the last time
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    more: Vec<String>,
}

/// In which order the deliveries of a session are made, and whose turn it is; the steps of a drain.
const MUTATED: [&str; 3] = ["lane.rs", "dispatch/**", "drain/**"];
/// What only the tests with shuttle compile.
const NOT_MUTATED: &str = "runtime/lastword/src/dispatch/held_resources.rs";
/// The same in other files.
const NOT_MUTATED_FUNCTIONS: &str = "(::held|::all_wanting|::all_parked|Gates::unnotified)( |$)";

/// In a copy of the sources: nothing of the clone changes but `target/mutants.out`.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let mut command = MUTANTS.command()?;
    command.args(["mutants", "--package", "lastword", "--all-features", "--cargo-arg=--lib"]);
    command.args(MUTATED.iter().map(|file| format!("--file=runtime/lastword/src/{file}")));
    command.args(["--exclude", NOT_MUTATED, "--exclude-re", NOT_MUTATED_FUNCTIONS]);
    // A mistake may make a test go on for ever. The tests take a second.
    command.args(["--timeout", "10", "--output", "target"]);
    if let Some(shard) = &args.shard {
        command.args(["--sharding", "round-robin", "--shard", shard]);
    }
    command.args(&args.more);
    // Each mistake is compiled and linked once, and runs for a second.
    command.envs([("CARGO_PROFILE_DEV_OPT_LEVEL", "0"), ("CARGO_PROFILE_DEV_DEBUG", "0"), ("CARGO_INCREMENTAL", "1")]);
    process::run(&mut command)
}
