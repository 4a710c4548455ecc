//! The command line of a hook: `emit`, and what it starts itself as.

use std::path::PathBuf;

use clap::Args;
use lastword_events::limits::MAX_OP_ID_BYTES;
use lastword_protocol::owners::InputFormat;

#[derive(Debug, Args)]
pub(crate) struct EmitArgs {
    /// The owner whose hook this is
    #[arg(value_enum, value_name = "OWNER", hide_possible_values = true)]
    pub(crate) owner: InputFormat,

    /// The owner's name for the event, where its payload does not say it, e.g. sessionEnd for copilot
    #[arg(value_name = "EVENT")]
    pub(crate) event: Option<String>,

    /// The daemon's socket [default: the user's own configuration's, or that of `lastword serve`]
    #[arg(long, value_name = "PATH")]
    pub(crate) socket: Option<PathBuf>,

    /// Where the event is kept until a daemon takes it in [default: lastword/spool in the user's state directory]
    #[arg(long, value_name = "DIR")]
    pub(crate) spool: Option<PathBuf>,

    /// Start a daemon when none answers; it leaves when nobody has needed it for ten minutes
    #[arg(long)]
    pub(crate) spawn: bool,

    /// Say on stderr what is wrong, and exit with its code: for trying it out
    #[arg(long)]
    pub(crate) strict: bool,

    /// The name that the event had when it was handed over before, by whoever cannot tell whether it was taken
    #[arg(long, value_name = "KEY", hide = true, value_parser = op_id)]
    pub(crate) op_id: Option<String>,

    /// The agent's process: its number, and when it began, as `/proc/PID/stat` has it
    #[arg(long, value_name = "PID,START_TIME", hide = true, value_parser = process)]
    pub(crate) process: Option<(u32, u64)>,
}

/// As the API takes an `Idempotency-Key`.
fn op_id(text: &str) -> Result<String, String> {
    let text = text.trim();
    let text = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    let is_printable = text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    if text.is_empty() || text.len() > MAX_OP_ID_BYTES || !is_printable {
        return Err(format!("it must have 1 to {MAX_OP_ID_BYTES} printable characters"));
    }
    Ok(text.to_owned())
}

fn process(text: &str) -> Result<(u32, u64), String> {
    let parsed = text.split_once(',').and_then(|(pid, start)| Some((pid.parse().ok()?, start.parse().ok()?)));
    parsed.ok_or_else(|| "it must have two numbers, e.g. 4242,81234".to_owned())
}

/// What `emit` starts this program as.
#[derive(Debug, Args)]
pub(crate) struct EmitSpawnArgs {
    #[arg(long)]
    pub(crate) spool: PathBuf,

    #[arg(long)]
    pub(crate) socket: Option<PathBuf>,

    /// A daemon answers, and is older than this program
    #[arg(long)]
    pub(crate) hand_over: bool,
}

/// See [`EmitSpawnArgs`].
pub(crate) const EMIT_SPAWN: &str = "emit-spawn";

// At most 80 columns, so that it is not wrapped.
pub(super) const EMIT: &str = "\
Owners:
  claude-code, codex, gemini, qwen, copilot, cursor, goose, cline, opencode,
  hermes, openclaw; and lastword, for the words of the protocol itself

What it does:
  It reads one payload on stdin, finds the agent's process, and hands both over to
  the daemon. If that does not answer in time, the event is kept in the spool, and
  the daemon takes it in later. It is done within 0.7 s, whatever happens.

  It prints nothing ({} for cursor) and exits with 0, also when it is called in a
  wrong way: what an agent's hook prints may reach its model, and what it returns
  may stop its work. What no daemon would take is kept, with the reason, in
  `refused` in the spool. With --strict it says what is wrong.
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_plugin_says_of_an_event_is_checked() {
        for good in ["a-1", "\"a-1\"", " a-1\n"] {
            assert_eq!(op_id(good).as_deref(), Ok("a-1"), "{good:?}");
        }
        for bad in ["", " ", "\"\"", "a\nb", "ä", "x".repeat(MAX_OP_ID_BYTES + 1).as_str()] {
            assert!(op_id(bad).is_err(), "{bad:?}");
        }
        assert_eq!(process("4242,81234"), Ok((4242, 81234)));
        for bad in ["", "1", "1,", "-1,2", "1,2,3"] {
            assert!(process(bad).is_err(), "{bad}");
        }
    }
}
