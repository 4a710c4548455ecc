//! Gathers the plugins, and loads them.

use std::io;
use std::num::NonZeroUsize;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::anyhow;
use lastword::{Limits, Plugin, Sandbox, SandboxConfig, Source};
use lastword_config::Calls;
use lastword_sandbox::{CompilerProcess, Grants, SandboxError, compile_worker};

use crate::args::{COMPILE, CacheArgs, RuntimeArgs};
use crate::config::{Config, PluginEntry, name_of, read_component};
use crate::directories;
use crate::exit::{Exit, Failure};
use crate::limits::COMMAND_CALLS;
use crate::signals;
use lastword_events::text::printable_path;

/// The first descriptor that is not a standard stream.
const FIRST_INHERITED: i32 = 3;

/// The limits of a command that serves nobody: it makes few calls at once, and reserving thousands of slots takes some
/// milliseconds.
const OF_A_COMMAND: Calls = Calls { memory: None, slots: Some(COMMAND_CALLS) };

/// Returns the configuration with the plugins of the command line.
///
/// # Errors
/// Every mistake in the configuration, or the first problem of a `--plugin`.
pub(crate) fn gather(args: &RuntimeArgs) -> Result<Config, Failure> {
    let mut config = match &args.config {
        Some(path) => Config::load(path).map_err(Failure::usage)?,
        None => Config::default(),
    };
    if let Some(budget) = args.drain_budget {
        config.drain.budget = budget;
    }
    for path in &args.plugins {
        let entry = from_path(path, Limits::default(), Grants::default())?;
        if let Some(other) = config.plugins.iter().find(|other| other.name == entry.name) {
            let message = "give one of them another name, with a [[plugin]] in the configuration";
            return Err(Failure::usage(anyhow!(
                "two plugins are called {:?}: {} and {}; {message}",
                entry.name.as_str(),
                other.place,
                entry.place
            )));
        }
        config.plugins.push(entry);
    }
    Ok(config)
}

/// Returns a plugin that is named after its file.
///
/// # Errors
/// When the file cannot be read, or its name is no valid plugin name.
pub(crate) fn from_path(path: &Path, limits: Limits, grants: Grants) -> Result<PluginEntry, Failure> {
    let component = read_component(path).map_err(Failure::usage)?;
    let name = name_of(path).map_err(|error| {
        Failure::usage(anyhow!("{} gives the plugin no name: {error}; rename the file", printable_path(path)))
    })?;
    let place = format!("--plugin {}", printable_path(path));
    Ok(PluginEntry { name, path: path.to_owned(), component, tenants: None, limits, grants, place })
}

/// Makes a sandbox for these plugins.
///
/// # Errors
/// When this machine cannot make one.
pub(crate) fn sandbox(cache: &CacheArgs, plugins: &[PluginEntry]) -> Result<Sandbox, Failure> {
    make_sandbox(cache, most_memory(plugins), OF_A_COMMAND)
}

/// Makes a sandbox for these plugins in a serving program, whose calls have these limits together.
///
/// # Errors
/// When this machine cannot make one.
pub(crate) fn sandbox_for_serving(
    cache: &CacheArgs,
    plugins: &[PluginEntry],
    calls: Calls,
) -> Result<Sandbox, Failure> {
    make_sandbox(cache, most_memory(plugins), calls)
}

fn most_memory(plugins: &[PluginEntry]) -> u64 {
    plugins.iter().map(|plugin| plugin.limits.memory).max().unwrap_or_default()
}

/// Makes a sandbox for plugins whose `limits.memory` is at most so many bytes.
///
/// # Errors
/// When this machine cannot make one.
pub(crate) fn sandbox_for(cache: &CacheArgs, memory: u64) -> Result<Sandbox, Failure> {
    make_sandbox(cache, memory, OF_A_COMMAND)
}

fn make_sandbox(cache: &CacheArgs, memory: u64, calls: Calls) -> Result<Sandbox, Failure> {
    let cache_dir = cache_dir(cache);
    if cache_dir.is_none() && !cache.no_cache {
        tracing::warn!(
            "{}: compiled code is kept nowhere, and plugins are compiled at every start; name a directory with --cache-dir",
            directories::missing()
        );
    }
    let mut config = SandboxConfig {
        cache_dir,
        compiler: compiler(),
        // Without a compiler process this process compiles components of any size: the operator chose them.
        max_in_process_code: u64::MAX,
        narrow_memory: memory,
        ..SandboxConfig::default()
    };
    config.max_memory = config.max_memory.max(memory);
    config.total_memory = calls.memory.unwrap_or(config.total_memory);
    config.max_concurrent_calls = calls.slots;
    Sandbox::new(config).map_err(|error| match error {
        SandboxError::NoRoom { .. } | SandboxError::Ticker(_) => Failure::usage(error),
        error => Failure::internal(error),
    })
}

