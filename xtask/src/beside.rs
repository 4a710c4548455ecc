//! The runtime in one program with sqlx and diesel: SQLite can be in a program once only, and the version that they ask for is the
//! lowest that the journal takes. A workspace of its own, since Cargo looks for one SQLite for all of a workspace.

use std::path::PathBuf;

use crate::console::say;
use crate::{process, repository};

/// Where it is.
pub(crate) fn folder() -> PathBuf {
    repository::root().join("tests").join("beside")
}

/// Runs its tests, and the journal's own tests with that SQLite. Compiled where the rest is.
///
/// # Errors
/// They fail, or do not resolve.
pub(crate) fn test() -> anyhow::Result<()> {
    say("lastword beside sqlx and diesel");
    let mut tests = process::cargo(&folder());
    tests.args(["test", "--quiet", "--locked", "--target-dir"]).arg(repository::target()?);
    process::run(&mut tests)
}
