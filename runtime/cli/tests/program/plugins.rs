//! Plugins that cannot be loaded: the run does not begin, and the message says what to do.

use std::path::PathBuf;

use crate::support::{Ended, Launch};

/// The run does not begin: code 2, nothing on stdout, and stderr says all of this.
#[track_caller]
fn assert_refused(ended: &Ended, said: &[&str]) {
    assert_eq!(ended.code(), 2, "{}", ended.stderr());
    assert!(ended.lines.is_empty(), "no `ready`, no anything: {:?}", ended.lines);
    for said in said {
        assert!(ended.stderr().contains(said), "{said:?} is missing in:\n{}", ended.stderr());
    }
}

fn with_plugin(name: &str, bytes: &[u8]) -> Ended {
    Launch::stdio().component(name, bytes).run()
}

#[test]
fn a_truncated_component_is_refused_and_named() {
    let whole = lastword_test_guests::component("prints");
    for length in [1, 7, whole.len() / 3, whole.len() - 1] {
        assert_refused(&with_plugin("half", &whole[..length]), &["half.wasm", "truncated"]);
    }
}

#[test]
fn a_core_module_is_refused_with_the_way_to_make_a_component() {
    assert_refused(&with_plugin("core", b"\0asm\x01\0\0\0"), &["core.wasm", "core module", "wasm-tools component new"]);
}

#[test]
fn what_is_no_webassembly_is_refused() {
    assert_refused(&with_plugin("garbage", &[0xff; 4096]), &["garbage.wasm", "not WebAssembly"]);
    assert_refused(&with_plugin("empty", b""), &["empty.wasm", "empty"]);
    assert_refused(&with_plugin("text", b"(component)"), &["text.wasm", "wasm-tools parse"]);
}

#[test]
fn a_component_that_does_not_fit_the_contract_is_refused() {
    for (guest, said) in [
        ("no-session-end", "session-end"),
        ("wrong-session-end", "lastword:hooks@0.1.0"),
        ("wrong-session-start", "session-start"),
        ("imports-unheard-of", "acme:unheard-of/oracle"),
        ("imports-http", "http"),
        ("imports-keyvalue", "wasi:keyvalue"),
        ("imports-config", "wasi:config"),
    ] {
        assert_refused(&Launch::stdio().guest(guest).run(), &[&format!("{guest}.wasm"), said]);
    }
}

#[test]
fn a_directory_and_a_missing_file_are_named() {
    let launch = Launch::stdio();
    let dir = launch.dir().join("plugins.wasm");
    std::fs::create_dir(&dir).unwrap();
    assert_refused(&launch.arg("--plugin").arg(dir).run(), &["plugins.wasm", "is a directory"]);
    let gone = Launch::stdio().arg("--plugin").arg(PathBuf::from("no/such/gone.wasm"));
    assert_refused(&gone.run(), &["no/such/gone.wasm", "no component"]);
}

#[test]
fn one_bad_plugin_beside_a_good_one_is_named() {
    let launch = Launch::stdio().guest("prints").component("bad", b"garbage");
    assert_refused(&launch.run(), &["bad.wasm"]);
}

#[test]
fn two_plugins_of_one_name_are_refused() {
    let launch = Launch::stdio().guest("prints");
    let other = launch.dir().join("other");
    std::fs::create_dir(&other).unwrap();
    let path = lastword_test_guests::write("prints", &other);
    assert_refused(&launch.arg("--plugin").arg(path).run(), &["two plugins", "\"prints\"", "other/prints.wasm"]);
}

#[test]
fn the_ready_line_says_which_hooks_each_plugin_has() {
    let mut program = Launch::stdio().guest("prints").guest("good").start();
    let ready = program.line("ready", |line| line["event"] == "ready");
    let journal = ready["journal"].as_str().unwrap();
    assert!(journal.len() == 8 && journal.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()), "{journal}");
    let hooks = |name: &str| {
        let plugin = ready["plugins"].as_array().unwrap().iter().find(|p| p["name"] == name).unwrap();
        plugin["hooks"].as_array().unwrap().iter().map(|hook| hook.as_str().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(hooks("prints"), ["session-end", "session-start", "session-compaction"]);
    assert_eq!(hooks("good"), ["session-end"]);
    assert_eq!(ready["recovered"], serde_json::json!({"sessions": 0, "deliveries": 0}));
    program.close_stdin();
    let ended = program.ended();
    assert_eq!(ended.lines[0], ready, "it is the first line");
    assert_eq!(ended.code(), 0);
}

#[test]
fn a_corrupt_cache_entry_is_compiled_anew_and_never_trusted() {
    let home = tempfile::tempdir().unwrap();
    let cache = home.path().join("compiled");
    let run = || {
        let mut program = Launch::stdio().arg("--cache-dir").arg(&cache).guest("prints").start().ready();
        program.open(["s1"]);
        program.close_stdin();
        let ended = program.ended();
        assert_eq!((ended.code(), ended.printed_ends("prints")), (0, vec!["s1".to_owned()]));
        ended.stderr().contains("damaged")
    };
    let entries = || walk(cache.clone());
    assert!(!run());
    assert!(!entries().is_empty(), "compiled code is kept");
    assert!(!run(), "and used");
    for entry in entries() {
        let mut bytes = std::fs::read(&entry).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle..].fill(0xa5);
        std::fs::write(&entry, bytes).unwrap();
    }
    assert!(run(), "an operator is told");
    assert!(!run(), "and it has been replaced");
}

/// Every file in a directory and below.
fn walk(dir: PathBuf) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { walk(path) } else { vec![path] }).collect()
}
