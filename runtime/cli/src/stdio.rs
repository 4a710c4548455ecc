//! `lastword stdio`: serves one owner, whose events come on stdin.
//!
//! The main thread hands events over and drains. The command has five other threads, because each may block, and must
//! not block anything else: `stdin` on a silent owner, `stdout` and `stderr` on a reader that does not read, `signals`
//! on the next signal, `watchdog` on the deadline. The runtime has its workers and a timer thread. The journal has one
//! thread that writes and one that watches its file, the sandbox one that interrupts guests, and tokio those of
//! [`threads`]. Look-ups of names have their own, and so have traces.

mod answers;
mod cause;
mod ignored_events;
mod reader;
mod service;

use std::io;
use std::time::Instant;

use lastword::Runtime;
use lastword_server::outcome_line;

use crate::arenas;
use crate::args::StdioArgs;
use crate::at_signal::AtSignal;
use crate::config::ConfigError;
use crate::early::{EarlyExit, leave_on_early_signal};
use crate::exit::{Exit, Failure};
use crate::fd::{self, Blocking};
use crate::huge_pages;
use crate::inputs;
use crate::limits::{MAX_QUEUED_OUTPUT_BYTES, MAX_SINGLE_ANSWERS, STALLED_READER};
use crate::logging::{self, Format};
use crate::output::line_queue::LineWriter;
use crate::output::stdout_queue::OwnerWriter;
use crate::output::writer::OutputProblem;
use crate::plugins;
use crate::report::Reports;
use crate::signals::Hangup;
use crate::start::{self, Slots, Started, observed, start};
use crate::threads;
use crate::traces::{Traces, traced};
use crate::watchdog::Watchdog;
use lastword_protocol::output::Output;

use reader::Stdin;
use service::Service;

/// Serves the owner until the owner or a signal ends it.
///
/// # Errors
/// When it cannot begin. Once it has begun, the exit code tells the result.
pub(crate) fn run(args: &StdioArgs) -> Result<Exit, Failure> {
    fd::raise_limit();
    huge_pages::refuse();
    fd::check_for_serving()?;
    threads::check_for_serving(args.runtime.report.is_some())?;
    let logs = logging::to_queue(Format::Lines).map_err(Failure::internal)?;
    let result = serve(args, &logs);
    if result.is_err() {
        logs.flush(Instant::now() + STALLED_READER, STALLED_READER);
    }
    result
}

fn serve(args: &StdioArgs, logs: &LineWriter) -> Result<Exit, Failure> {
    fd::tell_limit();
    let watchdog = Watchdog::spawn().map_err(Failure::internal)?;
    let early = EarlyExit::default();
    let signals = leave_on_early_signal(Hangup::Ends, logs.clone(), early.clone()).map_err(Failure::internal)?;
    let config = plugins::gather(&args.runtime)?;
    let drain = (config.drain.enabled, config.drain.budget);
    let format = config.owner.format(args.from).map_err(|mistakes| Failure::usage(ConfigError::from(mistakes)))?;
    let reports = args.runtime.report.as_deref().map(Reports::begin).transpose()?.flatten();
    let traces = Traces::begin();
    let output = stdout().map_err(Failure::internal)?;

    // The workers are plain threads. This runtime runs timers and the tasks that wait for the journal.
    let io_runtime = threads::io_runtime()?;
    let giving_back = io_runtime.spawn(arenas::keep_giving_back()).abort_handle();
    let (runtime, slots) = {
        let _context = io_runtime.enter();
        let outcomes = output.clone();
        let Started { runtime, sandbox } = start(&args.runtime, config, &early, |builder| {
            let builder = builder
                .attach_grace(args.attach_grace.unwrap_or_default())
                .on_outcome(move |record| outcomes.outcome(&outcome_line(record)));
            traced(observed(builder, reports.as_ref()), traces.as_ref())
        })?;
        (runtime, Slots::of(&sandbox))
    };

    // Steps that can fail come before `ready`.
    let stdin = Blocking::duplicate(&io::stdin()).map_err(Failure::internal)?;
    let lines = reader::spawn(Stdin::new(stdin), format).map_err(Failure::internal)?;
    // This thread has a runtime of its own, so that it receives signals whatever blocks the other runtime.
    let control = tokio::runtime::Builder::new_current_thread().enable_time().build().map_err(Failure::internal)?;

    // An owner that has seen `ready` may rely on its content, including the recovered sessions and their grace, even if we are killed
    // now.
    if let Err(error) = io_runtime.block_on(runtime.recorded()) {
        tracing::warn!(%error, "what was recovered is not on record again yet");
    }
    // Returns the memory that recovery used: if a signal comes now, the kernel must free it within the budget.
    arenas::give_back_all_unused();

    // Comes before `ready`: an owner that has seen `ready` may send a signal and rely on the drain.
    let at_signal = AtSignal {
        watchdog: watchdog.clone(),
        giving_back: giving_back.clone(),
        durability: runtime.durability(),
        budget: drain.1,
    };
    at_signal.arm(&signals, inputs::is_held_by_another(&io::stdin()), "shutting down");
    output.first(ready(&runtime, slots));
    let service = Service::new(runtime, output, logs.clone(), lines, signals, watchdog, giving_back)
        .with_reports(reports)
        .with_traces(traces);
    let exit = control.block_on(service.run(drain.0, drain.1));
    // Threads that are stuck in a guest's host call are left behind.
    io_runtime.shutdown_background();
    Ok(exit)
}

fn stdout() -> io::Result<OwnerWriter> {
    let stdout = Blocking::duplicate(&io::stdout())?;
    OwnerWriter::spawn("stdout", stdout, |problem| match problem {
        OutputProblem::Behind => tracing::info!(
            "the reader of stdout is more than {MAX_SINGLE_ANSWERS} answers behind: until it has caught up, lines that \
             are accepted are told in ranges"
        ),
        OutputProblem::Slow => tracing::warn!(
            "the reader of stdout is too slow, {MAX_QUEUED_OUTPUT_BYTES} bytes wait for it: outcome lines that do not \
             fit are dropped and counted"
        ),
        OutputProblem::Full(error) => {
            tracing::warn!(%error, "stdout cannot be written for now: the run goes on, and what it would say waits");
        }
        OutputProblem::Gone(error) => {
            tracing::warn!(%error, "the reader of stdout went away: the run goes on, and its lines are dropped");
        }
    })
}

fn ready(runtime: &Runtime, slots: Slots) -> Vec<u8> {
    Output::Ready(start::ready(runtime, &runtime.plugins(), slots)).line()
}
