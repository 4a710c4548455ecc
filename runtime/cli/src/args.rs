//! The command line.

mod daemon;
mod emit;
mod install;
mod journal;
mod plugin;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use lastword_protocol::owners::InputFormat;

use crate::exit::Exit;
use crate::limits::KILLED_EXIT;
use lastword_config::units;

pub(crate) use daemon::{
    ConfigCheckArgs, ConfigVerb, NodesArgs, OperatorArgs, Probe, ReloadArgs, SPAWNED, ServeArgs, SocketArgs,
    StatusArgs, TokenArgs, TokenRole,
};
pub(crate) use emit::{EMIT_SPAWN, EmitArgs, EmitSpawnArgs};
pub(crate) use install::{DoctorArgs, InstallArgs, TargetArgs, UninstallArgs};
pub(crate) use journal::{
    DeliveriesArgs, DropArgs, ForgetArgs, InspectArgs, JournalArgs, JournalVerb, RedeliverArgs, SessionsArgs, State,
};
pub(crate) use plugin::{CacheArgs, CheckArgs, CompileArgs, NewArgs, RunArgs, TestArgs};

/// Runs session-lifecycle hooks as sandboxed WebAssembly plugins: every session gets its last word.
#[derive(Debug, Parser)]
#[command(name = "lastword", version, after_help = Exit::help(), max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve one owner: events come in on stdin and answers go out on stdout, one JSON object a line
    #[command(after_help = stdio_help())]
    Stdio(StdioArgs),
    /// Serve any number of owners over a socket, and end the sessions of those that die
    #[command(after_help = serve_help())]
    Serve(ServeArgs),
    /// Say what is active, what is owed and what is wrong
    #[command(after_help = Exit::help())]
    Status(StatusArgs),
    /// List the nodes of a daemon's cluster, and who looks after which journal
    #[command(after_help = Exit::help())]
    Nodes(NodesArgs),
    /// Have an agent's hooks tell the daemon of its sessions
    #[command(after_help = Exit::help())]
    Install(InstallArgs),
    /// Take our hooks from an agent again
    #[command(after_help = Exit::help())]
    Uninstall(UninstallArgs),
    /// Say whether the daemon and the agents' hooks work, and what to do where they do not
    #[command(after_help = Exit::help())]
    Doctor(DoctorArgs),
    /// Have a running daemon read its configuration again
    #[command(after_help = Exit::help())]
    Reload(ReloadArgs),
    /// Look at a configuration
    #[command(after_help = Exit::help())]
    Config {
        #[command(subcommand)]
        verb: ConfigVerb,
    },
    /// Make a token for somebody who comes to a daemon over TCP
    #[command(after_help = Exit::help())]
    Token(TokenArgs),
    /// Begin a plugin of your own: a folder with everything that it needs
    #[command(after_help = Exit::help())]
    New(NewArgs),
    /// Call a plugin once and say what happened and what it cost
    #[command(after_help = Exit::help())]
    Run(RunArgs),
    /// Take a plugin through everything that the runtime will do to it, and say what its operator would see
    #[command(after_help = Exit::help())]
    Test(TestArgs),
    /// Say whether a plugin fits, which hooks it has, what it asks for and what it would get
    #[command(after_help = Exit::help())]
    Check(CheckArgs),
    /// Compile plugins ahead of time: the start of `stdio` then takes milliseconds
    #[command(after_help = Exit::help())]
    Compile(CompileArgs),
    /// List the sessions that are active
    #[command(after_help = Exit::help())]
    Sessions(SessionsArgs),
    /// List the deliveries that were not made
    #[command(after_help = Exit::help())]
    Deliveries(DeliveriesArgs),
    /// Give deliveries that were given up another chance: at once through a running daemon, else at the next start
    #[command(after_help = Exit::help())]
    Redeliver(RedeliverArgs),
    /// Forget deliveries: nobody will be told of them any more
    #[command(after_help = Exit::help())]
    Drop(DropArgs),
    /// Erase what the journal keeps of a session or a tenant, to the last byte
    #[command(after_help = Exit::help())]
    Forget(ForgetArgs),
    /// Look after the journal: its file, or those of a cluster
    #[command(after_help = Exit::help())]
    Journal {
        #[command(subcommand)]
        verb: JournalVerb,
    },
    /// Hand over what an agent gives its hook, or keep it until a daemon takes it in
    #[command(after_help = emit_help())]
    Emit(EmitArgs),
    /// What this program starts itself as, to start a daemon that outlives a hook
    #[command(name = EMIT_SPAWN, hide = true)]
    EmitSpawn(EmitSpawnArgs),
    /// What this program starts itself as, to compile a component in a process of its own
    #[command(name = COMPILE, hide = true)]
    CompileComponent,
}

