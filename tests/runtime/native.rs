//! Plugins that are functions, as an embedder's tests have them.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use lastword::events::{Deferral, DrainReason, EndReason, FailureCause, Hook, HookCall, Outcome, PluginName, Session};
use lastword::testing::ManualClock;
use lastword::{EndRequest, Limits, Plugin, Runtime, StartRequest, Tenants};
use lastword_harness::Harness;
use parking_lot::Mutex;

fn native(name: &str, hook: impl Fn(&HookCall) -> Outcome + Send + Sync + 'static) -> Plugin {
    Plugin::native(PluginName::new(name).unwrap(), Hook::ALL.into_iter().collect(), hook).unwrap()
}

fn native_with_deadline(
    name: &str,
    deadline: Duration,
    hook: impl Fn(&HookCall) -> Outcome + Send + Sync + 'static,
) -> Plugin {
    let hooks = Hook::ALL.into_iter().collect();
    Plugin::native_with_deadline(PluginName::new(name).unwrap(), hooks, deadline, hook).unwrap()
}

fn failed(cause: FailureCause) -> Outcome {
    Outcome::Failed { cause, message: "as asked".to_owned() }
}

#[tokio::test]
async fn a_native_plugin_is_called_as_a_component_is() {
    let called = Arc::new(Mutex::new(Vec::new()));
    let log = called.clone();
    let plugin = native("native", move |call| {
        log.lock().push((call.event.hook(), call.session.identity.id.to_string(), call.delivery.attempt));
        Outcome::Delivered
    });
    // Without a sandbox, and beside no component.
    let runtime = Runtime::builder().plugin(plugin, Tenants::Every).build().unwrap();
    runtime.start_session(StartRequest::new(Session::new("acme", "a"))).await.unwrap();
    runtime.settled().await;
    runtime.end_session(EndRequest::new(Session::new("acme", "a"), EndReason::Reset)).await.unwrap();
    runtime.settled().await;
    let of_a = [Hook::SessionStart, Hook::SessionEnd].map(|hook| (hook, "a".to_owned(), 1));
    assert_eq!(*called.lock(), of_a);
    runtime.start_session(StartRequest::new(Session::new("acme", "b"))).await.unwrap();
    let report = runtime.drain(DrainReason::Shutdown).await;
    assert_eq!((report.delivered, report.owed()), (1, 1));
}

#[tokio::test]
async fn a_runtime_beside_another_has_a_part_of_the_slots_and_the_same_plugins() {
    let one = native("one", |_| Outcome::Delivered);
    let first = Runtime::builder().plugin(one, Tenants::Only(vec!["acme".into()])).build().unwrap();
    let part = Runtime::builder().slots(NonZeroU32::new(2).unwrap());
    let second = first.installed().into_iter().fold(part, |builder, (plugin, tenants)| builder.plugin(plugin, tenants));
    let second = second.build().unwrap();
    assert_eq!(second.stats().slots, 2);
    assert!(first.stats().slots > 2, "{:?}", first.stats());
    for (tenant, owed) in [("acme", 1), ("beta", 0)] {
        let end = EndRequest::new(Session::new(tenant, "a"), EndReason::Reset);
        assert_eq!(second.end_session(end).await.unwrap().deliveries.len(), owed, "{tenant}");
    }
    second.settled().await;
    assert_eq!((second.undelivered_ends(), first.undelivered_ends()), (0, 0));
    // Never more than the sandbox has.
    let all = Runtime::builder().slots(NonZeroU32::MAX).build().unwrap();
    assert_eq!(all.stats().slots, first.stats().slots);
    for (slots, has) in [(1, 1), (u32::MAX, first.stats().slots)] {
        second.set_slots(NonZeroU32::new(slots).unwrap());
        assert_eq!((second.stats().slots, second.stats().slots_taken), (has, 0));
    }
}

fn takes_longer_than_a_guest_may(_: &HookCall) -> Outcome {
    let until = Instant::now() + Limits::default().deadline + Duration::from_millis(50);
    while Instant::now() < until {
        std::thread::yield_now();
    }
    Outcome::Delivered
}

#[tokio::test]
async fn what_a_native_plugin_answers_goes_the_way_of_every_outcome() {
    let harness = Harness::builder()
        .loaded(native("fatal", |_| failed(FailureCause::Fatal)))
        .loaded(native("panics", |_| panic!("as asked")))
        .loaded(native("put-back", |call| match call.delivery.remaining_ms {
            0 => Outcome::Delivered,
            _ => Outcome::Deferred(Deferral::Turn),
        }))
        .loaded(native("slow", takes_longer_than_a_guest_may))
        .loaded(native_with_deadline("hurried", Limits::default().deadline, takes_longer_than_a_guest_may))
        .plugin("good", "good")
        .retry(Duration::from_secs(600), 8)
        .build();
    harness.end("s", EndReason::Reset).await.unwrap();
    let outcome = async |plugin: &str| harness.first_outcome(|one| one.plugin == plugin).await.unwrap();
    assert!(outcome("fatal").await.dead);
    assert!(matches!(outcome("panics").await.outcome, Outcome::Failed { cause: FailureCause::Host, .. }));
    assert_eq!(outcome("put-back").await.outcome, Outcome::Deferred(Deferral::Turn));
    let hurried = outcome("hurried").await;
    assert!(matches!(hurried.outcome, Outcome::Failed { cause: FailureCause::Deadline, .. }), "{hurried:?}");
    assert_eq!(outcome("slow").await.outcome, Outcome::Delivered);
    assert_eq!(outcome("good").await.outcome, Outcome::Delivered);
}

/// What is not bounded is said, and is so.
#[tokio::test]
async fn a_native_plugin_that_hangs_keeps_its_worker_and_a_drain_ends_all_the_same() {
    let (release, wait) = channel::<()>();
    let wait = Mutex::new(wait);
    let hangs = native("hangs", move |_| {
        wait.lock().recv().ok();
        Outcome::Delivered
    });
    let clock = ManualClock::new();
    let harness = Harness::builder().loaded(hangs).workers(2).clock(clock.clone()).build();
    harness.end("s", EndReason::Reset).await.unwrap();
    let drain = harness.runtime.drain(DrainReason::Shutdown);
    clock.advance(lastword::limits::DEFAULT_DRAIN_BUDGET);
    let report = drain.await;
    assert_eq!((report.delivered, report.deferred, report.timed_out), (0, 1, true));
    drop(release);
}
