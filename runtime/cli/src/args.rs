//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum, value_parser};
use lastword::Limits;
use lastword_events::{DeliveryId, Hook, PluginName};
use lastword_sandbox::limits::default_fuel;

use crate::exit::Exit;
use crate::grants::GrantArgs;
use crate::new::Language;
use crate::units::{self, UnitError};
use lastword_config::limits::MEMORY;
use lastword_protocol::owners::InputFormat;

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
    /// List the sessions that are active, as the journal has them
    #[command(after_help = Exit::help())]
    Sessions(SessionsArgs),
    /// List the deliveries that were not made
    #[command(after_help = Exit::help())]
    Deliveries(DeliveriesArgs),
    /// Give deliveries that were given up another chance, at the next start
    #[command(after_help = Exit::help())]
    Redeliver(RedeliverArgs),
    /// Forget deliveries: nobody will be told of them any more
    #[command(after_help = Exit::help())]
    Drop(DropArgs),
    /// Erase what the journal keeps of a session or a tenant, to the last byte
    #[command(after_help = Exit::help())]
    Forget(ForgetArgs),
    /// Look after the journal's file
    #[command(after_help = Exit::help())]
    Journal {
        #[command(subcommand)]
        verb: JournalVerb,
    },
    /// What this program starts itself as, to compile a component in a process of its own
    #[command(name = COMPILE, hide = true)]
    CompileComponent,
}

/// See [`Command::CompileComponent`].
pub(crate) const COMPILE: &str = "compile-component";

#[derive(Debug, Args)]
pub(crate) struct StdioArgs {
    /// The configuration: plugins with their limits and tenants, and how to drain; `-` reads it from stdin
    #[arg(long, value_name = "lastword.toml")]
    pub(crate) config: Option<PathBuf>,

    /// A plugin with default limits and no grants, for every tenant, named after its file; may be given several times
    #[arg(long = "plugin", value_name = "PATH")]
    pub(crate) plugins: Vec<PathBuf>,

    /// Whose words the input is in
    #[arg(long, value_enum, default_value = "lastword")]
    pub(crate) from: InputFormat,

    /// Where sessions and deliveries are written down: a file, or `memory` [default: a file for each configuration, in
    /// lastword in the user's state directory]
    #[arg(long, value_name = "PATH")]
    pub(crate) journal: Option<PathBuf>,

    /// How long owners have to start sessions again that a dead run left active, e.g. 30s; the others end as crashed
    /// [default: they end at once]
    #[arg(long, value_name = "TIME", value_parser = units::duration)]
    pub(crate) attach_grace: Option<Duration>,

    /// The time of the whole drain at shutdown, e.g. 2s [default: the configuration's, or 2s]
    #[arg(long, value_name = "TIME", value_parser = units::duration)]
    pub(crate) drain_budget: Option<Duration>,

    #[command(flatten)]
    pub(crate) cache: CacheArgs,
}

#[derive(Debug, Args)]
pub(crate) struct NewArgs {
    /// The language to write it in
    #[arg(value_enum)]
    pub(crate) language: Language,

    /// What to call it: lower-case letters, digits and hyphens
    #[arg(value_name = "NAME", value_parser = plugin_name)]
    pub(crate) name: PluginName,

    /// Where [default: a folder of that name, here]
    #[arg(long, value_name = "DIR")]
    pub(crate) path: Option<PathBuf>,
}

fn plugin_name(text: &str) -> Result<PluginName, String> {
    PluginName::new(text).map_err(|error| error.to_string())
}

/// Which journal, as for `stdio`.
#[derive(Debug, Args)]
pub(crate) struct JournalArgs {
    /// The configuration whose journal it is
    #[arg(long, value_name = "lastword.toml")]
    pub(crate) config: Option<PathBuf>,

    /// The journal's file [default: the configuration's own]
    #[arg(long, value_name = "PATH")]
    pub(crate) journal: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct SessionsArgs {
    #[command(flatten)]
    pub(crate) journal: JournalArgs,

    /// One JSON object a line
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DeliveriesArgs {
    #[command(flatten)]
    pub(crate) journal: JournalArgs,

    /// Only these
    #[arg(long, value_enum)]
    pub(crate) state: Option<State>,

    /// One JSON object a line
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum State {
    /// Goes out at the next start, or is being tried again
    Owed,
    /// Given up; see `redeliver` and `drop`
    Dead,
    /// Its plugin was not installed for its tenant when the program last started
    Orphaned,
}

#[derive(Debug, Args)]
pub(crate) struct RedeliverArgs {
    #[command(flatten)]
    pub(crate) journal: JournalArgs,

    /// The deliveries' ids, as `lastword deliveries` lists them
    #[arg(value_name = "ID", required = true)]
    pub(crate) ids: Vec<DeliveryId>,
}

#[derive(Debug, Args)]
pub(crate) struct DropArgs {
    #[command(flatten)]
    pub(crate) journal: JournalArgs,

    /// The deliveries' ids, as `lastword deliveries` lists them
    #[arg(value_name = "ID", required = true)]
    pub(crate) ids: Vec<DeliveryId>,

    /// Yes, for ever
    #[arg(long)]
    pub(crate) yes: bool,
}

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("whose").required(true).multiple(true).args(["session", "tenant"]))]
pub(crate) struct ForgetArgs {
    #[command(flatten)]
    pub(crate) journal: JournalArgs,

