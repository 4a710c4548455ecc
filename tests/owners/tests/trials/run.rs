//! Runs one trial in a process of its own, in a network that has nothing but loopback.

use std::path::Path;
use std::process::{Command, Stdio};

use lastword_test_owners::{Mode, Owner, Report, Way, word};

/// The trial's own program.
const TRIAL: &str = env!("CARGO_BIN_EXE_owner-trial");
/// Brings loopback up, which is down in a new network, and becomes what comes after it.
const IN_A_NETWORK: [&str; 5] = ["-rn", "sh", "-c", "ip link set lo up && exec \"$@\"", "sh"];
/// Where xtask collects what trials have shown.
const RESULTS: &str = "LASTWORD_OWNERS_RESULTS";

pub(crate) fn without_fault(owner: Owner, mode: Mode, way: Way) {
    let name = [word(owner), word(mode), word(way)];
    let mut command = if has_networks() {
        let mut command = Command::new("unshare");
        command.args(IN_A_NETWORK).arg(TRIAL);
        command
    } else {
        eprintln!("without a network of its own: this machine has no `unshare -rn`, or no `ip`");
        Command::new(TRIAL)
    };
    let output = command.args(&name).stdin(Stdio::null()).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "the trial was not carried out ({}):\n{stderr}", output.status);
    if let Some(folder) = std::env::var_os(RESULTS) {
        let folder = Path::new(&folder);
        std::fs::create_dir_all(folder).unwrap();
        std::fs::write(folder.join(name.join("_")).with_extension("json"), &output.stdout).unwrap();
    }
    let report: Report = serde_json::from_slice(&output.stdout).unwrap();
    let faults = report.faults();
    assert!(faults.is_empty(), "{}\n{report:#?}", faults.join("\n"));
}

fn has_networks() -> bool {
    let mut command = Command::new("unshare");
    command.args(IN_A_NETWORK).arg("true").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
