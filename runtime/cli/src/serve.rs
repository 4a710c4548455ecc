//! `lastword serve`: a daemon for any number of owners, which outlives them.
//!
//! The main thread waits for the end, and takes the last steps. The command has five other kinds of threads: `stderr`,
//! `signals`, `watchdog` and `traces`, as in `stdio`, and tokio's, which serve connections. No client, plugin or disk can block
//! the main thread.

mod applied;
mod controls;
mod handed_socket;
mod idle;
mod listeners;
mod lock_file;
mod private_directory;
mod ready;
mod reload;
mod service;
mod settings;
mod socket_file;
mod spool;
mod systemd;

use std::sync::Arc;
use std::time::Instant;

use lastword::{Builder, Runtime};
use lastword_protocol::output::Output;
use lastword_server::{Resumed, Server, ServerBuilder, ServerLimits, ServerObserver, TokenStore};
use tokio::runtime::Handle;
use tokio::sync::{Notify, watch};

use crate::arenas;
use crate::args::ServeArgs;
use crate::at_signal::AtSignal;
use crate::config::{Config, ConfigError, users_own};
use crate::early::{EarlyExit, leave_on_early_signal};
use crate::emit;
use crate::exit::{Exit, Failure};
use crate::fd;
use crate::huge_pages;
use crate::journal::JournalLocation;
use crate::limits::{HAND_OVER_JOURNAL, STALLED_READER};
use crate::logging::{self, Format};
use crate::node::{Adopted, Beside, Node, Parts};
use crate::output::line_queue::LineWriter;
use crate::plugins;
use crate::report::Reports;
use crate::signals::Hangup;
use crate::start::{self, Slots, Started, observed, start, start_on};
use crate::threads;
use crate::tokens;
use crate::traces::{Traces, traced};
use crate::watchdog::Watchdog;

use applied::Applied;
use controls::{Asked, ProgramControls};
use lastword_events::text::printable_path;
use listeners::Listeners;
use reload::Reloader;
use service::{Left, Service};
use settings::Settings;
use spool::Intake;

/// Serves until a signal or an operator ends it.
///
/// # Errors
/// When it cannot begin. Once it has begun, the exit code tells the result.
pub(crate) fn run(args: &ServeArgs) -> Result<Exit, Failure> {
    fd::raise_limit();
    huge_pages::refuse();
    fd::check_for_serving()?;
    threads::check_for_serving(args.runtime.report.is_some())?;
    let logs = logging::to_queue(Format::of_stderr()).map_err(Failure::internal)?;
    let mut io_runtime = None;
    let result = serve(&with_users_own(args), &logs, &mut io_runtime);
    if let Some(io_runtime) = io_runtime {
        // Threads that are stuck in a guest's host call, or wait for a server or a disk, are left behind.
        io_runtime.shutdown_background();
    }
    if result.is_err() {
        logs.flush(Instant::now() + STALLED_READER, STALLED_READER);
    }
    result
}

/// Uses the user's own configuration if no other is named. If a hook has started this daemon, it waits for the journal of one that is
/// about to exit.
fn with_users_own(args: &ServeArgs) -> ServeArgs {
    let mut args = args.clone();
    if args.spawned {
        args.runtime.journal_patience = HAND_OVER_JOURNAL;
    }
    if args.runtime.config.is_none()
        && let Some(own) = users_own()
    {
        tracing::info!("the configuration is {}, this user's own", printable_path(&own));
        args.runtime.config = Some(own);
    }
    args
}

