//! What it costs to write everything down: the same work with a journal on disk and with one in memory, in turns.

use std::path::Path;
use std::sync::Arc;

use lastword::events::{DrainReason, EndReason, Session};
use lastword::{
    EndRequest, Journal, MemoryJournal, Plugin, Runtime, Sandbox, SandboxConfig, SqliteJournal, StartRequest, Tenants,
};
use tokio::task::JoinSet;

use crate::end::session;
use crate::rounds::{median, per_item, say};
use crate::setup::{load_good, tokio_with};

pub(crate) const SESSIONS: u32 = 50_000;
const ROUNDS: usize = 5;
/// Sessions whose owners wait for an answer at the same time.
pub(crate) const AT_ONCE: usize = 1_000;

/// Prints both sides and their ratio.
///
/// # Errors
/// When something fails that must not.
pub(crate) fn measure() -> anyhow::Result<()> {
    let tokio = tokio_with(2)?;
    let _context = tokio.enter();
    let sandbox = Sandbox::new(SandboxConfig::default())?;
    let plugin = load_good(&sandbox)?;
    let dir = tempfile::tempdir()?;

    let (mut memory, mut disk) = (vec![], vec![]);
    for round in 0..ROUNDS {
        for (figures, journal) in [(&mut memory, in_memory()), (&mut disk, on_disk(dir.path(), round)?)] {
            let runtime = start_runtime(&sandbox, &plugin, journal)?;
            figures.push(per_item(SESSIONS, || tokio.block_on(live_and_end(&runtime)))?);
        }
    }
    let (memory, disk) = (median(memory), median(disk));
    say(format!("start, end and delivery of a session, {AT_ONCE} at once, median of {ROUNDS} × {SESSIONS}:"));
    say(format!("  journal in memory           {memory:6.2} µs"));
    say(format!("  journal on disk             {disk:6.2} µs   {:.0} % of the throughput", 100.0 * memory / disk));

    say("a drain within its budget of 2 s, one plugin, journal on disk:");
    for (number, sessions) in [100_000u32, 200_000, 300_000].into_iter().enumerate() {
        let runtime = start_runtime(&sandbox, &plugin, on_disk(dir.path(), ROUNDS + number)?)?;
        tokio.block_on(start_each(&runtime, sessions, session))?;
        let report = tokio.block_on(runtime.drain(DrainReason::Shutdown));
        say(format!(
            "  {sessions:7} sessions   {:7.1} ms   delivered {:7}   deferred {:7}   {:.2} µs each   {}",
            report.elapsed.as_secs_f64() * 1e3,
            report.delivered,
            report.deferred,
            report.elapsed.as_secs_f64() * 1e6 / f64::from(sessions),
            report.warnings.iter().map(|warning| warning.message.as_str()).collect::<Vec<_>>().join("; ")
        ));
    }
    Ok(())
}

pub(crate) fn in_memory() -> Arc<dyn Journal> {
    Arc::new(MemoryJournal::new())
}

pub(crate) fn on_disk(dir: &Path, number: usize) -> anyhow::Result<Arc<dyn Journal>> {
    Ok(Arc::new(SqliteJournal::open(&dir.join(format!("{number}.db")))?))
}

/// A runtime with one plugin, on that journal.
pub(crate) fn start_runtime(sandbox: &Sandbox, plugin: &Plugin, journal: Arc<dyn Journal>) -> anyhow::Result<Runtime> {
    let builder = Runtime::builder().sandbox(sandbox.clone()).plugin(plugin.clone(), Tenants::Every).journal(journal);
    Ok(builder.build()?)
}

/// As many sessions at once as owners wait for, each noted, ended and delivered.
pub(crate) async fn live_and_end(runtime: &Runtime) -> anyhow::Result<()> {
    let mut under_way = JoinSet::new();
    for n in 0..SESSIONS {
        if under_way.len() >= AT_ONCE {
            under_way.join_next().await.transpose()?.transpose()?;
        }
        let started = runtime.start_session(StartRequest::new(session(n)));
        let ended = runtime.end_session(EndRequest::new(session(n), EndReason::Reset));
        under_way.spawn(async move {
            started.await?;
            ended.await?;
            anyhow::Ok(())
        });
    }
    while let Some(done) = under_way.join_next().await {
        done??;
    }
    runtime.settled().await;
    anyhow::ensure!(runtime.undelivered_ends() == 0, "not everything was delivered");
    Ok(())
}

/// Starts sessions, as many at once as a commit takes together.
///
/// # Errors
/// When one is refused.
pub(crate) async fn start_each(
    runtime: &Runtime,
    sessions: u32,
    session: impl Fn(u32) -> Session,
) -> anyhow::Result<()> {
    let mut under_way = JoinSet::new();
    for n in 0..sessions {
        if under_way.len() >= AT_ONCE {
            under_way.join_next().await.transpose()?.transpose()?;
        }
        under_way.spawn(runtime.start_session(StartRequest::new(session(n))));
    }
    while let Some(done) = under_way.join_next().await {
        done??;
    }
    Ok(())
}
