//! Real agents, each ended in every way: each session has exactly one `session-end`, with its reason, in time.
//!
//! `cargo xtask test --owners` installs the agents, and runs these.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test fails loudly, its helper functions too"
)]

#[macro_use]
mod ways;
mod run;

/// They need agents from npm.
mod with_owners {
    /// Each asserts how soon after the agent's death the end has come, so each runs alone.
    mod timed {
        mod claude_code {
            ways!(ClaudeCode);
            clear!(ClaudeCode);
        }

        mod codex {
            ways!(Codex);
            alone!(Codex);
            clear!(Codex);
        }

        mod gemini {
            ways!(Gemini);
            clear!(Gemini);
        }

        mod qwen {
            ways!(Qwen);
            clear!(Qwen);
        }

        mod copilot {
            ways!(Copilot);
            clear!(Copilot);
        }

        mod opencode {
            ways!(Opencode);
        }
    }
}
