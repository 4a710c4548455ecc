//! Components with several linear memories, as composing makes them: within the plugin's limit, from a pool of their own.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod common;

use std::sync::Arc;

use common::{LONG, call_end, end, failure, generous, load, name, sandbox};
use lastword_events::{FailureCause, Outcome};
use lastword_sandbox::{Limits, LoadError, Plugin, Sandbox, SandboxConfig, Source};
use lastword_test_guests::bombs::{memories_of, with_memories};
use lastword_test_guests::{World, component, from_wat};

const PAGE: u64 = 64 * 1024;

fn try_load(sandbox: &Sandbox, bytes: Vec<u8>, limits: Limits) -> Result<Plugin, LoadError> {
    sandbox.load(name("composed"), &Source::Bytes(bytes), limits)
}

fn of(slots: u32) -> Sandbox {
    Sandbox::new(SandboxConfig { max_concurrent_calls: Some(slots), ..SandboxConfig::default() }).unwrap()
}

/// Starts `calls` calls of a guest that sleeps, and polls each until it waits for its timer or for its memories.
async fn sleeping(sandbox: &Sandbox, sleeps: &Plugin, calls: u32) -> Vec<lastword_sandbox::Call> {
    let mut held = Vec::new();
    for attempt in 0..calls {
        let mut call = sandbox.call(sleeps, end("s1", attempt + 1), LONG);
        for _ in 0..100 {
            assert!(futures_poll(&mut call).await.is_none(), "it sleeps for an hour");
        }
        held.push(call);
    }
    held
}

async fn futures_poll(call: &mut lastword_sandbox::Call) -> Option<lastword_sandbox::CallReport> {
    let polled = std::future::poll_fn(|cx| {
        let polled = std::pin::Pin::new(&mut *call).poll(cx);
        std::task::Poll::Ready(polled)
    });
    match polled.await {
        std::task::Poll::Ready(report) => Some(report),
        std::task::Poll::Pending => None,
    }
}

#[tokio::test]
async fn up_to_eight_memories_run_and_count_together() {
    let sandbox = sandbox();
    for memories in 2..=8 {
        let plugin = try_load(&sandbox, memories_of(memories - 1, 1), Limits::default()).expect("it fits");
        let report = call_end(&sandbox, &plugin).await;
        assert_eq!(report.outcome, Outcome::Delivered, "{memories} memories");
        assert_eq!(report.peak_memory, u64::from(memories) * PAGE, "{memories} memories");
    }
}

#[tokio::test]
async fn one_module_may_have_all_of_them() {
    let sandbox = sandbox();
    for memories in 2..=8 {
        let wat = format!(
            r#"(module (memory (export "memory") 1) {}
              (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) i32.const 1024)
              (func (export "session-end") (param i32) (result i32) i32.const 0))"#,
            "(memory 1)".repeat(memories - 1)
        );
        let bytes = from_wat(&wat, World::SessionEnd).unwrap();
        let plugin = try_load(&sandbox, bytes, Limits::default()).expect("it fits");
        let report = call_end(&sandbox, &plugin).await;
        assert_eq!(report.outcome, Outcome::Delivered, "{memories} memories");
        assert_eq!(report.peak_memory, memories as u64 * PAGE, "{memories} memories");
    }
}

#[tokio::test]
async fn they_are_held_to_the_plugins_limit_together() {
    let sandbox = sandbox();
    let memory = |memory| Limits { memory, ..generous() };
    // Each fits alone.
    let refused = try_load(&sandbox, memories_of(7, 160), memory(64 << 20)).unwrap_err();
    let needs = (7 * 160 + 1) * PAGE;
    assert!(
        matches!(refused, LoadError::MemoryLimitTooLow { needs: n, limit } if n == needs && limit == 64 << 20),
        "{refused}"
    );
    try_load(&sandbox, memories_of(7, 160), memory(needs)).expect("it is enough");
    // What one takes is missing for the others.
    let plugin = try_load(&sandbox, with_memories(component("grow"), 3), memory(8 << 20)).unwrap();
    let report = call_end(&sandbox, &plugin).await;
    assert_eq!(*failure(&report).0, FailureCause::Memory);
    assert_eq!(report.peak_memory, 8 << 20);
}

