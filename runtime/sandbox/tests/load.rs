//! What can be wrong with a plugin is found when it is loaded, and said so that its author knows what to do.

mod common;

use common::{end, generous, load, name, sandbox};
use lastword_events::{Hook, Outcome};
use lastword_sandbox::{
    Allocation, FileKind, Grant, Grants, Limits, LoadError, MemoryLayout, Plugin, Sandbox, SandboxConfig, Source,
};
use lastword_test_guests::component;

fn try_load(sandbox: &Sandbox, bytes: Vec<u8>, limits: Limits) -> Result<Plugin, LoadError> {
    sandbox.load(name("p"), &Source::Bytes(bytes), limits)
}

#[test]
fn each_refusal_says_what_to_do() {
    let sandbox = sandbox();
    let refusal = |bytes: Vec<u8>| try_load(&sandbox, bytes, Limits::default()).unwrap_err();
    let truncated = component("prints")[..500].to_vec();
    let mut invalid = component("good");
    let last = invalid.len() - 1;
    invalid[last / 2] ^= 0xff;

    assert!(matches!(refusal(Vec::new()), LoadError::Empty));
    assert!(matches!(refusal(b"#!/bin/sh\n".to_vec()), LoadError::NotWasm));
    assert!(matches!(refusal(b" (component)".to_vec()), LoadError::Text));
    assert!(matches!(refusal(truncated), LoadError::Truncated { bytes: 500 }));
    assert!(matches!(refusal(b"\0asm\x01\0\0\0".to_vec()), LoadError::CoreModule));
    assert!(matches!(refusal(invalid), LoadError::Invalid { .. } | LoadError::Truncated { .. }));

    for (guest, says) in [
        ("no-session-end", "does not export session-end, the one hook that every plugin has"),
        ("no-session-end", "(it exports session-start)"),
        ("wrong-session-end", "session-end is not the hook of lastword:hooks@0.1.0"),
        ("wrong-session-start", "session-start is not the hook of lastword:hooks@0.1.0"),
        ("imports-http", "@0.2.0, which needs the grant `http`: grant it"),
        ("imports-keyvalue", "needs the grant `keyvalue`"),
        ("imports-config", "needs the grant `config`"),
        ("imports-unheard-of", "nothing provides the import acme:unheard-of/oracle@1.2.3"),
        ("needs-4gib", "4294967296"),
        ("needs-4gib", "1073741824"),
    ] {
        let message = refusal(component(guest)).to_string();
        assert!(message.contains(says), "{guest}: {message}");
    }
}

#[test]
fn a_core_module_is_sent_to_the_tool_that_wraps_it() {
    let message = LoadError::CoreModule.to_string();
    assert!(message.contains("wasm-tools component new") && message.contains("wasm32-wasip2"));
}

#[test]
fn a_file_is_read_and_a_missing_one_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let sandbox = sandbox();
    let path = lastword_test_guests::write("good", dir.path());
    let plugin = sandbox.load(name("good"), &Source::Path(path), Limits::default()).unwrap();
    assert_eq!(plugin.name().as_str(), "good");
    assert_eq!(plugin.hooks().iter().collect::<Vec<_>>(), [Hook::SessionEnd]);
    assert_eq!(plugin.imports(), [""; 0]);
    assert_eq!(plugin.sha256().len(), 64);

    let missing = dir.path().join("missing.wasm");
    let error = sandbox.load(name("p"), &Source::Path(missing), Limits::default()).unwrap_err();
    assert!(matches!(error, LoadError::Unreadable { .. }));
    assert!(error.to_string().contains("missing.wasm"), "{error}");
    assert!(sandbox.load(name("p"), &Source::Path(dir.path().to_owned()), Limits::default()).is_err(), "a directory");
}

#[test]
fn limits_that_cannot_work_are_refused_with_both_numbers() {
    let sandbox = sandbox();
    let memory = |memory| Limits { memory, ..Limits::default() };
    let error = try_load(&sandbox, component("needs-40mib"), memory(32 << 20)).unwrap_err();
    assert!(matches!(error, LoadError::MemoryLimitTooLow { needs: 41_943_040, limit: 33_554_432 }), "{error}");
    let error = try_load(&sandbox, component("good"), memory(8 << 30)).unwrap_err();
    assert!(matches!(error, LoadError::MemoryLimitTooHigh { .. }), "{error}");
    let none = SandboxConfig { max_concurrent_calls: Some(0), ..SandboxConfig::default() };
    assert!(Sandbox::new(none).unwrap_err().to_string().contains("max_concurrent_calls is 0"));
}

#[test]
fn inspecting_tells_all_at_once() {
    let sandbox = sandbox();
    let inspect = |bytes| sandbox.inspect(&Source::Bytes(bytes), &Grants::default()).unwrap();

    let fine = inspect(component("prints"));
    assert!(fine.refusal.is_none() && fine.kind == FileKind::Component);
    assert_eq!(fine.hooks.len(), 3);
    assert!(fine.imports.iter().any(|import| import.name == "wasi:cli/stdout@0.2.0"));
    assert_eq!(fine.sha256, load(&sandbox, "prints", generous()).sha256());

    let http = inspect(component("imports-http"));
    assert_eq!(http.grants(), [Grant::Http]);
    assert!(matches!(http.refusal, Some(LoadError::NeedsGrant { .. })));
    assert!(http.hooks.len() == 1 && http.hooks[0].problem.is_none(), "its hook is fine: {:?}", http.hooks);

    let wrong = inspect(component("wrong-session-start"));
    let problems: Vec<_> = wrong.hooks.iter().map(|fit| (fit.hook, fit.problem.is_some())).collect();
    assert_eq!(problems, [(Hook::SessionStart, true), (Hook::SessionEnd, false)]);

    let text = inspect(b"(module)".to_vec());
    assert!(text.kind == FileKind::Text && text.hooks.is_empty() && text.refusal.is_some());
}

#[tokio::test]
async fn compiled_code_is_found_by_the_next_run() {
    let dir = tempfile::tempdir().unwrap();
    let cache_dir = dir.path().join("code");
    let config =
        SandboxConfig { cache_dir: Some(cache_dir.clone()), max_concurrent_calls: Some(4), ..SandboxConfig::default() };
    for run in 1..=2 {
        let sandbox = Sandbox::new(config.clone()).unwrap();
        let plugin = load(&sandbox, "good", generous());
        assert_eq!(sandbox.call(&plugin, end("s1", 1), common::LONG).await.outcome, Outcome::Delivered);
        assert_eq!(std::fs::read_dir(&cache_dir).unwrap().count(), 1, "run {run}");
    }
}

#[tokio::test]
async fn without_room_for_so_many_calls_fewer_go_at_once_and_the_sandbox_says_how_many() {
    // A million slots of 8 GiB do not fit any address space.
    let config = SandboxConfig { max_concurrent_calls: Some(1_000_000), ..SandboxConfig::default() };
    let sandbox = Sandbox::new(config).unwrap();
    let Allocation { slots, layout, .. } = sandbox.allocation();
    assert!((1_000..100_000).contains(&slots), "{slots}");
    assert_eq!((layout, sandbox.max_concurrent_calls()), (MemoryLayout::Wide, slots));
    let plugin = load(&sandbox, "good", generous());
    assert_eq!(sandbox.call(&plugin, end("s1", 1), common::LONG).await.outcome, Outcome::Delivered);
    let error = try_load(&sandbox, component("needs-4gib"), Limits::default()).unwrap_err();
    assert!(matches!(error, LoadError::DoesNotFit { needs: 4_294_967_296, .. }), "{error}");
}
