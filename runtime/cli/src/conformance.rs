//! `lastword test`: makes the calls to a plugin that the runtime can make, and prints what its operator would see.
//!
//! A plugin passes if it answers every event, in its first call and its second, with its grants and without them. The
//! content of the answer does not matter: `retry` or `fatal` to an ordinary event is noted, and is no failure.

mod advice;
mod cases;
mod judge;
mod junit;
mod records;
mod show;
mod trial;

use std::fs;

use anyhow::Context;

use crate::args::TestArgs;
use crate::calls::output::GuestOutput;
use crate::exit::{Exit, Failure, printed};
use crate::logging;
use lastword_events::text::printable_path;
use trial::Trial;

/// Runs every case.
///
/// # Errors
/// When the plugin cannot be loaded, or a report cannot be written.
pub(crate) fn test(args: &TestArgs) -> Result<Exit, Failure> {
    let guest_output = GuestOutput::default();
    logging::to_stderr(Some(guest_output.clone()));
    let trial = Trial::begin(args, guest_output)?;
    let mut out = anstream::stdout().lock();
    let results = trial.run(|result| if args.json { printed(records::case(&mut out, result)) } else { Ok(()) })?;
    if let Some(path) = &args.junit {
        let report = junit::report(trial.name(), &results).map_err(Failure::internal)?;
        fs::write(path, report)
            .with_context(|| format!("cannot write the report {}", printable_path(path)))
            .map_err(Failure::usage)?;
    }
    let advice = advice::of(&results, trial.limits());
    if args.json {
        printed(records::summary(&mut out, trial.name(), &results, &advice))?;
    } else {
        printed(show::show(&mut out, &trial, &results, &advice))?;
    }
    Ok(if results.iter().all(judge::CaseResult::passed) { Exit::Delivered } else { Exit::No })
}
