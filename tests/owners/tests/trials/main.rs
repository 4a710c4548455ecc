//! Real agents, each ended in every way: each session has exactly one `session-end`, with its reason, in time.
//!
//! `cargo xtask test --owners` runs all of them, and `cargo xtask check` those that are not ignored, of three agents.

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

/// They need agents from npm, which xtask installs.
mod with_owners {
    /// Each asserts how soon after the agent's death the end has come, so each runs alone.
    mod timed {
        mod claude_code {
            in_every_check!(tests, ClaudeCode);
            at_length!(ClaudeCode);
            clear!(ClaudeCode);
        }

        mod codex {
            in_every_check!(tests, Codex);
            at_length!(Codex);
            alone!(Codex);
            clear!(Codex);
        }

        mod gemini {
            in_every_check!(tests, Gemini);
            at_length!(Gemini);
            clear!(Gemini);
        }

        mod qwen {
            in_every_check!(ignored_tests, Qwen);
            at_length!(Qwen);
            clear!(Qwen);
        }

        mod copilot {
            in_every_check!(ignored_tests, Copilot);
            at_length!(Copilot);
            clear!(Copilot);
        }

        mod opencode {
            in_every_check!(ignored_tests, Opencode);
            at_length!(Opencode);
        }
    }
}
