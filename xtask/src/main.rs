//! `cargo xtask <verb>`: everything that is done to this repository, on any machine with rustup and a C compiler.
//!
//! The justfile's recipes and `.ci/run` call these verbs and add nothing, so a person and CI run the same code.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::console::BAD;

mod bench_guard;
mod beside;
mod book;
mod check;
mod ci;
mod console;
mod demo;
mod dist;
mod features;
mod fuzz;
mod guests;
mod kept_target;
mod links;
mod mutants;
mod process;
mod promises;
mod public_api;
mod repository;
mod simulate;
mod test;
mod tools;

#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", about = "Build, test, check and show Lastword")]
struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Build the plugins of guest-examples/ into target/guests/
    Guests(guests::Args),
    /// Run every test
    Test(test::Args),
    /// Run what CI runs: format, links, dependencies, lints, docs, demo, a few trials with real agents, tests
    Check,
    /// Look for inputs that break a promise, with libFuzzer
    Fuzz(fuzz::Args),
    /// Make mistakes in what decides about deliveries, and name each that no unit test notices
    Mutants(mutants::Args),
    /// Make one book of all documents, with a search, in target/book
    Book,
    /// Compare what is public of the libraries with docs/public-api.txt
    PublicApi(public_api::Args),
    /// Count instructions at the commit before and now, with valgrind; more than 5 % more is an error
    BenchGuard(bench_guard::Args),
    /// Build the program for others: an archive with its licences, and a checksum
    Dist(dist::Args),
    /// Simulate a fleet of nodes with faults, in virtual time: no session's end may be lost
    Simulate(simulate::Args),
    /// Replay captured sessions, stop in the middle, and watch the drain
    Demo,
}

fn main() -> ExitCode {
    let result = match Args::parse().verb {
        Verb::Guests(args) => guests::run(&args),
        Verb::Test(args) => test::run(&args),
        Verb::Check => check::run(),
        Verb::Fuzz(args) => fuzz::run(&args),
        Verb::Mutants(args) => mutants::run(&args),
        Verb::Book => book::run(),
        Verb::PublicApi(args) => public_api::run(&args),
        Verb::BenchGuard(args) => bench_guard::run(&args),
        Verb::Dist(args) => dist::run(&args),
        Verb::Simulate(args) => simulate::run(&args),
        Verb::Demo => demo::run(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            anstream::eprintln!("{BAD}xtask:{BAD:#} {error:#}");
            ExitCode::FAILURE
        }
    }
}
