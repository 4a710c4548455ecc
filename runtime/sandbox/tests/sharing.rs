//! Plugins of the same component share its code; and what a program compiles by itself is bounded.

mod common;

use common::{call_end, end, generous, name, sandbox};
use lastword_events::{Hook, Outcome};
use lastword_sandbox::{Compiled, Grant, Grants, Limits, LoadError, Sandbox, SandboxConfig, Source};
use lastword_test_guests::{bombs, component};

fn source(guest: &str) -> Source {
    Source::Bytes(component(guest))
}

#[tokio::test]
async fn each_plugin_of_one_component_has_its_own_name_limits_and_grants() {
    let sandbox = sandbox();
    let compiled = sandbox.compile(&source("prints")).unwrap();
    assert!(compiled.hooks().contains(Hook::SessionStart) && compiled.compiled_in().is_some());
    let one = sandbox.instantiate(&compiled, name("one"), generous(), Grants::default()).unwrap();
    let tight = Limits { fuel: 1, ..generous() };
    let other = sandbox.instantiate(&compiled, name("other"), tight, Grants::default()).unwrap();
    assert_eq!((one.name().as_str(), other.name().as_str()), ("one", "other"));
    assert_eq!((one.sha256(), other.limits().fuel), (compiled.sha256(), 1));
    assert_eq!(call_end(&sandbox, &one).await.outcome, Outcome::Delivered);
    assert_eq!(call_end(&sandbox, &other).await.outcome.to_string(), "failed(fuel)");
}

#[test]
fn what_a_plugin_lacks_is_told_when_it_is_made_of_compiled_code() {
    let sandbox = sandbox();
    let compiled = sandbox.compile(&source("kv-remembers")).unwrap();
    assert!(compiled.imports().iter().any(|import| import.name.starts_with("wasi:keyvalue/")));
    let error = sandbox.instantiate(&compiled, name("p"), Limits::default(), Grants::default()).unwrap_err();
    assert!(matches!(error, LoadError::NeedsGrant { grant: Grant::KeyValue, .. }), "{error}");
    let error = sandbox.load(name("p"), &source("kv-remembers"), Limits::default()).unwrap_err();
    assert!(matches!(error, LoadError::NeedsGrant { grant: Grant::KeyValue, .. }), "shared already: {error}");

    let large = sandbox.compile(&source("needs-40mib")).unwrap();
    let small = Limits { memory: 32 << 20, ..Limits::default() };
    let error = sandbox.instantiate(&large, name("p"), small, Grants::default()).unwrap_err();
    assert!(matches!(error, LoadError::MemoryLimitTooLow { needs: 41_943_040, limit: 33_554_432 }), "{error}");
    let huge = Limits { memory: 8 << 30, ..Limits::default() };
    let error = sandbox.instantiate(&large, name("p"), huge, Grants::default()).unwrap_err();
    assert!(matches!(error, LoadError::MemoryLimitTooHigh { .. }), "{error}");

    let elsewhere = common::sandbox();
    let error = elsewhere.instantiate(&large, name("p"), Limits::default(), Grants::default()).unwrap_err();
    assert!(matches!(error, LoadError::OfAnotherSandbox), "{error}");
}

#[test]
fn code_goes_with_the_last_plugin_that_has_it() {
    let sandbox = sandbox();
    let took = |compiled: &Compiled| compiled.compiled_in().is_some();
    let first = sandbox.compile(&source("good")).unwrap();
    let plugin = sandbox.instantiate(&first, name("p"), Limits::default(), Grants::default()).unwrap();
    assert!(took(&first));
    drop(first);
    assert!(!took(&sandbox.compile(&source("good")).unwrap()), "the plugin has it");
    drop(plugin);
    assert!(took(&sandbox.compile(&source("good")).unwrap()), "there is no cache, and nobody had it");
}

#[test]
fn who_wants_what_is_being_compiled_waits_for_it() {
    let sandbox = sandbox();
    let source = Source::Bytes(bombs::many_functions(500));
    let compiled: Vec<Compiled> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| sandbox.compile(&source).unwrap())).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let times = compiled.iter().filter(|compiled| compiled.compiled_in().is_some()).count();
    assert_eq!(times, 1);
}

#[tokio::test]
async fn a_plugin_is_loaded_on_a_thread_that_may_block() {
    let sandbox = sandbox();
    let loading = sandbox.load_async(name("p"), source("good"), generous(), Grants::default());
    let plugin = loading.await.unwrap();
    assert_eq!(sandbox.call(&plugin, end("s1", 1), common::LONG).await.outcome, Outcome::Delivered);
    let error = sandbox.load_async(name("p"), Source::Bytes(Vec::new()), generous(), Grants::default()).await;
    assert!(matches!(error, Err(LoadError::Empty)));
}

/// A component with much code is no reason to refuse one with much else.
#[test]
fn by_default_a_component_with_much_code_is_not_compiled_in_this_process() {
    let sandbox = sandbox();
    let refusal = |bytes: Vec<u8>| sandbox.load(name("p"), &Source::Bytes(bytes), Limits::default()).unwrap_err();
    let all = refusal(bombs::many_functions(5_000));
    assert!(matches!(all, LoadError::NeedsCompilerProcess { what: "all", max: 1_048_576, .. }), "{all}");
    for told in ["SandboxConfig::compiler", "CompilerProcess::this_program", "lastword compile", "max_in_process_code"]
    {
        assert!(all.to_string().contains(told), "{told}: {all}");
    }
    assert!(all.is_of_the_machine());
    let bounded = |max_in_process_code| {
        let config = SandboxConfig { max_concurrent_calls: Some(1), max_in_process_code, ..SandboxConfig::default() };
        let sandbox = Sandbox::new(config).unwrap();
        sandbox.compile(&Source::Bytes(bombs::slow_to_compile(1))).map(drop)
    };
    let largest = bounded(64 << 10).unwrap_err();
    assert!(matches!(largest, LoadError::NeedsCompilerProcess { what: "the largest", .. }), "{largest}");
    sandbox.load(name("p"), &Source::Bytes(bombs::padded(8 << 20)), Limits::default()).unwrap();
}

/// What the compiler makes for whoever calls a function counts as well: few bytes can ask for much of it.
#[test]
fn by_default_a_component_with_little_code_and_much_around_it_is_not_compiled_in_this_process() {
    let sandbox = sandbox();
    for (few, many) in [
        (bombs::wide_functions(20, 1_000), bombs::wide_functions(200, 1_000)),
        (bombs::wide_functions(2_000, 2), bombs::wide_functions(20_000, 2)),
        (bombs::many_adapters(100), bombs::many_adapters(1_100)),
    ] {
        assert!(many.len() < 200_000, "{} bytes", many.len());
        sandbox.compile(&Source::Bytes(few)).unwrap();
        let refused = sandbox.compile(&Source::Bytes(many)).unwrap_err();
        assert!(
            matches!(refused, LoadError::NeedsCompilerProcess { what: "all", bytes: 1_048_577.., .. }),
            "{refused}"
        );
    }
}
