//! `cargo xtask check`: what CI runs. One command, no flags.

use std::time::{Duration, Instant};

use anyhow::Context;

use crate::console::{BAD, BOLD, DIM, GOOD, say, time};
use crate::guests::{self, Guest};
use crate::kept_target::KeptTarget;
use crate::links::Summary;
use crate::tools::DENY;
use crate::{beside, demo, features, fuzz, links, process, promises, public_api, repository, test};

struct Step {
    name: &'static str,
    run: fn() -> anyhow::Result<()>,
}

/// Cheap ones first; the tests last, so that their summary is the last thing before ours.
const STEPS: [Step; 11] = [
    Step { name: "format", run: format },
    Step { name: "links", run: links },
    Step { name: "dependencies", run: dependencies },
    Step { name: "lints", run: lints },
    Step { name: "docs", run: docs },
    Step { name: "public items", run: public_api::compare },
    Step { name: "features", run: features::check },
    Step { name: "demo", run: demo::run },
    Step { name: "real agents", run: agents },
    Step { name: "three servers", run: cluster },
    Step { name: "tests", run: tests },
];

pub(crate) fn run() -> anyhow::Result<()> {
    let kept = KeptTarget::take()?;
    let mut done: Vec<(&str, Duration)> = Vec::new();
    for step in STEPS {
        anstream::eprintln!("{BOLD}━━ {}{BOLD:#}", step.name);
        let begin = Instant::now();
        let result = (step.run)();
        done.push((step.name, begin.elapsed()));
        if let Err(error) = result {
            summarise(&done, true);
            return Err(error).with_context(|| format!("check stopped at `{}`", step.name));
        }
        anstream::eprintln!("{DIM}━━ {}: {}{DIM:#}", step.name, time(begin.elapsed()));
    }
    if let Some(kept) = kept {
        kept.leave()?;
    }
    summarise(&done, false);
    Ok(())
}

fn summarise(done: &[(&str, Duration)], last_failed: bool) {
    anstream::eprintln!("\n{BOLD}check{BOLD:#}");
    for (place, step) in STEPS.iter().enumerate() {
        match done.get(place) {
            Some((name, took)) if last_failed && place + 1 == done.len() => {
                anstream::eprintln!("  {BAD}✗{BAD:#} {name:<14} {}", time(*took));
            }
            Some((name, took)) => anstream::eprintln!("  {GOOD}✓{GOOD:#} {name:<14} {}", time(*took)),
            None => anstream::eprintln!("  {DIM}– {:<14} not run{DIM:#}", step.name),
        }
    }
    anstream::eprintln!("    {:<14} {}", "together", time(done.iter().map(|(_, took)| *took).sum()));
}

fn format() -> anyhow::Result<()> {
    process::run(process::cargo(&repository::root()).args(["fmt", "--all", "--check"]))?;
    for guest in Guest::all()? {
        process::run(guest.plain_cargo().args(["fmt", "--check"]))?;
    }
    process::run(process::cargo(&beside::folder()).args(["fmt", "--check"]))?;
    // Formatted and nothing more: what else it brings is compiled by `just bench field` alone.
    process::run(process::cargo(&repository::root().join("bench/extism")).args(["fmt", "--check"]))?;
    process::run(process::cargo(&fuzz::folder()).args(["fmt", "--check"]))
}

fn links() -> anyhow::Result<()> {
    let checked = links::check(&repository::root())?;
    let named = promises::check(&repository::root())?;
    let pages = Summary::check(&repository::root())?.pages.len();
    say(format_args!(
        "{checked} links between documents hold, {named} tests that they name exist, and {pages} documents are in the book"
    ));
    Ok(())
}

/// Not the advisories: they need a database from the network, and would fail a commit for what others published since.
fn dependencies() -> anyhow::Result<()> {
    let what = ["bans", "licenses", "sources"];
    process::run(DENY.command()?.args(["--locked", "check"]).args(what))?;
    // Workspaces of their own, each with its lockfile.
    let mut apart = vec![
        ("what is fuzzed".to_owned(), fuzz::folder().join("Cargo.toml")),
        ("what is beside sqlx and diesel".to_owned(), beside::folder().join("Cargo.toml")),
    ];
    apart.extend(Guest::all()?.iter().map(|guest| (guest.name().to_owned(), guest.manifest())));
    for (name, manifest) in apart {
        say(format_args!("dependencies of {name}"));
        let mut deny = DENY.command()?;
        deny.arg("--locked").arg("--manifest-path").arg(manifest);
        // Each needs fewer licences than the whole list allows.
        deny.args(["--config", "deny.toml", "check", "--allow", "license-not-encountered"]).args(what);
        process::run(&mut deny)?;
    }
    Ok(())
}

fn lints() -> anyhow::Result<()> {
    let deny_warnings = ["--", "--deny", "warnings"];
    let mut workspace = process::cargo(&repository::root());
    workspace.args(["clippy", "--locked", "--workspace", "--all-targets", "--all-features"]).args(deny_warnings);
    process::run(&mut workspace)?;
    guests::add_target()?;
    for guest in Guest::all()? {
        let mut clippy = guest.cargo("clippy");
        clippy.args(["--locked", "--all-targets", "--target", guests::TARGET]).args(deny_warnings);
        process::run(&mut clippy)?;
    }
    Ok(())
}

/// Twice: a broken link in a private item misleads its maintainers just the same, and a link from a public item to a
/// private one shows only when the private ones are left out. Only libraries have public ones.
fn docs() -> anyhow::Result<()> {
    for items in ["--document-private-items", "--lib"] {
        let mut doc = process::cargo(&repository::root());
        doc.args(["doc", "--locked", "--workspace", "--no-deps", "--all-features", items]);
        process::run(doc.env("RUSTDOCFLAGS", "--deny warnings"))?;
    }
    Ok(())
}

/// Three of them, in a few ways: all of them take a quarter of an hour.
fn agents() -> anyhow::Result<()> {
    test::run(&test::Args::few_owners())
}

/// Each test's servers have an address of loopback of their own, which only Linux gives.
fn cluster() -> anyhow::Result<()> {
    if cfg!(target_os = "linux") {
        return test::run(&test::Args::cluster());
    }
    say("left out: the tests with three NATS servers need Linux");
    Ok(())
}

/// By the very code that the README's command runs.
fn tests() -> anyhow::Result<()> {
    test::run(&test::Args::everything())
}
