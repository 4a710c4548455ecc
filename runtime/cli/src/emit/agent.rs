//! The process of the agent whose hook this is.

use lastword_process::Process;
use lastword_protocol::owners::InputFormat;

/// What Claude Code says of itself to its hooks. Agents that it runs have it in their environment too, so it counts for
/// its own hooks only. Qwen Code and Copilot name the process that has started them, which lives and dies apart.
#[cfg(any(target_os = "linux", target_os = "macos"))]
const CLAUDE_PID: &str = "CLAUDE_PID";

/// The agent's process, as far as it can be told.
#[cfg(any(target_os = "linux", target_os = "macos"))]
pub(super) fn process(owner: InputFormat) -> Option<Process> {
    use lastword_process::{Proc, agent_of};

    let claimed = match owner {
        InputFormat::ClaudeCode => std::env::var(CLAUDE_PID).ok().and_then(|pid| pid.parse().ok()),
        _ => None,
    };
    Process::of(agent_of(&Proc, std::process::id(), claimed)?).ok()
}

/// Nobody can tell on this system.
#[cfg(not(any(target_os = "linux", target_os = "macos")))]
pub(super) fn process(_owner: InputFormat) -> Option<Process> {
    None
}

/// The process that somebody has named who knows it. It may be gone by now, but not since another boot.
pub(super) fn named((pid, start_time): (u32, u64)) -> Option<Process> {
    Some(Process { pid, start_time, boot_id: Process::current().ok()?.boot_id })
}
