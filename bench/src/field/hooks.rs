//! Hooks as most agents have them: a process for each event, which reads it on its stdin.

use std::io::Write as _;
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};

use crate::rounds::per_item;

/// A program and its arguments: the least that reads an event and answers.
pub(super) type Hook = [&'static str; 3];

/// The shell reads the line itself.
pub(super) const SH: Hook = ["sh", "-c", "read -r event"];
pub(super) const NODE: Hook = ["node", "-e", "process.stdin.resume()"];

const EVENT: &str = r#"{"session_id":"30978718-9dbb-47ca-81cf-00f4c4329df8","transcript_path":"/home/user/.claude/t.jsonl","cwd":"/home/user","hook_event_name":"SessionEnd","reason":"other"}"#;

/// Whether Node can be run.
///
/// # Errors
/// It cannot: why.
pub(super) fn has_node() -> anyhow::Result<()> {
    let version = Command::new("node").arg("--version").stdin(Stdio::null()).output().context("there is no node")?;
    ensure!(version.status.success(), "node does not start");
    Ok(())
}

/// What one takes, from its start to its end, in µs.
///
/// # Errors
/// When a hook fails.
pub(super) fn each(hook: &Hook, times: u32) -> anyhow::Result<f64> {
    let [program, arguments @ ..] = hook;
    per_item(times, || {
        for _ in 0..times {
            let mut command = Command::new(program);
            command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
            let mut child = command.spawn().with_context(|| format!("cannot run {program}"))?;
            if let Some(mut stdin) = child.stdin.take() {
                writeln!(stdin, "{EVENT}")?;
            }
            ensure!(child.wait()?.success(), "{program} failed");
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hook_reads_its_event() {
        assert!(each(&SH, 2).unwrap() > 0.0);
        assert!(each(&["sh", "-c", "exit 3"], 1).is_err());
    }
}
