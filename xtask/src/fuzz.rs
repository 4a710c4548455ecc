//! `cargo xtask fuzz`: looks for inputs for which a property of `tests/fuzzed` does not hold.

use std::path::PathBuf;

use crate::console::say;
use crate::tools::FUZZ;
use crate::{process, repository};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// One of fuzz/fuzz_targets/: configuration, lines, journal_rows, transcript_uris
    name: String,
    /// For how long
    #[arg(long, default_value_t = 600)]
    seconds: u32,
}

/// A workspace of its own.
pub(crate) fn folder() -> PathBuf {
    repository::root().join("fuzz")
}

/// Begins with the inputs that are kept, and leaves them alone: what it finds on its way is in fuzz/found, and what fails in
/// fuzz/artifacts.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let fuzz = folder();
    let (kept, found) = (fuzz.join("corpus").join(&args.name), fuzz.join("found").join(&args.name));
    std::fs::create_dir_all(&found)?;
    let mut command = FUZZ.command()?;
    // Without a sanitizer: they need a nightly compiler, and find what is unsafe, of which these parts have nothing.
    command.args(["fuzz", "run", "--sanitizer", "none", &args.name]).args([&found, &kept]);
    command.args(["--", "-timeout=10", "-rss_limit_mb=1024", &format!("-max_total_time={}", args.seconds)]);
    process::run(&mut command)?;
    say(format_args!("no input was found for which the property of `{}` does not hold", args.name));
    Ok(())
}
