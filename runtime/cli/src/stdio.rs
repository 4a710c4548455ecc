//! `lastword stdio`: one owner, whose events come in on stdin.
//!
//! Five threads besides the runtime's own workers, each because it may be held up by something that must hold up
//! nothing else: `stdin` by an owner that says nothing, `stdout` and `stderr` by a reader that does not read, `signals`
//! by waiting for one, `watchdog` by waiting for the end. The main thread hands events over and drains.

mod answers;
mod cause;
mod early;
mod ignored_events;
mod outcomes;
mod reader;
mod service;

use std::io;
use std::time::{Duration, Instant};

use lastword::{BuildError, Durability, Runtime, Tenants};
use lastword_events::Hook;
use tokio::task::AbortHandle;

use crate::arenas;
use crate::args::StdioArgs;
use crate::config::{Config, ConfigError};
use crate::exit::{Exit, Failure};
use crate::fd::{self, Blocking};
use crate::inputs;
use crate::journal::JournalLocation;
use crate::limits::{
    GIVE_BACK_MEMORY, LAST_LINES_WAIT, MAX_QUEUED_OUTPUT_BYTES, MAX_SINGLE_ANSWERS, STALLED_READER, WATCHDOG_OVERRUN,
};
use crate::logging;
use crate::plugins;
use crate::protocol::line_queue::LineWriter;
use crate::protocol::stdout_queue::OwnerWriter;
use crate::protocol::writer::OutputProblem;
use crate::signals::Signals;
use crate::threads;
use crate::watchdog::Watchdog;
use lastword_protocol::output::{Output, Ready, ReadyPlugin, Recovered};

use early::EarlyExit;
use reader::Stdin;
use service::Service;

/// Serves the owner until it, or a signal, says that it is over.
///
/// # Errors
/// When it cannot begin. Once it has begun, the exit code says how it went.
pub(crate) fn run(args: &StdioArgs) -> Result<Exit, Failure> {
    fd::raise_limit();
    fd::check_for_stdio()?;
    threads::check_for_stdio()?;
    let logs = logging::to_queue().map_err(Failure::internal)?;
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
    let signals = leave_on_early_signal(logs.clone(), early.clone()).map_err(Failure::internal)?;
    let config = plugins::gather(args)?;
    let drain = (config.drain.enabled, config.drain.budget);
    let format = config.owner.format(args.from).map_err(|mistakes| Failure::usage(ConfigError::from(mistakes)))?;
    let output = stdout().map_err(Failure::internal)?;

    // The workers are plain threads; these carry timers and what waits for the journal.
    let engine = threads::io_runtime()?;
    let giving_back = engine.spawn(give_back_memory()).abort_handle();
    let (runtime, slots) = {
        let _context = engine.enter();
        build(args, config, output.clone(), &early)?
    };

    // What may fail comes before `ready`: a thread, and what a runtime needs.
    let stdin = Blocking::duplicate(&io::stdin()).map_err(Failure::internal)?;
    let lines = reader::spawn(Stdin::new(stdin), format).map_err(Failure::internal)?;
    // A runtime of its own, on this thread: whatever keeps the other one busy, signals are heard here.
    let control = tokio::runtime::Builder::new_current_thread().enable_time().build().map_err(Failure::internal)?;

    // An owner that has seen `ready` may count on what it says, the grace of its owners included, also if we are killed now.
    if let Err(error) = engine.block_on(runtime.recorded()) {
        tracing::warn!(%error, "what was recovered is not on record again yet");
    }
    // What reading the journal took: a signal may come at once, and what is resident then is taken apart within the budget.
    arenas::give_back_all_unused();

    // First this: an owner that has seen `ready` may send a signal and count on the drain.
    arm_on_signal(&signals, &watchdog, giving_back.clone(), runtime.durability(), drain.1);
    output.first(ready(&runtime, slots));
    let service = Service::new(runtime, output, logs.clone(), lines, signals, watchdog, giving_back);
    let exit = control.block_on(service.run(drain.0, drain.1));
    // Threads that are stuck in a guest's host call are left behind.
    engine.shutdown_background();
    Ok(exit)
}

/// Until the drain begins, which has no processor for it.
async fn give_back_memory() {
    let mut often = tokio::time::interval(GIVE_BACK_MEMORY);
    loop {
        often.tick().await;
        arenas::give_back_unused();
    }
}

