//! The program: `lastword-gateway --data FOLDER --plugins FOLDER`.

#![forbid(unsafe_code)]

use std::io::IsTerminal;

use clap::Parser;
use lastword::sandbox::compile_worker;
use lastword_gateway_example::{Args, COMPILE_PLUGIN, run};
use tracing_subscriber::EnvFilter;

fn main() -> anyhow::Result<()> {
    // This program once more, with bounded time and memory: a component that takes for ever to compile costs the gateway nothing.
    if std::env::args_os().nth(1).is_some_and(|word| word == COMPILE_PLUGIN) {
        return Ok(compile_worker(std::io::stdin(), std::io::stdout())?);
    }
    let args = Args::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let colour = std::io::stderr().is_terminal();
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(colour).with_env_filter(filter).init();
    let tokio = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let result = tokio.block_on(run(args));
    // A plugin that is being compiled just now is not waited for.
    tokio.shutdown_background();
    result
}
