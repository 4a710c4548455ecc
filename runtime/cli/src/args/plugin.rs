//! The command line of what deals with plugins: `new`, `run`, `test`, `check` and `compile`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, value_parser};
use lastword::Limits;
use lastword_config::limits::MEMORY;
use lastword_events::{Hook, PluginName};
use lastword_sandbox::default_fuel;

use crate::grants::GrantArgs;
use crate::new::Language;
use lastword_config::units::{self, UnitError};

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

#[derive(Clone, Debug, Args)]
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
