//! Finds the process of the agent that runs the hook.

use lastword_process::Process;
use lastword_protocol::owners::InputFormat;

/// Claude Code's variable for its hooks. Agents that Claude Code starts inherit it, so it counts only for Claude Code's
/// own hooks. Qwen Code and Copilot name the process that started them, which does not end with the agent.
#[cfg(any(target_os = "linux", target_os = "macos"))]
const CLAUDE_PID: &str = "CLAUDE_PID";

/// Returns the agent's process, if it can be found.
#[cfg(any(target_os = "linux", target_os = "macos"))]
pub(super) fn process(owner: InputFormat) -> Option<Process> {
    use lastword_process::{Proc, agent_of};

    let claimed = match owner {
        InputFormat::ClaudeCode => std::env::var(CLAUDE_PID).ok().and_then(|pid| pid.parse().ok()),
        _ => None,
    };
    Process::of(agent_of(&Proc, std::process::id(), claimed)?).ok()
}

/// This system does not tell the process.
#[cfg(not(any(target_os = "linux", target_os = "macos")))]
pub(super) fn process(_owner: InputFormat) -> Option<Process> {
    None
}

/// Returns the process that the user named. It may have exited since, but only in this boot.
pub(super) fn named((pid, start_time): (u32, u64)) -> Option<Process> {
    Some(Process { pid, start_time, boot_id: Process::current().ok()?.boot_id })
}
