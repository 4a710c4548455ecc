//! Puts the service together, and takes it apart: what is started and stopped, in which order.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use axum::Router;
use lastword::events::{DrainReason, DrainReport};
use lastword::{CompilerProcess, Runtime, Sandbox, SandboxConfig, SqliteJournal, Tenants};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::args::{Args, COMPILE_PLUGIN};
use crate::catalog::{Catalog, load};
use crate::folder::Folder;
use crate::gateway::Gateway;
use crate::metrics::Metrics;
use crate::observer::MetricsObserver;
use crate::routes;
use crate::signals::{Ending, Signals};

/// How long requests that have begun may take when the service is told to stop. With the drain's budget of 2 s that is well within
/// the 10 s after which containers are killed.
const LAST_REQUESTS: Duration = Duration::from_secs(5);

/// Runs the gateway until it is told to stop.
///
/// # Errors
/// What it needs cannot be opened or used, or the runtime has failed.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let Args { data, plugins, listen, operators } = args;
    let signals = Signals::listen()?;
    // Opening the journal and building the runtime block, for as long as the disk takes.
    let built = tokio::task::spawn_blocking(move || build(&data, &plugins));
    let gateway = Arc::new(built.await.context("the start was broken off")??);
    let recovered = gateway.runtime.recovered();
    tracing::info!(sessions = recovered.sessions, deliveries = recovered.deliveries, "found in the journal");

    let owners = listen_on(listen).await?;
    let operators = listen_on(operators).await?;
    tell(format_args!("owners: http://{}", owners.local_addr()?));
    tell(format_args!("operators: http://{}", operators.local_addr()?));
    let mut servers = JoinSet::new();
    servers.spawn(serve(owners, routes::for_owners(gateway.clone()), gateway.shutdown.begun()));
    servers.spawn(serve(operators, routes::for_operators(gateway.clone()), gateway.shutdown.begun()));

    let ending = signals.until_the_end(&gateway).await;

    // First nothing new comes in, then the sessions end.
    gateway.shutdown.begin();
    if tokio::time::timeout(LAST_REQUESTS, servers.join_all()).await.is_err() {
        tracing::warn!(
            "requests were still being answered after {LAST_REQUESTS:?}: those that come too late are refused"
        );
    }
    match ending {
        Ending::Signal => {
            let report = gateway.runtime.shutdown(DrainReason::Shutdown).await;
            tell_report(&report)
        }
        Ending::Failure => {
            // No session is ended: the next start goes on with what is owed.
            gateway.runtime.detach().await.context("the journal could not be handed over")?;
            bail!("the runtime has failed: start the gateway again, and it delivers what is owed")
        }
    }
}

fn build(data: &Path, plugins: &Path) -> anyhow::Result<Gateway> {
    std::fs::create_dir_all(data).with_context(|| format!("cannot make {}", data.display()))?;
    let sandbox = Sandbox::new(SandboxConfig {
        compiler: CompilerProcess::this_program([COMPILE_PLUGIN]),
        cache_dir: Some(data.join("compiled")),
        ..SandboxConfig::default()
    })?;
    let folder = Folder::open(plugins)?;
    let found = folder.read()?;
    let metrics = Arc::new(Metrics::new()?);

    let mut builder = Runtime::builder().sandbox(sandbox.clone()).observer(MetricsObserver::new(metrics.clone()));
    for (tenant, quota) in &found.tenants {
        if let Some(quota) = quota {
            builder = builder.tenant_quota(tenant, *quota);
        }
    }
    for (key, source) in &found.plugins {
        // A gateway that starts without one of its plugins would be taken for one that has it.
        let plugin = load(&sandbox, key, source).with_context(|| format!("the plugin {key}"))?;
        builder = builder.plugin(plugin, Tenants::Every);
    }
    let journal = SqliteJournal::open(&data.join("sessions.db"))?;
    let runtime = builder.journal(Arc::new(journal)).build()?;
    let catalog = Catalog::new(runtime.clone(), sandbox, folder, found.tenants.into_keys().collect());
    Ok(Gateway::new(runtime, catalog, metrics))
}

async fn listen_on(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))
}

async fn serve(
    listener: TcpListener,
    routes: Router,
    until: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    axum::serve(listener, routes).with_graceful_shutdown(until).into_future().await
}

/// What the drain did: a line for people in the log, and the whole of it for programs.
fn tell_report(report: &DrainReport) -> anyhow::Result<()> {
    let DrainReport { sessions, delivered, failed, deferred, elapsed, .. } = report;
    tracing::info!(sessions, delivered, failed, deferred, ?elapsed, "every session is ended");
    if failed + deferred > 0 {
        tracing::warn!(owed = failed + deferred, "the next start delivers what is owed");
    }
    tell(format_args!("drained: {}", serde_json::to_string(report)?));
    Ok(())
}

/// Whoever starts the program reads on stdout where it listens and how it ended, unless they have gone.
fn tell(line: fmt::Arguments<'_>) {
    writeln!(std::io::stdout(), "{line}").ok();
}
