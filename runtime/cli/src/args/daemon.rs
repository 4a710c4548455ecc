//! The command line of the daemon, and of what talks to one: `serve`, `status`, `reload`, `token` and `config`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use lastword_config::{address, units};
use lastword_events::JournalName;

use super::{CacheArgs, JournalArgs, RuntimeArgs};

#[derive(Clone, Debug, Args)]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    pub(crate) runtime: RuntimeArgs,

    /// The Unix socket to serve [default: lastword/lastword.sock in $XDG_RUNTIME_DIR, or else in the user's state directory]
    #[arg(long, value_name = "PATH")]
    pub(crate) socket: Option<PathBuf>,

    /// Serve this address over TCP as well, to whoever has a token; beyond this machine it takes TLS, see [daemon]
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    pub(crate) listen: Option<SocketAddr>,

    /// The tokens that are valid over TCP, as `lastword token` prints them
    #[arg(long, value_name = "tokens.toml")]
    pub(crate) tokens: Option<PathBuf>,

    /// How long an owner that is gone has to come back before its sessions end, e.g. 2s [default: the configuration's, or 2s]
    #[arg(long, value_name = "TIME", value_parser = units::duration)]
    pub(crate) owner_grace: Option<Duration>,

    /// Take in what hooks have left here while no daemon answered [default: lastword/spool in the user's state directory]
    #[arg(long, value_name = "DIR")]
    pub(crate) spool: Option<PathBuf>,

    /// Leave when there was no session, no connection and nothing owed for so long, e.g. 10m; a hook with --spawn starts the next one
    #[arg(long, value_name = "TIME", value_parser = units::duration)]
    pub(crate) exit_when_idle: Option<Duration>,

    /// A hook has started it, and knows its arguments: whoever needs it starts the next, and it waits for the one before it to be gone
    #[arg(long, hide = true)]
    pub(crate) spawned: bool,
}

/// See [`ServeArgs::spawned`].
pub(crate) const SPAWNED: &str = "--spawned";

/// The daemon that is meant.
#[derive(Debug, Args)]
pub(crate) struct SocketArgs {
    /// The socket of a running daemon [default: the configuration's, or that of `lastword serve`]
    #[arg(long, value_name = "PATH")]
    pub(crate) socket: Option<PathBuf>,
}

/// What is looked after: by a running daemon that has the journal, or else in the journal's file.
#[derive(Debug, Args)]
pub(crate) struct OperatorArgs {
    #[command(flatten)]
    pub(crate) journal: JournalArgs,

    #[command(flatten)]
    pub(crate) socket: SocketArgs,
}

#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    pub(crate) operator: OperatorArgs,

    /// Show it again every two seconds, until Ctrl-C
    #[arg(long, conflicts_with = "json")]
    pub(crate) watch: bool,

    /// One JSON object
    #[arg(long)]
    pub(crate) json: bool,

    /// For health checks: only ask the daemon whether it lives, or can serve. Prints nothing and exits with 0, or says why not and exits with 6
    #[arg(long, value_enum, value_name = "WHAT", conflicts_with_all = ["json", "watch", "journal"])]
    pub(crate) probe: Option<Probe>,
}

/// What a health check asks.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Probe {
    /// It answers, and no worker has panicked; otherwise start it again
    Alive,
    /// And it can write its journal, and is not about to leave
    Ready,
}

#[derive(Debug, Args)]
pub(crate) struct NodesArgs {
    /// The configuration of the daemon, which may name its socket; --forget needs it, because it asks the NATS servers
    #[arg(long, value_name = "lastword.toml")]
    pub(crate) config: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) socket: SocketArgs,

    /// One JSON object
    #[arg(long)]
    pub(crate) json: bool,

    /// Give up this journal, with whatever is in it: one that is resting, lost or damaged, and whose node does not come back
    #[arg(long, value_name = "JOURNAL", requires = "config", conflicts_with = "json")]
    pub(crate) forget: Option<JournalName>,
}

#[derive(Debug, Args)]
pub(crate) struct ReloadArgs {
    /// The configuration of the daemon, which may name its socket
    #[arg(long, value_name = "lastword.toml")]
    pub(crate) config: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) socket: SocketArgs,
}

#[derive(Debug, Args)]
pub(crate) struct TokenArgs {
    /// What logs call it
    #[arg(value_name = "NAME")]
    pub(crate) name: String,

    /// What its holder may do
    #[arg(long, value_enum, default_value = "owner")]
    pub(crate) role: TokenRole,

    /// The tenant that it is for [default: every tenant]
    #[arg(long, value_name = "TENANT")]
    pub(crate) tenant: Option<String>,
}

/// What the holder of a token may do.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum TokenRole {
    /// Starts and ends sessions, and sees what there is
    Owner,
    /// All that, and redelivers and drops; for every tenant also drains and reloads
    Operator,
    /// Sees what there is
    ReadOnly,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigVerb {
    /// Say whether a daemon or an owner could be served with it: every mistake, and every plugin that does not fit
    Check(ConfigCheckArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ConfigCheckArgs {
    /// The configuration
    #[arg(value_name = "lastword.toml")]
    pub(crate) config: PathBuf,

    #[command(flatten)]
    pub(crate) cache: CacheArgs,
}

// At most 80 columns, so that it is not wrapped.
pub(super) const SIGNALS: &str = "\
Signals:
  SIGTERM, SIGINT
      With `on-stop = \"drain\"`, the default, every active session ends with reason
      `shutdown` within the drain budget, and at most 100 ms after it the process
      is gone. With `on-stop = \"keep\"` sessions stay active for the next daemon.
  SIGHUP
      The configuration is read again, as by `lastword reload`. A bad one changes
      nothing, and the log says why.

Output:
  stdout has one line, when the daemon is ready. Logs go to stderr: for people if
  it is a terminal, else one JSON object a line. LASTWORD_LOG filters them.
";