#[test]
fn more_are_refused_with_their_number_before_anything_is_compiled() {
    let sandbox = sandbox();
    let refused = try_load(&sandbox, memories_of(8, 1), Limits::default()).unwrap_err();
    assert!(matches!(refused, LoadError::DoesNotFit { what: "linear memories", needs: 9, max: 8 }), "{refused}");
    assert!(!refused.is_of_the_machine());
    // A pool that is too small for eight says so.
    let refused = try_load(&of(1), memories_of(2, 1), Limits::default()).unwrap_err();
    assert!(matches!(refused, LoadError::NoRoomForMemories { needs: 3, max: 2 }), "{refused}");
    assert!(refused.is_of_the_machine());
    try_load(&of(1), memories_of(1, 1), Limits::default()).expect("two have always fitted");
}

#[tokio::test]
async fn a_call_that_finds_no_memory_waits_and_those_with_one_memory_do_not() {
    let sandbox = of(16);
    // 7 memories beyond the slots', of which a call takes all.
    let hangs = try_load(&sandbox, with_memories(component("sleep"), 7), generous()).unwrap();
    let composed = try_load(&sandbox, memories_of(1, 1), generous()).unwrap();
    let held = sleeping(&sandbox, &hangs, 3).await;
    assert_eq!(sandbox.slots_in_use(), Some(8), "one is under way, with 8 memories, and two wait");
    let good = load(&sandbox, "good", generous());
    for _ in 0..20 {
        assert_eq!(call_end(&sandbox, &good).await.outcome, Outcome::Delivered);
    }
    let waits = sleeping(&sandbox, &composed, 1).await;
    drop(held);
    for call in waits {
        assert_eq!(call.await.outcome, Outcome::Delivered, "it got the memories that were given back");
    }
    assert_eq!(sandbox.slots_in_use(), Some(0));
}

#[tokio::test]
async fn a_plugin_that_hangs_leaves_half_of_the_memories_to_the_others() {
    let sandbox = of(64);
    // 16 memories beyond the slots', of which its calls have 8 together.
    let hangs = try_load(&sandbox, with_memories(component("sleep"), 2), generous()).unwrap();
    let _held = sleeping(&sandbox, &hangs, 30).await;
    assert_eq!(sandbox.slots_in_use(), Some(4 * 3), "4 calls with 3 memories each");
    let composed = try_load(&sandbox, memories_of(7, 1), generous()).unwrap();
    assert_eq!(call_end(&sandbox, &composed).await.outcome, Outcome::Delivered);
}

/// The engine cleans several slots at once on the thread that frees the last of them; for a moment they are nobody's.
#[tokio::test(flavor = "multi_thread", worker_threads = 6)]
async fn no_call_fails_for_what_others_hold() {
    let sandbox = Arc::new(of(4));
    let writes_4mib = include_str!("../../../tests/guests/wat/honest/needs-40mib.wat").replace(
        "    i32.const 0))",
        "    (memory.fill (i32.const 65536) (i32.const 1) (i32.const 4194304)) i32.const 0))",
    );
    let plugins: Vec<Plugin> = [0, 1, 2, 4]
        .map(|more| {
            let component = with_memories(from_wat(&writes_4mib, World::SessionEnd).unwrap(), more);
            sandbox.load(name("composed"), &Source::Bytes(component), generous()).unwrap()
        })
        .into();
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..12 {
        let (sandbox, plugin) = (Arc::clone(&sandbox), plugins[task % plugins.len()].clone());
        tasks.spawn(async move {
            for _ in 0..100 {
                assert_eq!(call_end(&sandbox, &plugin).await.outcome, Outcome::Delivered);
            }
        });
    }
    tasks.join_all().await;
    assert_eq!(sandbox.slots_in_use(), Some(0));
}
