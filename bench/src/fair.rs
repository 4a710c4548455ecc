//! What an owner waits for beside a tenant whose plugin stores much in every call, against the same owner alone.

use std::time::{Duration, Instant};

use lastword::events::{DrainReason, EndReason, PluginName, Session};
use lastword::{
    EndRequest, Grants, KeyValueGrant, Limits, Runtime, Sandbox, SandboxConfig, Source, SqliteJournal, StartRequest,
    Tenants,
};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use crate::rounds::say;
use crate::setup::tokio_with;

/// Ends of the tenant whose plugin writes 9 000 keys in each call.
const FLOOD: u32 = 1_500;
/// How long the other one is watched beside it; alone for as long.
const WATCHED: Duration = Duration::from_secs(5);
/// From one session of the quiet one to the next, at least.
const PAUSE: Duration = Duration::from_millis(2);
const QUOTA: u64 = 4 << 20;

/// Prints both sides and their ratio.
///
/// # Errors
/// When something fails that must not.
pub(crate) fn measure() -> anyhow::Result<()> {
    let tokio = tokio_with(2)?;
    let _context = tokio.enter();
    let sandbox = Sandbox::new(SandboxConfig::default())?;
    let dir = tempfile::tempdir()?;
    let load = |name: &str, guest: &str| {
        let component = Source::Bytes(lastword_test_guests::component(guest));
        let grants = Grants { key_value: Some(KeyValueGrant { quota: QUOTA }), ..Grants::default() };
        let deadline = Duration::from_secs(20);
        let limits = Limits { deadline, key_value_keys: 10_000, key_value_bytes: QUOTA, ..Limits::default() };
        sandbox.load_with(PluginName::new(name)?, &component, limits, grants).map_err(anyhow::Error::from)
    };
    let runtime = Runtime::builder()
        .sandbox(sandbox.clone())
        .plugin(load("flood", "kv-many-small")?, Tenants::Only(vec!["flood".into()]))
        .plugin(load("quiet", "kv-counts")?, Tenants::Only(vec!["quiet".into()]))
        .journal(std::sync::Arc::new(SqliteJournal::open(&dir.path().join("fair.db"))?))
        .build()?;

    let alone = tokio.block_on(acknowledgements(&runtime, "alone"))?;
    let flood = tokio.block_on(async {
        let mut ends = JoinSet::new();
        for n in 0..FLOOD {
            let session = Session::new("flood", format!("s{n}").as_str());
            ends.spawn(runtime.end_session(EndRequest::new(session, EndReason::Reset)));
        }
        while let Some(end) = ends.join_next().await {
            end??;
        }
        anyhow::Ok(runtime.undelivered_ends())
    })?;
    let beside = tokio.block_on(acknowledgements(&runtime, "beside"))?;
    let made = flood.saturating_sub(runtime.undelivered_ends());
    say(format!("an owner's acknowledgement, for {} s each, in ms:", WATCHED.as_secs()));
    say(format!("  alone                       {alone}"));
    say(format!("  beside {FLOOD} ends × 9 000 keys {beside}   {:.1} × the worst alone", beside.worst / alone.worst));
    say(format!("  of those ends {made} were made meanwhile"));
    let report = tokio.block_on(runtime.drain(DrainReason::Shutdown));
    let warnings: Vec<&str> = report.warnings.iter().map(|warning| warning.message.as_str()).collect();
    say(format!(
        "  the drain after it: {:.0} ms of {:.0}, delivered {}, deferred {}   {}",
        report.elapsed.as_secs_f64() * 1e3,
        report.budget.as_secs_f64() * 1e3,
        report.delivered,
        report.deferred,
        warnings.join("; ")
    ));
    Ok(())
}

/// What was waited for, in milliseconds.
struct Waited {
    count: usize,
    median: f64,
    worst: f64,
}

impl std::fmt::Display for Waited {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "median {:6.2}   worst {:8.2}   of {}", self.median, self.worst, self.count)
    }
}

/// Starts and ends of one session after the other.
async fn acknowledgements(runtime: &Runtime, name: &str) -> anyhow::Result<Waited> {
    let until = Instant::now() + WATCHED;
    let mut waited = Vec::new();
    let mut n = 0;
    let mut pause = interval(PAUSE);
    pause.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while Instant::now() < until {
        let session = Session::new("quiet", format!("{name}{n}").as_str());
        n += 1;
        let began = Instant::now();
        runtime.start_session(StartRequest::new(session.clone())).await?;
        waited.push(began.elapsed().as_secs_f64() * 1e3);
        let began = Instant::now();
        runtime.end_session(EndRequest::new(session, EndReason::Reset)).await?;
        waited.push(began.elapsed().as_secs_f64() * 1e3);
        pause.tick().await;
    }
    waited.sort_by(f64::total_cmp);
    let at = |index: usize| waited.get(index).copied().unwrap_or(0.0);
    Ok(Waited { count: waited.len(), median: at(waited.len() / 2), worst: at(waited.len().saturating_sub(1)) })
}