/// See [`Command::CompileComponent`].
pub(crate) const COMPILE: &str = "compile-component";

/// What every command takes that runs plugins for owners.
#[derive(Clone, Debug, Args)]
pub(crate) struct RuntimeArgs {
    /// The configuration: plugins with their limits and tenants, and how to drain; `-` reads it from stdin
    #[arg(long, value_name = "lastword.toml")]
    pub(crate) config: Option<PathBuf>,

    /// A plugin with default limits and no grants, for every tenant, named after its file; may be given several times
    #[arg(long = "plugin", value_name = "PATH")]
    pub(crate) plugins: Vec<PathBuf>,

    /// Where sessions and deliveries are written down: a file, or `memory` [default: a file for each configuration, in
    /// lastword in the user's state directory]
    #[arg(long, value_name = "PATH")]
    pub(crate) journal: Option<PathBuf>,

    /// How long the program that has the journal may take to leave
    #[arg(skip = KILLED_EXIT)]
    pub(crate) journal_patience: Duration,

    /// The time of the whole drain at shutdown, e.g. 2s [default: the configuration's, or 2s]
    #[arg(long, value_name = "TIME", value_parser = units::duration)]
    pub(crate) drain_budget: Option<Duration>,

    /// Draw a picture of each drain: a file that ends with .svg or .html and has the last one, or a directory, or {time} in the file's
    /// name, to have them all
    #[arg(long, value_name = "drain.svg|drain.html|DIR")]
    pub(crate) report: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) cache: CacheArgs,
}

#[derive(Debug, Args)]
pub(crate) struct StdioArgs {
    #[command(flatten)]
    pub(crate) runtime: RuntimeArgs,

    /// Whose words the input is in
    #[arg(long, value_enum, default_value = "lastword")]
    pub(crate) from: InputFormat,

    /// How long owners have to start sessions again that a dead run left active, e.g. 30s; the others end as crashed
    /// [default: they end at once]
    #[arg(long, value_name = "TIME", value_parser = units::duration)]
    pub(crate) attach_grace: Option<Duration>,
}

// At most 80 columns, so that it is not wrapped.
const SHUTDOWN: &str = "\
Shutdown (the first of these counts):
  SIGTERM, SIGINT or SIGHUP
      Every active session ends with reason `shutdown`, within the drain budget;
      at most 100 ms after it the process is gone. Meanwhile starts are refused
      and ends are taken; input that is not read by then was never accepted.
      Further signals are logged and ignored; who cannot wait has SIGKILL.
      A signal before `ready` leaves at once with code 0: nothing was accepted.
  {\"op\":\"shutdown\",\"reason\":\"restart\"}
      The same with that reason: shutdown (the default), restart or crashed.
  end of input without that line
      The owner died: after 100 ms without a signal its sessions end with reason
      `crashed`, within the same budget.
  With `[drain] enabled = false` nobody is called, no drain line is printed, and
  what is owed stays in the journal.

Output:
  stdout carries protocol lines only. A reader that stalls or goes away holds up
  nothing: lines that do not fit are dropped and counted. Logs go to stderr;
  LASTWORD_LOG (or RUST_LOG) filters them, e.g. `warn,lastword=debug`.
";

fn stdio_help() -> String {
    format!("{SHUTDOWN}\n{}", Exit::help())
}

fn serve_help() -> String {
    format!("{}\n{}", daemon::SIGNALS, Exit::help())
}

pub(crate) fn emit_help() -> String {
    format!("{}\n{}", emit::EMIT, Exit::help())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_help_of_stdio_documents_signals_input_and_exit_codes() {
        let help = Cli::command().find_subcommand_mut("stdio").unwrap().render_long_help().to_string();
        for said in
            ["LASTWORD_LOG", "SIGTERM", "SIGINT", "SIGHUP", "end of input", "\"op\":\"shutdown\"", "Exit codes", "owed"]
        {
            assert!(help.contains(said), "{said} is missing in:\n{help}");
        }
    }

    #[test]
    fn a_bad_unit_is_answered_with_a_good_one() {
        let error = Cli::try_parse_from(["lastword", "stdio", "--drain-budget", "2"]).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains(r#""2" has no unit: write "2ms" or "2s""#), "{error}");
    }
}
