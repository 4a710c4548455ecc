//! A call of a guest, in a pool of four.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::ensure;
use lastword::events::{Delivery, EndReason, Event, HookCall, Outcome, PluginName, SessionEnd, Timestamp};
use lastword::{Limits, Sandbox, SandboxConfig, Source};

use crate::cases::{delivery_id, on_this_thread, session};

/// Slots of the pool: what it takes to make a larger one is nothing that is counted here.
const SLOTS: u32 = 4;
/// Under valgrind everything takes fifty times as long.
const DEADLINE: Duration = Duration::from_secs(20);

/// Calls of `session-end`, one after the other, each in a fresh sandbox. Its code is in `folder` from the first process on.
pub(crate) fn call(times: u32, folder: &Path) -> anyhow::Result<()> {
    // Made by the sandbox, which trusts none that others may look into.
    let cache_dir = Some(folder.join("code"));
    let sandbox =
        Sandbox::new(SandboxConfig { max_concurrent_calls: Some(SLOTS), cache_dir, ..SandboxConfig::default() })?;
    let good = Source::Bytes(lastword_test_guests::component("good"));
    let limits = Limits { deadline: DEADLINE, ..Limits::default() };
    let plugin = sandbox.load(PluginName::new("memory")?, &good, limits)?;
    let event = Arc::new(Event::End(SessionEnd::new(EndReason::Reset, Timestamp::from_millisecond(1))));
    let session = Arc::new(session(0));
    let delivery = Delivery { id: delivery_id()?, attempt: 1, remaining_ms: 500, late: false };
    on_this_thread()?.block_on(async {
        for _ in 0..times {
            let call = HookCall { session: session.clone(), delivery: delivery.clone(), event: event.clone() };
            let report = sandbox.call(&plugin, call, DEADLINE).await;
            ensure!(report.outcome == Outcome::Delivered, "the call came to {}", report.outcome);
        }
        anyhow::Ok(())
    })
}
