//! How long a drain takes to begin when a dead run has left much, against one that finds as many sessions active; and whether it
//! comes back within its budget.

use std::sync::Arc;
use std::time::{Duration, Instant};

use lastword::events::{DrainReason, DrainReport};
use lastword::{Journal, Plugin, Runtime, Sandbox, SandboxConfig, SqliteJournal, StartRequest, Tenants};

use crate::end::session;
use crate::recovery::note_all;
use crate::rounds::say;
use crate::setup::{load_many_good, tokio_with};

const SESSIONS: u32 = 200_000;
const PLUGINS: usize = 4;

/// Prints both sides.
///
/// # Errors
/// When something fails that must not.
pub(crate) fn measure() -> anyhow::Result<()> {
    let tokio = tokio_with(2)?;
    let _context = tokio.enter();
    let sandbox = Sandbox::new(SandboxConfig::default())?;
    let plugins = load_many_good(&sandbox, PLUGINS)?;
    let dir = tempfile::tempdir()?;

    say(format!("a drain of {SESSIONS} sessions and {PLUGINS} plugins, within its budget of 2 s, journal on disk:"));
    let journal = |name: &str| anyhow::Ok(Arc::new(SqliteJournal::open(&dir.path().join(name))?));
    let active = start_runtime(&sandbox, &plugins, journal("active.db")?)?;
    tokio.block_on(async {
        for first in (0..SESSIONS).step_by(10_000) {
            let starts: Vec<_> =
                (first..first + 10_000).map(|n| active.start_session(StartRequest::new(session(n)))).collect();
            for started in starts {
                started.await?;
            }
        }
        anyhow::Ok(())
    })?;
    let (of_active, report) = drain(&tokio, &active);
    tell("they are active", of_active, &report);
    drop(active);

    tokio.block_on(note_all(&dir.path().join("owed.db"), SESSIONS))?;
    let owed = start_runtime(&sandbox, &plugins, journal("owed.db")?)?;
    let (of_owed, report) = drain(&tokio, &owed);
    tell("a dead run owes them", of_owed, &report);
    say(format!("  to begin takes                 {:.1} × as long", of_owed.as_secs_f64() / of_active.as_secs_f64()));
    Ok(())
}

fn start_runtime(sandbox: &Sandbox, plugins: &[Plugin], journal: Arc<dyn Journal>) -> anyhow::Result<Runtime> {
    let builder = Runtime::builder().sandbox(sandbox.clone()).journal(journal);
    Ok(plugins.iter().fold(builder, |builder, plugin| builder.plugin(plugin.clone(), Tenants::Every)).build()?)
}

/// How long the drain takes to begin, and what came of it.
fn drain(tokio: &tokio::runtime::Runtime, runtime: &Runtime) -> (Duration, DrainReport) {
    let called = Instant::now();
    let draining = runtime.drain(DrainReason::Shutdown);
    let begun = called.elapsed();
    (begun, tokio.block_on(draining))
}

fn tell(what: &str, begun: Duration, report: &DrainReport) {
    say(format!(
        "  {what:20}  begun after {:6.1} ms   over after {:7.1} ms   delivered {:7}   deferred {:7}",
        begun.as_secs_f64() * 1e3,
        report.elapsed.as_secs_f64() * 1e3,
        report.delivered,
        report.deferred
    ));
}
