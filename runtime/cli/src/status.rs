//! `lastword status`: one screen with the problems, the active sessions and the owed deliveries.

mod from_file;
mod probe;
mod screen;
mod show;

use std::io::Write as _;

use lastword_server::Status;
use tokio::runtime::Builder;
use tokio::time::timeout;

use crate::args::StatusArgs;
use crate::exit::{Exit, Failure, printed};
use crate::limits::STATUS_EVERY;
use crate::plain_json::plain_json;
use screen::Window;

/// Clears the screen, and moves the cursor to its top.
const CLEAR: &str = "\x1b[2J\x1b[H";

/// Prints the status, once or repeatedly.
///
/// # Errors
/// When neither a daemon nor a journal can be asked, or a probe finds a problem.
pub(crate) fn status(args: &StatusArgs) -> Result<Exit, Failure> {
    if let Some(what) = args.probe {
        return probe::probe(&args.operator, what);
    }
    let clock = Builder::new_current_thread().enable_time().build().map_err(Failure::internal)?;
    loop {
        let status = ask(args)?;
        let mut out = anstream::stdout().lock();
        if args.json {
            let line = serde_json::to_string(&status).map_err(Failure::internal)?;
            printed(writeln!(out, "{}", plain_json(&line)))?;
        } else if args.watch
            && let Some(window) = Window::of_stdout()
        {
            let mut text = Vec::new();
            printed(show::show(&mut text, &status))?;
            printed(write!(out, "{CLEAR}{}", window.fit(&String::from_utf8_lossy(&text))))?;
        } else {
            printed(show::show(&mut out, &status))?;
        }
        if !args.watch {
            return Ok(Exit::Delivered);
        }
        if out.flush().is_err() {
            // The reader is gone.
            return Ok(Exit::Delivered);
        }
        drop(out);
        // Until the next look, or Ctrl-C.
        clock.block_on(async { timeout(STATUS_EVERY, std::future::pending::<()>()).await.ok() });
    }
}

/// Returns the status from a daemon, or else from the journal's file.
fn ask(args: &StatusArgs) -> Result<Status, Failure> {
    match args.operator.daemon()? {
        Some(daemon) => daemon.get("/v1/status"),
        None => from_file::status(&args.operator.journal).map_err(|failure| args.operator.neither(failure)),
    }
}