/// Nothing was accepted before `ready`, so there is nothing to drain and nothing to wait for. What an earlier run owed
/// is in the journal: `exit` says whether there is any, as far as that is known by then. Calls of what was recovered may be
/// under way already.
fn leave_on_early_signal(logs: LineWriter, exit: EarlyExit) -> io::Result<Signals> {
    Signals::install(move |signal| {
        tracing::info!("{} before `ready`: nothing was accepted; leaving", signal.name);
        logs.flush(Instant::now() + LAST_LINES_WAIT, STALLED_READER);
        signal_hook::low_level::exit(i32::from(exit.leave().code()));
    })
}

/// From now on a signal begins the drain, and the watchdog counts from when the signal thread saw it.
fn arm_on_signal(
    signals: &Signals,
    watchdog: &Watchdog,
    giving_back: AbortHandle,
    durability: Durability,
    budget: Duration,
) {
    let watchdog = watchdog.clone();
    signals.serve(inputs::is_held_by_another(&io::stdin()), move |signal| {
        // Until the drain has told more.
        watchdog.expect(service::undelivered(durability));
        watchdog.arm(signal.at + budget + WATCHDOG_OVERRUN);
        giving_back.abort();
        tracing::info!("{}: shutting down", signal.name);
    });
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

/// Loads the plugins and starts the runtime. With it, the calls that can be under way at once.
fn build(args: &StdioArgs, config: Config, output: OwnerWriter, early: &EarlyExit) -> Result<(Runtime, u32), Failure> {
    if config.plugins.is_empty() {
        tracing::warn!(
            "there is no plugin: sessions are tracked, and their ends are delivered to nobody; see --plugin and [[plugin]]"
        );
    }
    // First: a program that finds the journal in use should not wait for plugins to be compiled.
    let location = JournalLocation::choose(args.journal.as_deref(), config.journal.as_deref(), args.config.as_deref())?;
    location.keep_for(args.config.as_deref().filter(|_| args.journal.is_none() && config.journal.is_none()));
    if location.may_owe() {
        // A large one takes seconds to read.
        early.expect(true);
    }
    let journal = location.open()?;
    early.expect(journal.owes);
    early.opened(journal.journal.clone());
    let sandbox = plugins::sandbox_with_memory(&args.cache, &config.plugins, config.calls.memory)?;
    if let Err(error) = sandbox.remove_leftovers() {
        tracing::warn!(%error, "cannot look for transcripts that a killed process left in the temporary directory");
    }
    let mut builder = Runtime::builder()
        .drain_budget(config.drain.budget)
        .quota(config.quota)
        .journal(journal.journal)
        .attach_grace(args.attach_grace.unwrap_or_default())
        .on_outcome(move |record| output.outcome(&outcomes::line(record)));
    for (tenant, quota) in config.tenant_quotas {
        builder = builder.tenant_quota(&tenant, quota);
    }
    let tenants: Vec<Tenants> =
        config.plugins.iter().map(|entry| entry.tenants.clone().map_or(Tenants::Every, Tenants::Only)).collect();
    for (plugin, tenants) in plugins::load_all(&sandbox, config.plugins)?.into_iter().zip(tenants) {
        builder = builder.plugin(plugin, tenants);
    }
    let slots = sandbox.max_concurrent_calls();
    let runtime = builder.sandbox(sandbox).build().map_err(|error| match error {
        BuildError::Journal(_) => Failure { exit: Exit::Journal, error: error.into() },
        BuildError::Worker(error) => threads::too_few(1, &error.to_string()),
        error => Failure::internal(error),
    })?;
    Ok((runtime, slots))
}

fn ready(runtime: &Runtime, slots: u32) -> Vec<u8> {
    let plugins = runtime.plugins().map(|plugin| {
        // The hook that every plugin has comes first.
        let order = [Hook::SessionEnd, Hook::SessionStart, Hook::SessionCompaction];
        ReadyPlugin { name: plugin.name(), hooks: order.into_iter().filter(|h| plugin.hooks().contains(*h)).collect() }
    });
    let recovered = runtime.recovered();
    Output::Ready(Ready {
        journal: runtime.journal_name(),
        plugins: plugins.collect(),
        slots,
        recovered: Recovered { sessions: recovered.sessions, deliveries: recovered.deliveries },
    })
    .line()
}
