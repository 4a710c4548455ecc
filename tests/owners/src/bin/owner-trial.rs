//! `owner-trial OWNER MODE WAY`: one trial. Prints its report, one line of JSON.

#![forbid(unsafe_code)]

#[cfg(target_os = "linux")]
fn main() -> anyhow::Result<()> {
    use std::io::Write as _;

    use clap::Parser as _;

    let Args { owner, mode, way } = Args::parse();
    let report = serde_json::to_string(&lastword_test_owners::carry_out(owner, mode, way))?;
    writeln!(std::io::stdout(), "{report}")?;
    Ok(())
}

/// Carry out one trial with a real agent
#[cfg(target_os = "linux")]
#[derive(clap::Parser)]
#[command(name = "owner-trial")]
struct Args {
    owner: lastword_test_owners::Owner,
    mode: lastword_test_owners::Mode,
    way: lastword_test_owners::Way,
}

/// Processes are watched and found as Linux has it.
#[cfg(not(target_os = "linux"))]
fn main() {}