/// Serves on a tokio runtime that it leaves to the caller, also when it cannot begin.
fn serve(
    args: &ServeArgs,
    logs: &LineWriter,
    io_runtime: &mut Option<tokio::runtime::Runtime>,
) -> Result<Exit, Failure> {
    fd::tell_limit();
    let watchdog = Watchdog::spawn().map_err(Failure::internal)?;
    let early = EarlyExit::default();
    let hangup = Arc::new(Notify::new());
    let signals = leave_on_early_signal(Hangup::Reloads(Arc::clone(&hangup)), logs.clone(), early.clone())
        .map_err(Failure::internal)?;
    let config = plugins::gather(&args.runtime)?;
    let settings = Settings::of(args, &config)?;
    let drain = config.drain;
    // Comes first, so that a second daemon learns of the first one before it waits for the journal or compiles plugins.
    let listeners = Listeners::open(&settings)?;
    let found = spool::find(args.spool.as_deref())?;
    let reports = args.runtime.report.as_deref().map(Reports::begin).transpose()?.flatten();
    let traces = Traces::begin().map(Arc::new);

    let io_runtime = io_runtime.insert(threads::io_runtime()?);
    let giving_back = io_runtime.spawn(arenas::keep_giving_back()).abort_handle();
    let Built { runtime, server, reloader, asked, slots, node } = {
        let _context = io_runtime.enter();
        build(args, config, &settings, &early, (reports.as_ref(), traces.as_ref()), io_runtime.handle())?
    };
    // Steps that can fail come before `ready`. This thread has a runtime of its own, so that it receives signals
    // whatever blocks the other runtime.
    let control = tokio::runtime::Builder::new_current_thread().enable_time().build().map_err(Failure::internal)?;
    io_runtime.block_on(go_on(&runtime, &server));
    // Returns the memory that recovery used: if a signal comes now, the kernel must free it within the budget.
    arenas::give_back_all_unused();

    // Comes before the first event is taken: events taken from now on are accepted, and an owner that has seen `ready`
    // may send a signal and rely on the drain.
    let at_signal = AtSignal {
        watchdog: watchdog.clone(),
        giving_back: giving_back.clone(),
        durability: runtime.durability(),
        budget: drain.budget,
    };
    at_signal.arm(&signals, false, "stopping");
    let intake = found.map(|found| Intake::begin(found, &server, io_runtime.handle(), &signals));
    let spool = intake.as_ref().map(Intake::spool);
    let (sockets, addresses) = (listeners.sockets().to_vec(), listeners.addresses().to_vec());
    let serving = listeners.serve(io_runtime.handle(), &server, &settings).map_err(Failure::internal)?;
    io_runtime.spawn(systemd::keep_alive(runtime.clone()));
    reload_on_hangup(io_runtime.handle(), hangup, reloader);
    let node = node.map(|(node, beside)| {
        node.serve(beside);
        node
    });
    ready::print(Output::Ready(start::ready(&runtime, &runtime.plugins(), slots)), &sockets, &addresses);
    systemd::ready();
    tracing::info!(?sockets, ?addresses, "ready");
    let service = Service {
        runtime,
        server,
        io_runtime: io_runtime.handle().clone(),
        logs: logs.clone(),
        signals,
        watchdog,
        asked,
        giving_back,
        drain,
        reports,
        traces,
        on_stop: settings.on_stop,
        intake,
        exit_when_idle: args.exit_when_idle,
        node,
    };
    let Left { exit, needs_successor } = control.block_on(service.run());
    drop(serving);
    // No other process knows the next daemon's arguments.
    if needs_successor
        && args.spawned
        && let Some(spool) = spool
    {
        tracing::info!("something has come meanwhile: another daemon goes on");
        if let Err(failure) = emit::begin_daemon(&spool, args.socket.as_deref(), false) {
            tracing::error!("no other daemon could be started: {:#}", failure.error);
        }
    }
    Ok(exit)
}

/// A built daemon that does not serve yet.
struct Built {
    runtime: Runtime,
    server: Server,
    reloader: Arc<Reloader>,
    /// Receives an operator's request for the end.
    asked: watch::Receiver<Asked>,
    slots: Slots,
    /// The node of a cluster, and what it needs to take journals over.
    node: Option<(Node, Beside)>,
}

