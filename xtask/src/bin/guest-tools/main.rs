//! `guest-tools`: what example plugins are built with that is a library for us and a program to install for others.

#![forbid(unsafe_code)]

use std::path::PathBuf;

use clap::{Parser, Subcommand};

mod names;
mod programs;
mod typescript;

#[derive(Parser)]
#[command(name = "guest-tools", about = "What example plugins are built with")]
struct Args {
    #[command(subcommand)]
    tool: Tool,
}

#[derive(Subcommand)]
enum Tool {
    /// Print the TypeScript declarations of a world, as componentize-qjs hands its values to a plugin
    TypescriptTypes {
        /// A folder of WIT, or a file
        wit: PathBuf,
        /// The world's name
        #[arg(long)]
        world: String,
        /// Also of what the world imports in comments, for its author to take the slashes away
        #[arg(long)]
        offered: bool,
    },
    /// As the program of this name
    #[command(subcommand)]
    WitBindgen(programs::WitBindgen),
    /// As the program of this name
    #[command(subcommand)]
    WasmTools(programs::WasmTools),
    /// Write the adapter from the older WASI, which releases of wasmtime have as wasi_snapshot_preview1.reactor.wasm
    Adapter {
        /// The file
        output: PathBuf,
    },
}

fn main() -> anyhow::Result<()> {
    match Args::parse().tool {
        Tool::TypescriptTypes { wit, world, offered } => {
            let declarations = if offered { typescript::offered } else { typescript::declarations };
            anstream::print!("{}", declarations(&wit, &world)?);
            Ok(())
        }
        Tool::WitBindgen(tool) => tool.run(),
        Tool::WasmTools(tool) => tool.run(),
        Tool::Adapter { output } => programs::write_adapter(&output),
    }
}
