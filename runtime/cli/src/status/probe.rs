//! `lastword status --probe`: the health check of a container, which reads the exit code.

use serde::de::IgnoredAny;

use crate::args::{OperatorArgs, Probe};
use crate::exit::{Exit, Failure};

/// Asks the daemon's `/healthz` or `/readyz`.
///
/// # Errors
/// When the daemon does not answer, or reports a problem.
pub(super) fn probe(daemon: &OperatorArgs, what: Probe) -> Result<Exit, Failure> {
    let path = match what {
        Probe::Alive => "/healthz",
        Probe::Ready => "/readyz",
    };
    let asked = daemon.required().and_then(|daemon| daemon.get::<IgnoredAny>(path));
    // One code for all problems: some supervisors reserve others.
    asked.map(|_| Exit::Delivered).map_err(|failure| Failure { exit: Exit::No, ..failure })
}
