//! What the measurements begin with.

use lastword::events::PluginName;
use lastword::{Limits, Plugin, Sandbox, Source};

/// A tokio runtime with so many threads. Each measurement is within its context.
///
/// # Errors
/// When the operating system gives no threads.
pub(crate) fn tokio_with(threads: usize) -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_time().build()
}

/// The test guest `good`, which answers ok at once, as a plugin.
///
/// # Errors
/// When it cannot be loaded.
pub(crate) fn load_good(sandbox: &Sandbox) -> anyhow::Result<Plugin> {
    Ok(sandbox.load(PluginName::new("good")?, &good(), Limits::default())?)
}

/// So many plugins of it, `good-0`, `good-1`, …
///
/// # Errors
/// When one cannot be loaded.
pub(crate) fn load_many_good(sandbox: &Sandbox, plugins: usize) -> anyhow::Result<Vec<Plugin>> {
    let good = good();
    let load = |n: usize| anyhow::Ok(sandbox.load(PluginName::new(&format!("good-{n}"))?, &good, Limits::default())?);
    (0..plugins).map(load).collect()
}

fn good() -> Source {
    Source::Bytes(lastword_test_guests::component("good"))
}
