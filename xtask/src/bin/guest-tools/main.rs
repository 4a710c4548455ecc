//! `guest-tools`: what example plugins are built with that is a library for us and a program to install for others.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

mod c;
mod names;
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
    },
    /// As the program of this name
    #[command(subcommand)]
    WitBindgen(c::WitBindgen),
    /// As the program of this name
    #[command(subcommand)]
    WasmTools(c::WasmTools),
}

fn main() -> anyhow::Result<()> {
    match Args::parse().tool {
        Tool::TypescriptTypes { wit, world } => {
            anstream::print!("{}", typescript::declarations(&wit, &world)?);
            Ok(())
        }
        Tool::WitBindgen(tool) => tool.run(),
        Tool::WasmTools(tool) => tool.run(),
    }
}