    /// The session's id: all of its generations, whatever their keys
    #[arg(long, value_name = "ID")]
    pub(crate) session: Option<String>,

    /// Its tenant [default: `default`]; without --session everything of this tenant, with what plugins have stored for it
    #[arg(long, value_name = "TENANT")]
    pub(crate) tenant: Option<String>,

    /// Also what is still owed: nobody will ever be told of it
    #[arg(long)]
    pub(crate) drop_owed: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum JournalVerb {
    /// Say whether the file is whole
    Check(JournalArgs),
    /// Give space that is not used any more back to the file system
    Compact(JournalArgs),
    /// Print everything that is active or owed, one JSON object a line
    Export(JournalArgs),
}

#[derive(Debug, Args)]
pub(crate) struct CacheArgs {
    /// Where compiled plugins are kept [default: lastword/compiled in the user's cache directory]
    #[arg(long, value_name = "DIR", conflicts_with = "no_cache")]
    pub(crate) cache_dir: Option<PathBuf>,

    /// Compile plugins anew and keep nothing
    #[arg(long)]
    pub(crate) no_cache: bool,
}

/// What one call may use.
#[derive(Debug, Args)]
pub(crate) struct LimitArgs {
    /// Units of fuel; one is about one WebAssembly instruction
    #[arg(long, value_name = "N", value_parser = units::fuel)]
    fuel: Option<u64>,

    /// How long the call may run or wait, e.g. 500ms
    #[arg(long, value_name = "TIME", value_parser = units::duration)]
    deadline: Option<Duration>,

    /// How much memory it may have, e.g. 64MiB
    #[arg(long, value_name = "SIZE", value_parser = memory)]
    memory: Option<u64>,

    /// How many host calls it may make
    #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(1..))]
    host_calls: Option<u64>,
}

impl LimitArgs {
    /// What was said, and the defaults.
    pub(crate) fn limits(&self) -> Limits {
        let default = Limits::default();
        let memory = self.memory.unwrap_or(default.memory);
        let deadline = self.deadline.unwrap_or(default.deadline);
        Limits {
            fuel: self.fuel.unwrap_or_else(|| default_fuel(deadline)),
            deadline,
            memory,
            total_memory: default.total_memory.max(memory),
            host_calls: self.host_calls.unwrap_or(default.host_calls),
            ..default
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// The plugin's component
    #[arg(value_name = "PLUGIN")]
    pub(crate) plugin: PathBuf,

    /// Which hook to call: session-start, session-compaction or session-end
    #[arg(long, default_value = "session-end")]
    pub(crate) hook: Hook,

    /// The event as JSON, in the words of the stdio protocol; `-` reads it from stdin [default: a sample event]
    #[arg(long, value_name = "FILE")]
    pub(crate) event: Option<PathBuf>,

    /// Print the same call for the plain `wasmtime` CLI, and do not make it
    #[arg(long)]
    pub(crate) print_wasmtime: bool,

    #[command(flatten)]
    pub(crate) limits: LimitArgs,

    #[command(flatten)]
    pub(crate) cache: CacheArgs,

    // Last, because what follows would be under its heading.
    #[command(flatten)]
    pub(crate) grants: GrantArgs,
}

#[derive(Debug, Args)]
pub(crate) struct TestArgs {
    /// The plugin's component
    #[arg(value_name = "PLUGIN")]
    pub(crate) plugin: PathBuf,

    /// Print every case as one JSON object a line, and a summary as the last
    #[arg(long)]
    pub(crate) json: bool,

    /// Write a JUnit report to this file as well
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) limits: LimitArgs,

    #[command(flatten)]
    pub(crate) cache: CacheArgs,

    // Last, because what follows would be under its heading.
    #[command(flatten)]
    pub(crate) grants: GrantArgs,
}

#[derive(Debug, Args)]
pub(crate) struct CompileArgs {
    /// The plugins' components
    #[arg(value_name = "PLUGIN", required = true)]
    pub(crate) plugins: Vec<PathBuf>,

    /// Where compiled plugins are kept [default: lastword/compiled in the user's cache directory]
    #[arg(long, value_name = "DIR")]
    pub(crate) cache_dir: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// The plugin's component
    #[arg(value_name = "PLUGIN")]
    pub(crate) plugin: PathBuf,

    #[command(flatten)]
    pub(crate) cache: CacheArgs,

    // Last, because what follows would be under its heading.
    #[command(flatten)]
    pub(crate) grants: GrantArgs,
}

fn memory(text: &str) -> Result<u64, UnitError> {
    units::size(text, &MEMORY)
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
