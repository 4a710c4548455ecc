//! A whole set of sessions drained within the default budget, by as many workers as there are cores.

use lastword::events::DrainReason;
use lastword::{Runtime, Sandbox, SandboxConfig, StartRequest, Tenants};

use crate::rounds::say;
use crate::setup::{load_good, tokio_with};

/// Prints how long each set took and what was deferred.
///
/// # Errors
/// When the runtime cannot be built.
pub(crate) fn measure() -> anyhow::Result<()> {
    let tokio = tokio_with(1)?;
    let _context = tokio.enter();
    let sandbox = Sandbox::new(SandboxConfig::default())?;
    let plugin = load_good(&sandbox)?;
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
