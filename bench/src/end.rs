//! One `session-end` in a fresh sandbox: through the runtime, and in a bare wasmtime loop.

use std::num::NonZeroUsize;

use lastword::events::{DrainReason, EndReason, Session, Timestamp, Transcript};
use lastword::{EndRequest, Runtime, Sandbox, SandboxConfig, StartRequest, Tenants};

use crate::bare::Bare;
use crate::rounds::{ROUNDS, cpu, median, micros, per_item, say};
use crate::setup::{load_good, tokio_with};

const CALLS: u32 = 50_000;

/// Prints both sides and their ratio.
///
/// # Errors
/// When a call fails that must not.
pub(crate) fn measure() -> anyhow::Result<()> {
    let tokio = tokio_with(1)?;
    let _context = tokio.enter();
    let bare = Bare::new(&lastword_test_guests::component("good")).map_err(failed)?;
    let sandbox = Sandbox::new(SandboxConfig::default())?;
    let plugin = load_good(&sandbox)?;

    let (mut alone, mut drained, mut ordinary, mut ordinary_cpu) = (vec![], vec![], vec![], vec![]);
    for _ in 0..ROUNDS {
        alone.push(per_item(CALLS, || bare.run(CALLS).map_err(failed))?);
        let runtime = start_runtime(&sandbox, &plugin)?;
        tokio.block_on(start(&runtime, CALLS))?;
        drained.push(per_item(CALLS, || tokio.block_on(drain(&runtime, CALLS)))?);
        let runtime = start_runtime(&sandbox, &plugin)?;
        tokio.block_on(start(&runtime, CALLS))?;
        let before = cpu();
        ordinary.push(per_item(CALLS, || tokio.block_on(end(&runtime, CALLS)))?);
        ordinary_cpu.push(micros(cpu().saturating_sub(before)) / f64::from(CALLS));
    }
    let (alone, drained, ordinary) = (median(alone), median(drained), median(ordinary));
    say(format!("one session-end in a fresh sandbox, median of {ROUNDS} × {CALLS}, one worker:"));
    say(format!("  bare wasmtime loop          {alone:6.2} µs   (3.9 µs where the design was measured)"));
    say(format!("  in a drain                  {drained:6.2} µs   {:.2} × bare", drained / alone));
    let cpu = median(ordinary_cpu);
    say(format!("  ordinary end, wall clock    {ordinary:6.2} µs   {:.2} × bare", ordinary / alone));
    say(format!("  ordinary end, CPU of both threads {cpu:.2} µs   (the owner's thread records and the worker calls)"));
    Ok(())
}

/// An error of the bare loop.
#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
pub(crate) fn failed(error: wasmtime::Error) -> anyhow::Error {
    anyhow::anyhow!("bare wasmtime: {error:#}")
}

fn start_runtime(sandbox: &Sandbox, plugin: &lastword::Plugin) -> anyhow::Result<Runtime> {
    Ok(Runtime::builder()
        .sandbox(sandbox.clone())
        .plugin(plugin.clone(), Tenants::Every)
        .workers(NonZeroUsize::MIN)
        .drain_budget(std::time::Duration::from_secs(60))
        .build()?)
}

/// What OpenClaw says of a session.
pub(crate) fn session(n: u32) -> Session {
    let mut session = Session::new("default", &format!("30978718-9dbb-47ca-81cf-{n:012}"));
    session.key = Some("agent:main:a".into());
    session.agent_id = Some("main".into());
    session.owner_kind = Some("openclaw".into());
    session.cwd = Some("/home/user/.openclaw/workspace".into());
    session.transcript = Some(Transcript { uri: format!("/home/user/.openclaw/{n}.jsonl"), archived: false });
    session.started_at = Some(Timestamp::now());
    session
}

/// So many sessions begin, one after the other.
pub(crate) async fn start(runtime: &Runtime, sessions: u32) -> anyhow::Result<()> {
    for n in 0..sessions {
        runtime.start_session(StartRequest::new(session(n))).await?;
    }
    Ok(())
}

/// So many deliveries are made in a drain, and no other.
pub(crate) async fn drain(runtime: &Runtime, deliveries: u32) -> anyhow::Result<()> {
    let report = runtime.drain(DrainReason::Shutdown).await;
    anyhow::ensure!(report.delivered == u64::from(deliveries), "not everything was delivered: {report:?}");
    Ok(())
}

/// Those that [have begun](start) end, each by itself.
pub(crate) async fn end(runtime: &Runtime, sessions: u32) -> anyhow::Result<()> {
    for n in 0..sessions {
        let bare = Session::new("default", &format!("30978718-9dbb-47ca-81cf-{n:012}"));
        runtime.end_session(EndRequest::new(bare, EndReason::Reset)).await?;
    }
    runtime.settled().await;
    anyhow::ensure!(runtime.undelivered_ends() == 0, "not everything was delivered");
    Ok(())
}
