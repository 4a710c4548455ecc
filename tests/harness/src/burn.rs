//! A guest that costs a given time of a processor.

use std::sync::Arc;
use std::time::Duration;

use lastword::events::{Delivery, EndReason, Event, HookCall, Outcome, PluginName, Session, SessionEnd, Timestamp};
use lastword::{Limits, Source};

use crate::{Harness, machine};

/// A guest whose `session-end` costs about `cpu` on this machine, however many others use it, and then answers ok.
pub async fn burn(cpu: Duration) -> Vec<u8> {
    const SAMPLE: u64 = 20_000_000;
    let sandbox = Harness::sandbox();
    let sample = Source::Bytes(lastword_test_guests::burn(SAMPLE));
    // The clock on the wall has no part in it.
    let limits = Limits { deadline: Duration::from_secs(60), ..Limits::default() };
    let plugin = sandbox.load(PluginName::new("burn").unwrap(), &sample, limits).unwrap();
    let call = HookCall {
        session: Arc::new(Session::new("t", "s")),
        delivery: Delivery {
            id: "abcdefgh.1/session-end/burn".parse().unwrap(),
            attempt: 1,
            remaining_ms: 500,
            late: false,
        },
        event: Arc::new(Event::End(SessionEnd::new(EndReason::Reset, Timestamp::now()))),
    };
    // Not by the clock on the wall: others may have the processor meanwhile.
    let before = machine::cpu_used();
    let sampled = sandbox.call(&plugin, call, limits.deadline).await;
    let cost = machine::cpu_used() - before;
    assert!(sampled.outcome == Outcome::Delivered, "{:?}", sampled.outcome);
    let iterations = f64::from(u32::try_from(SAMPLE).unwrap_or(u32::MAX)) * cpu.as_secs_f64() / cost.as_secs_f64();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few hundred millions")]
    lastword_test_guests::burn((iterations as u64).max(1))
}
