//! `cargo xtask simulate`: a fleet in virtual time, with faults.

#![forbid(unsafe_code)]

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{Parser, ValueEnum};
use lastword_simulation::{Fault, Mutation, Settings, Tells};

#[derive(Parser)]
#[command(name = "cargo xtask simulate", about = "Simulate a fleet of nodes with faults, in virtual time")]
struct Args {
    /// Nodes
    #[arg(long, default_value_t = 20)]
    nodes: usize,
    /// Sessions that are active at any one time
    #[arg(long, default_value_t = 20_000)]
    sessions: usize,
    /// Hours of virtual time
    #[arg(long, default_value_t = 2.0)]
    hours: f64,
    /// What all random choices are made of: the same seed is the same run
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// So many runs, with this seed and the ones after it
    #[arg(long, default_value_t = 1)]
    runs: u64,
    /// What goes wrong, separated by commas; everything when nothing is named, and `none` for nothing
    #[arg(long, value_delimiter = ',')]
    faults: Vec<String>,
    /// Seconds of virtual time between two faults, on average
    #[arg(long, default_value_t = 30.0)]
    every: f64,
    /// Minutes that a session lives, on average
    #[arg(long, default_value_t = 60.0)]
    life: f64,
    /// Seconds that a node waits for the owners of active sessions that it has taken over; the program waits for 2 s unless it is configured
    #[arg(long, default_value_t = 0.0)]
    owner_grace: f64,
    /// A mistake that has to be found, in a small fleet; it is an error when it is not
    #[arg(long, conflicts_with_all = ["nodes", "sessions", "hours", "runs", "faults", "every", "life", "owner_grace", "full"])]
    mutate: Option<Mutation>,
    /// Real records, snapshots, purges and replay, for some thousand sessions
    #[arg(long)]
    full: bool,
    /// Tell everything that happens from this second of virtual time on
    #[arg(long, value_name = "SECONDS")]
    trace: Option<f64>,
    /// No lines about the progress
    #[arg(long)]
    quiet: bool,
}

/// So many seeds are tried until a mutation is found.
const MUTATED_RUNS: u64 = 20;

fn main() -> ExitCode {
    let args = Args::parse();
    let faults = match faults(&args.faults) {
        Ok(faults) => faults,
        Err(error) => {
            anstream::eprintln!("simulate: {error}");
            return ExitCode::FAILURE;
        }
    };
    let trace = args.trace.map(|from| Duration::from_secs_f64(from.max(0.0)));
    if let Some(mutation) = args.mutate {
        // Whether it is found is chance, so several seeds are tried.
        for seed in args.seed..args.seed.saturating_add(MUTATED_RUNS) {
            if simulate(&Settings { trace, ..Settings::for_mutation(mutation, seed) }, args.quiet) {
                return ExitCode::SUCCESS;
            }
        }
        anstream::eprintln!("simulate: the mutation was not found");
        return ExitCode::FAILURE;
    }
    let mut is_good = true;
    for seed in args.seed..args.seed.saturating_add(args.runs.max(1)) {
        let settings = Settings {
            faults: faults.clone(),
            every: Duration::from_secs_f64(args.every.max(0.1)),
            life: Duration::from_secs_f64(args.life.max(0.01) * 60.0),
            owner_grace: Duration::from_secs_f64(args.owner_grace.max(0.0)),
            is_full: args.full,
            trace,
            ..Settings::of(
                args.nodes.max(2),
                args.sessions,
                Duration::from_secs_f64(args.hours.max(0.01) * 3_600.0),
                seed,
            )
        };
        is_good &= !simulate(&settings, args.quiet);
    }
    if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs it, and says what came of it. Gives whether anything is broken.
fn simulate(settings: &Settings, is_quiet: bool) -> bool {
    let began = Instant::now();
    let nodes = settings.nodes;
    anstream::println!(
        "{nodes} nodes, {} sessions at a time, {:.1} h, seed {}, a fault each {:.0} s: {}",
        settings.sessions,
        settings.length.as_secs_f64() / 3_600.0,
        settings.seed,
        settings.every.as_secs_f64(),
        named(&settings.faults)
    );
    let report = lastword_simulation::run(settings, |tells| match tells {
        Tells::Happens(at, what) => anstream::eprintln!("{:.4} {what}", at.as_secs_f64()),
        Tells::Progress(progress) if !is_quiet => {
            anstream::eprintln!(
                "{:>8.0} s of {:.0}: {} sessions, {} of {nodes} nodes, {} deaths, {} journals taken over, {} ends delivered; {:.1} s",
                progress.now.as_secs_f64(),
                settings.length.as_secs_f64(),
                progress.active,
                progress.nodes,
                progress.deaths,
                progress.taken_over,
                progress.delivered,
                began.elapsed().as_secs_f64()
            );
        }
        Tells::Progress(_) => {}
    });
    anstream::print!("{report}");
    let took = began.elapsed();
    anstream::println!(
        "  {:<44} {:.1} s, {:.0} × as fast as time",
        "took",
        took.as_secs_f64(),
        report.length.as_secs_f64() / took.as_secs_f64()
    );
    !report.is_good()
}

fn named(faults: &[Fault]) -> String {
    let names: Vec<String> =
        faults.iter().filter_map(|fault| Some(fault.to_possible_value()?.get_name().to_owned())).collect();
    if names.is_empty() { "no faults".to_owned() } else { names.join(", ") }
}

fn faults(words: &[String]) -> Result<Vec<Fault>, String> {
    match words {
        [] => Ok(Fault::value_variants().to_vec()),
        [word] if word == "none" => Ok(Vec::new()),
        words => words
            .iter()
            .map(|word| {
                Fault::from_str(word, false)
                    .map_err(|_| format!("{word:?} is none of {}", named(Fault::value_variants())))
            })
            .collect(),
    }
}
