//! The program `lastword`: converts owners' lines to events, signals to drains, and outcomes to an exit code.
//!
//! `lastword --help` documents it; docs/ARCHITECTURE.md says where its promises are tested.

mod arenas;
mod args;
mod at_signal;
mod calls;
mod check;
mod client;
mod compile;
mod config;
mod conformance;
mod directories;
mod doctor;
mod early;
mod emit;
mod exit;
mod fd;
mod grants;
mod huge_pages;
mod inputs;
mod install;
mod journal;
mod limits;
mod logging;
mod new;
mod node;
mod operate;
mod output;
mod pause;
mod plain_json;
mod plugins;
mod report;
mod run;
mod secret_file;
mod serve;
mod settle;
mod signals;
mod socket;
mod start;
mod status;
mod stdio;
mod style;
mod threads;
mod tls;
mod tokens;
mod traces;
mod watchdog;

use std::io::Write;
use std::panic::catch_unwind;

use clap::Parser;

use args::{Cli, Command, ConfigVerb};
use config::ConfigError;
use exit::{Exit, Failure};
use lastword_events::printable;
use lastword_events::text::printable_lines;

/// The thread that receives a session allocates its many small strings, and the thread that ends it frees them. An
/// allocator with a cache for each thread saves a third of the time in which a session is registered, ended and
/// delivered.
#[cfg(not(target_env = "msvc"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() {
    // Comes first, because an agent waits for it.
    if emit::is_asked() {
        leave(emit::run());
    }
    arenas::share_where_limited();
    let cli = Cli::try_parse().unwrap_or_else(|error| refuse(error));
    // The panic hook has written to stderr. Only the exit code is left.
    let result = catch_unwind(|| {
        signals::outlive_file_size_limit().map_err(Failure::internal)?;
        carry_out(&cli.command)
    });
    let exit = result.unwrap_or(Ok(Exit::Internal)).unwrap_or_else(|failure| {
        let Failure { exit, error } = threads::explain(failure);
        // If stderr is closed, nobody can be told.
        writeln!(anstream::stderr(), "lastword: {}", message(&error)).ok();
        exit
    });
    leave(exit)
}

fn carry_out(command: &Command) -> Result<Exit, Failure> {
    match command {
        Command::Stdio(args) => stdio::run(args),
        Command::Serve(args) => serve::run(args),
        Command::Status(args) => status::status(args),
        Command::Nodes(args) => operate::nodes(args),
        Command::Install(args) => install::install(args),
        Command::Uninstall(args) => install::uninstall(args),
        Command::Doctor(args) => doctor::doctor(args),
        Command::Reload(args) => client::reload(args),
        Command::Config { verb: ConfigVerb::Check(args) } => config::check::check(args),
        Command::Token(args) => tokens::make(args),
        Command::New(args) => new::new(args),
        Command::Run(args) => run::run(args),
        Command::Test(args) => conformance::test(args),
        Command::Check(args) => check::check(args),
        Command::Sessions(args) => operate::sessions(args),
        Command::Deliveries(args) => operate::deliveries(args),
        Command::Redeliver(args) => operate::redeliver(args),
        Command::Drop(args) => operate::drop_deliveries(args),
        Command::Forget(args) => operate::forget(args),
        Command::Journal { verb } => operate::journal(verb),
        Command::Compile(args) => compile::compile(args),
        // `is_asked` has handled it before.
        Command::Emit(_) => Ok(emit::run()),
        Command::EmitSpawn(args) => emit::start_daemon(args),
        Command::CompileComponent => plugins::compile(),
    }
}

/// Prints clap's error. clap repeats arguments as they are, and they may be file names that a shell has expanded. So
/// clap is asked again with escaped arguments.
fn refuse(error: clap::Error) -> ! {
    let arguments = std::env::args_os().map(|argument| printable(&argument.to_string_lossy()).into_owned());
    Cli::try_parse_from(arguments).err().unwrap_or(error).exit()
}

/// Returns an error and its causes: one line, or one for each mistake in a configuration.
fn message(error: &anyhow::Error) -> String {
    let text = format!("{error:#}");
    match error.downcast_ref() {
        Some(ConfigError::Mistakes(_)) => printable_lines(&text),
        _ => printable(&text).into_owned(),
    }
}

/// Ends the process without waiting for threads that a guest, or a reader of our output, may be blocking.
fn leave(exit: Exit) -> ! {
    std::process::exit(i32::from(exit.code()))
}