/// Starts the runtime, and builds the server on it. Call it in the context of `io_runtime`, and outside of its tasks.
fn build(
    args: &ServeArgs,
    config: Config,
    settings: &Settings,
    early: &EarlyExit,
    (reports, traces): (Option<&Reports>, Option<&Arc<Traces>>),
    io_runtime: &Handle,
) -> Result<Built, Failure> {
    let inputs = config.owner.formats().map_err(|mistakes| Failure::usage(ConfigError::from(mistakes)))?;
    let tokens = settings.tokens.as_deref().map(tokens::read).transpose()?.unwrap_or_default();
    let store = Arc::new(TokenStore::new(tokens::valid(&tokens)?));
    let applied = Applied::of(&config, tokens);
    let observer = if settings.metrics_tenants { ServerObserver::with_tenants() } else { ServerObserver::new() };
    let observe = {
        let (observer, reports, traces) = (observer.clone(), reports.cloned(), traces.cloned());
        move |builder: Builder| {
            traced(observed(builder.observer(observer.clone()), reports.as_ref()), traces.as_deref())
        }
    };
    let own = |builder: Builder| observe(builder.attach_grace(settings.owners.grace));
    let (quota, budget) = (config.quota, config.drain.budget);
    let adopted = Arc::new(Adopted::new(config.tenant_quotas.iter().cloned()));
    let (Started { runtime, sandbox }, node) = match start::locate(&args.runtime, &config)? {
        JournalLocation::JetStream(cluster) => {
            let sandbox = start::sandbox(&args.runtime, &config)?;
            let parts = Parts::of(sandbox.max_concurrent_calls())?;
            let node = Node::join(&cluster, parts, adopted.clone(), io_runtime)?;
            early.opened(node.journal());
            let started = start_on(config, sandbox, node.journal(), |builder| own(builder).slots(parts.own))?;
            (started, Some(node))
        }
        JournalLocation::Memory | JournalLocation::File(_) => (start(&args.runtime, config, early, own)?, None),
    };
    let slots = Slots::of(&sandbox);
    let reloader = Arc::new(Reloader::new(
        args.runtime.clone(),
        runtime.clone(),
        sandbox.clone(),
        adopted,
        (settings.tokens.clone(), Arc::clone(&store)),
        applied,
    ));
    let (controls, asked) = ProgramControls::new(Arc::clone(&reloader), runtime.clone());
    let server = Server::builder(runtime.clone(), observer)
        .limits(fd::limit().map_or_else(ServerLimits::default, ServerLimits::within))
        .owners(settings.owners.clone())
        .tokens(store)
        .hosts(settings.hosts.clone())
        .controls(Arc::new(controls))
        .leaves_when_idle(args.spawned)
        .sandbox(sandbox.clone());
    let server = match &node {
        Some(node) => server.cluster(node.cluster()),
        None => server,
    };
    let server = match reports {
        Some(reports) => server.owner_drains(Arc::new(reports.clone())),
        None => server,
    };
    let server = inputs.into_iter().fold(server, ServerBuilder::input).build();
    let node = node.map(|node| {
        let (own, observed, grace) = (runtime.clone(), Box::new(observe), settings.owners.grace);
        (node, Beside { own, sandbox, observed, quota, grace, budget })
    });
    Ok(Built { runtime, server, reloader, asked, slots, node })
}

/// Continues the sessions of owners that outlived the last run. The promises to them are on record then.
async fn go_on(runtime: &Runtime, server: &Server) {
    let Resumed { owners, sessions, left, .. } = server.resume().await;
    if sessions + left > 0 {
        tracing::info!(owners, sessions, left, "going on with the sessions of owners that live");
    }
    if let Err(error) = runtime.recorded().await {
        tracing::warn!(%error, "what was recovered is not on record again yet");
    }
}

/// Reads the configuration again at each SIGHUP. Several during one reading cause one more.
fn reload_on_hangup(io_runtime: &Handle, hangup: Arc<Notify>, reloader: Arc<Reloader>) {
    io_runtime.spawn(async move {
        loop {
            hangup.notified().await;
            // The log has the result.
            drop(Arc::clone(&reloader).reload().await);
        }
    });
}
