//! What a start waits for while a plugin is installed and uninstalled beside many active sessions, against a start without that.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use lastword::events::Session;
use lastword::{Leave, Plugin, Runtime, Sandbox, SandboxConfig, StartRequest, Tenants};

use crate::end::session;
use crate::rounds::{micros, say};
use crate::setup::{load_many_good, tokio_with};

const SESSIONS: u32 = 100_000;
/// So often it is installed, and uninstalled.
const CHANGES: u32 = 50;

/// Prints both sides and their ratio.
///
/// # Errors
/// When something fails that must not.
pub(crate) fn measure() -> anyhow::Result<()> {
    let tokio = tokio_with(2)?;
    let _context = tokio.enter();
    let sandbox = Sandbox::new(SandboxConfig::default())?;
    let mut plugins = load_many_good(&sandbox, 2)?.into_iter();
    let (stays, comes) = (plugins.next().context("no plugin")?, plugins.next().context("no second plugin")?);
    let runtime = Runtime::builder().sandbox(sandbox).plugin(stays, Tenants::Every).build()?;
    tokio.block_on(async {
        for n in 0..SESSIONS {
            runtime.start_session(StartRequest::new(session(n))).await?;
        }
        anyhow::Ok(())
    })?;

    let over = Arc::new(AtomicBool::new(false));
    let changing = tokio.spawn(change(runtime.clone(), comes, over.clone()));
    let mut beside = Vec::new();
    while !over.load(Ordering::Relaxed) {
        beside.push(start(&tokio, &runtime, "beside", beside.len())?);
    }
    let (install, uninstall) = tokio.block_on(changing)??;
    // As many as those, for the worst of each to say the same.
    let mut alone = Vec::with_capacity(beside.len());
    for n in 0..beside.len() {
        alone.push(start(&tokio, &runtime, "alone", n)?);
    }
    let (alone, beside) = (Waited::of(alone), Waited::of(beside));
    say(format!(
        "a start while a plugin comes and goes {CHANGES} times, {SESSIONS} active sessions, journal in memory:"
    ));
    say(format!("  alone                       {alone}"));
    say(format!(
        "  beside it                   {beside}   {:.1} × the median, {:.1} × the worst alone",
        beside.median / alone.median,
        beside.worst / alone.worst
    ));
    say(format!("  to install takes {install:.0} µs, and to uninstall {uninstall:.0} µs, on average"));
    Ok(())
}

/// Installs it and uninstalls it again and again. Gives what each takes on average, in microseconds.
async fn change(runtime: Runtime, comes: Plugin, over: Arc<AtomicBool>) -> anyhow::Result<(f64, f64)> {
    let changed = change_all(&runtime, &comes).await;
    over.store(true, Ordering::Relaxed);
    changed
}

async fn change_all(runtime: &Runtime, comes: &Plugin) -> anyhow::Result<(f64, f64)> {
    let (mut install, mut uninstall) = (Duration::ZERO, Duration::ZERO);
    for _ in 0..CHANGES {
        let began = Instant::now();
        runtime.install(comes.clone(), Tenants::Every)?;
        install += began.elapsed();
        let began = Instant::now();
        // What is called is what looks at all sessions; what is waited for is written down beside others.
        let uninstalled = runtime.uninstall(&comes.name().clone().into(), Leave::Orphaned);
        uninstall += began.elapsed();
        uninstalled.await?;
    }
    Ok((micros(install) / f64::from(CHANGES), micros(uninstall) / f64::from(CHANGES)))
}

/// How long one start takes, in microseconds.
fn start(tokio: &tokio::runtime::Runtime, runtime: &Runtime, name: &str, number: usize) -> anyhow::Result<f64> {
    let request = StartRequest::new(Session::new("default", &format!("{name}-{number}")));
    let began = Instant::now();
    tokio.block_on(runtime.start_session(request))?;
    Ok(micros(began.elapsed()))
}

/// What was waited for, in microseconds.
struct Waited {
    count: usize,
    median: f64,
    worst: f64,
}

impl Waited {
    fn of(mut waited: Vec<f64>) -> Self {
        waited.sort_by(f64::total_cmp);
        let at = |place: usize| waited.get(place).copied().unwrap_or(0.0);
        let count = waited.len();
        Self { count, median: at(count / 2), worst: at(count.saturating_sub(1)) }
    }
}

impl std::fmt::Display for Waited {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "median {:8.2} µs   worst {:9.2} µs   of {}", self.median, self.worst, self.count)
    }
}
