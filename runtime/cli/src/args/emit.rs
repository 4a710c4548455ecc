//! The command line of a hook: `emit`, and what it starts itself as.

use std::path::PathBuf;

use clap::Args;
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
  openclaw; and lastword, for the words of the protocol itself

What it does:
  It reads one payload on stdin, finds the agent's process, and hands both over to
  the daemon. If that does not answer in time, the event is kept in the spool, and
  the daemon takes it in later. It is done within 0.7 s, whatever happens.

  It prints nothing ({} for cursor) and exits with 0, also when it is called in a
  wrong way: what an agent's hook prints may reach its model, and what it returns
  may stop its work. What no daemon would take is kept, with the reason, in
  `refused` in the spool. With --strict it says what is wrong.
";
