//! A whole set of sessions drained within the default budget, by as many workers as there are cores.

use lastword::events::{DrainReason, PluginName};
use lastword::{Limits, Runtime, Sandbox, SandboxConfig, Source, StartRequest, Tenants};

use crate::rounds::say;

/// Prints how long each set took and what was deferred.
///
/// # Errors
/// When the runtime cannot be built.
pub(crate) fn measure() -> anyhow::Result<()> {
    let tokio = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build()?;
    let _context = tokio.enter();
    let sandbox = Sandbox::new(SandboxConfig::default())?;
    let component = Source::Bytes(lastword_test_guests::component("good"));
    let plugin = sandbox.load(PluginName::new("good")?, &component, Limits::default())?;
    say("a drain within its budget of 2 s, one plugin, a fresh sandbox for each session, in-memory journal:");
    for sessions in [100_000u32, 200_000, 400_000] {
        let runtime = Runtime::builder().sandbox(sandbox.clone()).plugin(plugin.clone(), Tenants::Every).build()?;
        tokio.block_on(async {
            for n in 0..sessions {
                runtime.start_session(StartRequest::new(crate::end::session(n))).await?;
            }
            anyhow::Ok(())
        })?;
        let report = tokio.block_on(runtime.drain(DrainReason::Shutdown));
        say(format!(
            "  {sessions:7} sessions   {:7.1} ms   delivered {:7}   deferred {:7}   {:.2} µs each",
            report.elapsed.as_secs_f64() * 1e3,
            report.delivered,
            report.deferred,
            report.elapsed.as_secs_f64() * 1e6 / f64::from(sessions)
        ));
    }
    Ok(())
}