/// Returns this program as a compiler process that can be killed. Some systems do not tell the program's path;
/// components are then compiled in this process.
fn compiler() -> Option<CompilerProcess> {
    if cfg!(test) {
        // A unit test runs another program.
        return None;
    }
    // The compiler must not inherit the owner's open descriptors: it would keep the owner's pipes open after our end.
    close_fds::set_fds_cloexec_threadsafe(FIRST_INHERITED, &[]);
    let compiler = CompilerProcess::this_program([COMPILE]);
    if compiler.is_none() {
        tracing::warn!(
            "components are compiled in this process, where neither time nor memory is bounded: nobody knows where the \
             program is (is /proc mounted?)"
        );
    }
    compiler
}

/// Runs as the compiler process.
///
/// # Errors
/// When stdin is closed or a terminal.
pub(crate) fn compile() -> Result<Exit, Failure> {
    signals::leave_to_parent().map_err(Failure::internal)?;
    compile_worker(io::stdin(), io::stdout()).map_err(Failure::internal)?;
    Ok(Exit::Delivered)
}

/// Loads all plugins at once, so that one slow compilation does not delay the rest.
///
/// # Errors
/// For the first one, in the order of the configuration, that does not fit.
pub(crate) fn load_all(sandbox: &Sandbox, entries: Vec<PluginEntry>) -> Result<Vec<Plugin>, Failure> {
    let at_once = std::thread::available_parallelism().map_or(1, NonZeroUsize::get).min(entries.len());
    let waiting = Mutex::new(entries.into_iter().enumerate());
    let mut loaded: Vec<(usize, Result<Plugin, Failure>)> = std::thread::scope(|scope| {
        let work = || {
            let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).next();
            std::iter::from_fn(next).map(|(number, entry)| (number, load(sandbox, entry))).collect::<Vec<_>>()
        };
        // This thread loads as well, and does all the work if no other thread can be started.
        let others = (1..at_once).map_while(|_| std::thread::Builder::new().spawn_scoped(scope, work).ok());
        let others: Vec<_> = others.collect();
        let mut loaded = work();
        for other in others {
            loaded.append(&mut other.join().unwrap_or_else(|panic| resume_unwind(panic)));
        }
        loaded
    });
    loaded.sort_by_key(|(number, _)| *number);
    loaded.into_iter().map(|(_, plugin)| plugin).collect()
}

/// Compiles a plugin, or loads it from the cache.
///
/// # Errors
/// When it does not fit. The error names it.
pub(crate) fn load(sandbox: &Sandbox, entry: PluginEntry) -> Result<Plugin, Failure> {
    let source = Source::Bytes(entry.component);
    sandbox.load_with(entry.name.clone(), &source, entry.limits, entry.grants).map_err(|error| {
        let error = anyhow::Error::from(error);
        Failure::usage(error.context(format!(
            "plugin {:?} ({}) cannot be loaded",
            entry.name.as_str(),
            printable_path(&entry.path)
        )))
    })
}

/// Returns the directory of compiled code. `None` if the user's cache directory is unknown.
pub(crate) fn cache_dir(cache: &CacheArgs) -> Option<PathBuf> {
    if cache.no_cache {
        return None;
    }
    let platform = || Some(directories::cache()?.join("lastword").join("compiled"));
    cache.cache_dir.clone().or_else(platform)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::{Cli, Command};

    fn gathered(args: &[&str]) -> Result<Config, Failure> {
        let cli = Cli::try_parse_from([&["lastword", "stdio"], args].concat()).unwrap();
        let Command::Stdio(args) = cli.command else { panic!() };
        gather(&args.runtime)
    }

    #[test]
    fn the_command_line_adds_to_the_configuration_and_its_budget_wins() {
        let dir = tempfile::tempdir().unwrap();
        let good = lastword_test_guests::write("good", dir.path());
        let other = dir.path().join("Other_One.wasm");
        std::fs::copy(&good, &other).unwrap();
        let config = dir.path().join("lastword.toml");
        std::fs::write(&config, "[drain]\nbudget = \"1s\"\n[[plugin]]\nname = \"good\"\ncomponent = \"good.wasm\"\n")
            .unwrap();
        let (config, good, other) = (config.to_str().unwrap(), good.to_str().unwrap(), other.to_str().unwrap());

        let both = gathered(&["--config", config, "--plugin", other, "--drain-budget", "300ms"]).unwrap();
        let names: Vec<&str> = both.plugins.iter().map(|plugin| plugin.name.as_str()).collect();
        assert_eq!(names, ["good", "other-one"]);
        assert_eq!(both.drain.budget.as_millis(), 300);

        let failure = gathered(&["--config", config, "--plugin", good]).unwrap_err();
        assert_eq!(failure.exit, Exit::Usage);
        let message = failure.error.to_string();
        assert!(message.starts_with("two plugins are called \"good\": "), "{message}");
        assert!(message.contains("lastword.toml:4:8 and --plugin "), "{message}");
    }

    #[test]
    fn a_cache_can_be_chosen_or_turned_off() {
        let cache = |args: &[&str]| {
            let cli = Cli::try_parse_from([&["lastword", "run", "p.wasm"], args].concat()).unwrap();
            let Command::Run(args) = cli.command else { panic!() };
            cache_dir(&args.cache)
        };
        assert_eq!(cache(&["--no-cache"]), None);
        assert_eq!(cache(&["--cache-dir", "here"]), Some("here".into()));
    }
}
