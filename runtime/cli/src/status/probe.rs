//! `lastword status --probe`: what a container's health check asks, and reads from the exit code.

use serde::de::IgnoredAny;

use crate::args::{OperatorArgs, Probe};
use crate::exit::{Exit, Failure};

/// Asks the daemon what `/healthz` or `/readyz` says.
///
/// # Errors
/// When it does not answer, or says that all is not well.
pub(super) fn probe(daemon: &OperatorArgs, what: Probe) -> Result<Exit, Failure> {
    let path = match what {
        Probe::Alive => "/healthz",
        Probe::Ready => "/readyz",
    };
    let asked = daemon.required().and_then(|daemon| daemon.get::<IgnoredAny>(path));
    // One code for whatever is wrong: some supervisors reserve others.
    asked.map(|_| Exit::Delivered).map_err(|failure| Failure { exit: Exit::No, ..failure })
}
