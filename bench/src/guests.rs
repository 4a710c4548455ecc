//! What the example plugins cost by language: the first start, a start from the code cache, and a call in a fresh sandbox.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use lastword::events::{
    Delivery, DeliveryId, EndReason, Event, EventKey, HookCall, JournalName, PluginName, SessionEnd, Timestamp,
};
use lastword::{JournalKeyValues, Limits, MemoryJournal, Plugin, Sandbox, SandboxConfig, Source};
use lastword_sandbox::{AllowList, Grants, KeyValueGrant};

use crate::end::session;
use crate::rounds::say;

const CALLS: usize = 300;
/// What the others are compared with.
const SMALLEST: &str = "rust_session_log";

/// Prints a line for each.
///
/// # Errors
/// When there are none, or one cannot be called.
pub(crate) fn measure() -> anyhow::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/guests");
    let mut found: Vec<PathBuf> = Vec::new();
    for entry in folder.read_dir().context("there are no plugins: cargo xtask guests builds them")? {
        found.push(entry?.path());
    }
    found.retain(|path| path.extension().is_some_and(|extension| extension == "wasm"));
    // The demo's, which never comes back.
    found.retain(|path| path.file_stem().is_none_or(|stem| stem != "spin"));
    // The one to compare with first.
    found.sort_by_key(|path| (path.file_stem().is_none_or(|stem| stem != SMALLEST), path.clone()));
    let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let dir = tempfile::tempdir()?;
    // Made by the sandbox, which trusts none that others may look into.
    let cache = dir.path().join("compiled");
    say(format!("a session-end of each example, a fresh sandbox for each call, {CALLS} calls:"));
    say("                                compiled   from cache    p50        p95");
    let mut smallest = None;
    for path in found {
        let name = path.file_stem().map(|stem| stem.to_string_lossy().replace('_', "-")).unwrap_or_default();
        let (compiled, _) = load(&name, &path, &cache)?;
        let (cached, (sandbox, plugin)) = load(&name, &path, &cache)?;
        let mut times = tokio.block_on(calls(&sandbox, &plugin));
        times.sort_unstable();
        let at = |part: usize| times.get(times.len() * part / 100).copied().unwrap_or_default();
        let (p50, p95) = (at(50), at(95));
        let base = *smallest.get_or_insert(p50);
        say(format!(
            "  {name:<28}{:8.0} ms {:8.1} ms {:8.3} ms {:8.3} ms   {:.0} × {SMALLEST}",
            millis(compiled),
            millis(cached),
            millis(p50),
            millis(p95),
            p50.as_secs_f64() / base.as_secs_f64()
        ));
    }
    Ok(())
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn load(name: &str, path: &Path, cache: &Path) -> anyhow::Result<(Duration, (Sandbox, Plugin))> {
    let source = Source::Bytes(fs::read(path)?);
    let sandbox = Sandbox::new(SandboxConfig {
        cache_dir: Some(cache.to_owned()),
        // Our own guests, JavaScript's and Python's interpreters among them.
        max_in_process_code: u64::MAX,
        ..SandboxConfig::default()
    })?;
    let grants = Grants {
        config: Some(BTreeMap::new()),
        key_value: Some(KeyValueGrant { quota: 1 << 20 }),
        http: Some(AllowList::default()),
        transcript: None,
    };
    let began = Instant::now();
    let plugin = sandbox.load_with(PluginName::new(name)?, &source, Limits::default(), grants)?;
    Ok((began.elapsed(), (sandbox, plugin)))
}

/// How long each took that the guest ran or waited.
async fn calls(sandbox: &Sandbox, plugin: &Plugin) -> Vec<Duration> {
    let store = Arc::new(JournalKeyValues::new(Arc::new(MemoryJournal::new())));
    let event = Arc::new(Event::End(SessionEnd::new(EndReason::Reset, Timestamp::now())));
    let session = Arc::new(session(1));
    let id = DeliveryId {
        journal: JournalName::from_random([0; JournalName::LEN]),
        sequence: 1,
        event: EventKey::End,
        plugin: plugin.name().clone(),
    };
    let mut times = Vec::with_capacity(CALLS);
    for _ in 0..CALLS {
        let delivery = Delivery { id: id.clone(), attempt: 1, remaining_ms: 500, late: false };
        let call = HookCall { session: session.clone(), delivery, event: event.clone() };
        let deadline = plugin.limits().deadline;
        times.push(sandbox.call(plugin, call, deadline).with_key_values(store.clone()).await.active);
    }
    times
}
