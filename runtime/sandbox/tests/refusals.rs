//! What people give in a plugin's place, and plugins that nearly fit: each is told in a sentence of its own, with what to
//! do next, before anything is compiled.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod common;

use common::{name, sandbox};
use lastword_sandbox::{
    CompilerProcess, FileKind, Grant, Grants, KeyValueGrant, Limits, LoadError, Provision, Sandbox, SandboxConfig,
    Source,
};
use lastword_test_guests::{CONTRACT, component, from_text, of_contract};

/// Of a sandbox that could compile nothing: whatever it says it has found without.
fn refusal(bytes: Vec<u8>, grants: Grants) -> LoadError {
    let compiler = Some(CompilerProcess::new("there-is-no-compiler", [""; 0]));
    let sandbox =
        Sandbox::new(SandboxConfig { compiler, max_concurrent_calls: Some(1), ..SandboxConfig::default() }).unwrap();
    sandbox.load_with(name("p"), &Source::Bytes(bytes), Limits::default(), grants).unwrap_err()
}

#[track_caller]
fn assert_says(error: &LoadError, said: &[&str]) {
    for said in said {
        assert!(error.to_string().contains(said), "{said:?} is missing in: {error}");
    }
}

fn imports(interface: &str) -> Vec<u8> {
    from_text(&format!(r#"(component (import "{interface}" (instance (export "f" (func)))))"#))
}

/// Everything that can be granted.
fn all() -> Grants {
    let mut grants = Grants::default();
    (grants.config, grants.key_value) = (Some(Default::default()), Some(KeyValueGrant { quota: 1 << 20 }));
    grants.http = Some(Default::default());
    grants
}

#[test]
fn another_version_of_an_interface_is_told_with_the_one_that_is_served_and_no_grant_is_proposed() {
    for (interface, served) in [
        ("wasi:config/store@0.2.0-draft", "wasi:config@0.2.0-rc.1 (store)"),
        ("wasi:config/runtime@0.2.0-draft", "wasi:config@0.2.0-rc.1 (store)"),
        ("wasi:keyvalue/store@0.2.0-draft2", "wasi:keyvalue@0.2.0-draft (store, atomics, batch)"),
        ("wasi:keyvalue/eventual@0.1.0", "wasi:keyvalue@0.2.0-draft (store, atomics, batch)"),
        ("wasi:cli/stdout@0.3.0-rc-2026-01-06", "wasi:cli@0.2 "),
        ("wasi:http/handler@0.3.0", "wasi:http@0.2 "),
        ("wasi:clocks/timezone@0.2.3", "wasi:clocks@0.2 (monotonic-clock, wall-clock)"),
    ] {
        for grants in [Grants::default(), all()] {
            let error = refusal(imports(interface), grants);
            assert!(matches!(error, LoadError::AnotherServed { .. }), "{interface}: {error}");
            assert_says(&error, &[interface, served]);
            assert!(!error.to_string().contains("grant"), "{error}");
        }
        let found = sandbox().inspect(&Source::Bytes(imports(interface)), &Grants::default()).unwrap();
        assert!(found.grants().is_empty(), "{interface}");
        assert!(matches!(found.imports[0].provision, Provision::Another(_)));
    }
    assert_says(&refusal(imports("wasi:cli/stdout@0.3.0"), all()), &["WASI 0.3", "wasm32-wasip2"]);
    assert_says(&refusal(imports("wasi:config/store@0.2.0-draft"), all()), &["`lastword new` writes its WIT"]);
    assert_says(&refusal(imports("wasi:logging/logging@0.1.0-draft"), all()), &["print to stdout or stderr"]);
}

/// The grant is named last: whoever grants it must not learn then that it would never have fitted.
#[test]
fn a_missing_grant_is_told_before_anything_is_compiled_and_after_what_no_grant_mends() {
    let error = refusal(component("imports-http"), Grants::default());
    assert!(matches!(error, LoadError::NeedsGrant { grant: Grant::Http, .. }), "{error}");
    let both = from_text(
        r#"(component (import "wasi:http/types@0.2.0" (instance (export "f" (func))))
            (import "acme:oracle/ask@1.0.0" (instance (export "f" (func)))))"#,
    );
    assert_says(&refusal(both, Grants::default()), &["acme:oracle/ask@1.0.0"]);
    assert_says(&refusal(imports("wasi:http/types@0.2.0"), Grants::default()), &["does not export session-end"]);
}

#[test]
fn what_is_no_component_is_told_what_it_is() {
    let lfs = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n";
    for (bytes, kind, said) in [
        (&b"\x1f\x8b\x08\0"[..], FileKind::Archive, "unpack it"),
        (b"PK\x03\x04", FileKind::Archive, "unpack it"),
        (lfs, FileKind::LfsPointer, "git lfs pull"),
        (b"\n<!DOCTYPE html><html>", FileKind::Html, "web page"),
        (b"<HTML lang=en>", FileKind::Html, "web page"),
        (b"\xef\xbb\xbf\r\n<!doctype HTML>", FileKind::Html, "web page"),
        (b"<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code></Error>", FileKind::Html, "web page"),
        (b"\xef\xbb\xbf<!-- blocked --><html>", FileKind::Html, "web page"),
        (b"\x7fELF\x02\x01\x01", FileKind::Native, "native code"),
    ] {
        assert_eq!(FileKind::of(bytes), kind);
        assert_says(&refusal(bytes.to_vec(), Grants::default()), &[said]);
    }
    let preview1 = from_text(r#"(module (import "wasi_snapshot_preview1" "fd_write" (func)))"#);
    assert_says(
        &refusal(preview1, Grants::default()),
        &["WASI preview 1", "wasm32-wasip2", "component embed", "--adapt wasi_snapshot_preview1="],
    );
    let embedded = from_text(r#"(module (import "wasi_unstable" "fd_write" (func)) (@custom "component-type:p" ""))"#);
    let error = refusal(embedded, Grants::default());
    assert!(!error.to_string().contains("component embed"), "{error}");
}

const MODULE: &str = r#"(module (memory (export "memory") 1)
    (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) i32.const 1024)
    (func (export "NAME") (param i32) (result i32) i32.const 0))"#;

/// A plugin of the contract after these changes.
fn changed(changes: &[(&str, &str)]) -> Vec<u8> {
    let wit = changes.iter().fold(CONTRACT.to_owned(), |wit, (from, to)| {
        assert!(wit.contains(from), "{from}");
        wit.replace(from, to)
    });
    of_contract(&wit, "session-hooks", &MODULE.replace("NAME", "session-end")).unwrap()
}

#[test]
fn the_very_field_or_case_that_differs_is_named() {
    for (from, to, said) in [
        ("    cwd: option<string>,\n", "", "event.session has no field `cwd`"),
        (
            "    cwd: option<string>,\n",
            "    cwd: option<string>,\n    colour: u8,\n",
            "a field `colour` that the contract has not",
        ),
        ("    agent-id: option<string>,", "    agent: option<string>,", "no field `agent-id`, and one `agent` that"),
        ("    generation: u32,", "    generation: u64,", "event.session.generation is u64, and u32 in the contract"),
        (
            "    duration-ms: option<u32>,",
            "    duration-ms: u32,",
            "event.duration-ms is u32, and an option in the contract",
        ),
        ("    archived: bool,", "    archived: string,", "event.session.transcript.archived is string, and bool in"),
        ("    crashed,\n", "", "event.reason has no case `crashed`"),
        ("    crashed,\n", "    crashed(string),\n", "event.reason.crashed has a value, and none in the contract"),
        ("    fatal(string),\n", "    fatal(string),\n    never,\n", "its answer's error has a case `never` that"),
        ("list<tuple<string, string>>", "list<tuple<string, u8>>", "event.session.attributes[].1 is u8, and string in"),
    ] {
        let error = refusal(changed(&[(from, to)]), Grants::default());
        assert!(matches!(error, LoadError::WrongSignature { contract: None, .. }), "{error}");
        assert_says(&error, &[said, "session-end is not the hook of lastword:hooks@0.1.0"]);
    }
    let swapped = [("    late: bool,\n", ""), ("    attempt: u32,", "    late: bool,\n    attempt: u32,")];
    assert_says(
        &refusal(changed(&swapped), Grants::default()),
        &["event.delivery has the field `late` where the contract has `attempt`"],
    );
    assert_says(&refusal(component("wrong-session-start"), Grants::default()), &["session-start is not the hook"]);
}

#[test]
fn another_version_of_the_contract_is_named_where_its_shapes_differ_and_served_where_they_do_not() {
    let newer = ("package lastword:hooks@0.1.0", "package lastword:hooks@0.7.0");
    let error = refusal(changed(&[newer, ("    cwd: option<string>,\n", "")]), Grants::default());
    assert_says(&error, &["no field `cwd`", "(it was built against lastword:hooks@0.7.0)"]);
    sandbox().load(name("p"), &Source::Bytes(changed(&[newer])), Limits::default()).unwrap();
}

/// The shapes are the contract's own.
#[test]
fn what_is_built_from_the_contract_differs_in_nothing() {
    let found = sandbox().inspect(&Source::Bytes(component("good-all")), &Grants::default()).unwrap();
    assert_eq!(found.hooks.len(), 3);
    assert!(found.hooks.iter().all(|fit| fit.problem.is_none()) && found.refusal.is_none(), "{found:?}");
}

#[test]
fn an_async_hook_is_told_so() {
    let bytes = changed(&[("export session-end: func", "export session-end: async func")]);
    let error = refusal(bytes.clone(), Grants::default());
    assert!(matches!(error, LoadError::AsyncHook { .. }), "{error}");
    assert_says(&error, &["session-end is async", "`func`", "async def"]);
    let found = sandbox().inspect(&Source::Bytes(bytes), &Grants::default()).unwrap();
    assert!(matches!(found.hooks[0].problem, Some(LoadError::AsyncHook { .. })));
}

#[test]
fn a_hook_in_an_interface_and_a_command_are_told_where_the_hook_belongs() {
    let interface = "interface hooks {\n use types.{session-end-event, hook-error};\n session-end: \
                     func(event: session-end-event) -> result<_, hook-error>;\n}\nworld inside { export hooks; }\n";
    let wat = MODULE.replace("NAME", "lastword:hooks/hooks@0.1.0#session-end");
    let inside = of_contract(&format!("{CONTRACT}\n{interface}"), "inside", &wat).unwrap();
    assert_says(
        &refusal(inside, Grants::default()),
        &["session-end is exported inside the interface lastword:hooks/hooks@0.1.0", "world session-hooks"],
    );
    let command = from_text(r#"(component (instance $i) (export "wasi:cli/run@0.2.6" (instance $i)))"#);
    assert_says(&refusal(command, Grants::default()), &["this is a command", "cdylib"]);
}
