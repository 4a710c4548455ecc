//! What others say of themselves, the names in a component above all, is never for a terminal to obey, and never a line
//! that looks like ours: in whatever command, on stdout and on stderr.

use lastword_events::is_plain;
use lastword_test_guests::names::{FORGED, hostile, hostile_names};

use crate::support::{Ended, Launch, end, start};

#[track_caller]
fn assert_harmless(ended: &Ended, what: &str) {
    for (stream, text) in [("stdout", ended.stdout()), ("stderr", ended.stderr())] {
        let raw = text.chars().find(|c| *c != '\n' && !is_plain(*c));
        assert_eq!(raw, None, "{what}: {stream} says\n{text:?}");
        assert!(!text.lines().any(|line| line.starts_with(FORGED)), "{what}: {stream} says\n{text}");
    }
}

#[test]
fn no_name_in_a_component_reaches_the_terminal_of_whoever_looks_at_it() {
    for (place, bytes) in hostile_names() {
        let mut refused = Vec::new();
        for command in ["check", "run", "test", "compile"] {
            let launch = Launch::command(command).file("plugin.wasm", &bytes);
            // One of them spins, and `test` calls it some fifty times.
            let called = ["run", "test"].contains(&command);
            let ended = if called { launch.arg("--deadline").arg("20ms") } else { launch }.run();
            assert_harmless(&ended, &format!("{command}, {place}"));
            assert!(!ended.stderr().contains("Usage:"), "{}", ended.stderr());
            assert_ne!(ended.code(), 1, "{command}, {place}: {}", ended.stderr());
            refused.push(ended.code() != 0);
        }
        assert!(refused.contains(&true), "{place}: nobody saw it");
    }
}

#[test]
fn no_name_in_a_component_reaches_the_log_or_the_answers_of_the_program_that_serves_it() {
    for (place, bytes) in hostile_names() {
        let launch = Launch::stdio().component("plugin", &bytes).arg("--drain-budget").arg("30s");
        let ended = launch.input(format!("{}\n{}\n", start("s1"), end("s1", "reset"))).run();
        assert_harmless(&ended, &format!("stdio, {place}"));
        if ["trap", "fuel"].contains(&place) {
            let why = format!("{:?}", ended.outcomes("plugin", "session-end").next());
            assert!(why.contains("FORGED"), "its function is named: {why}");
        }
    }
}

#[test]
fn no_name_of_a_file_reaches_the_terminal() {
    let (name, good) = (format!("{}.wasm", hostile()), lastword_test_guests::component("prints"));
    for command in ["check", "run", "test", "compile"] {
        for bytes in [&good[..], b"garbage"] {
            assert_harmless(&Launch::command(command).file(&name, bytes).run(), command);
        }
        assert_harmless(&Launch::command(command).arg(format!("--{name}")).run(), command);
        assert_harmless(&Launch::command(command).arg(&name).run(), command);
    }
    let printed = Launch::command("run").file(&name, &good).arg("--print-wasmtime").run();
    assert_harmless(&printed, "run --print-wasmtime");
    let stdio = |launch: Launch| assert_harmless(&launch.run(), "stdio");
    stdio(Launch::stdio().arg("--plugin").file(&name, &good));
    stdio(Launch::stdio().arg("--plugin").arg(&name));
    stdio(Launch::stdio().arg("--config").arg(&name));
    stdio(Launch::stdio().arg("--journal").arg(format!("{name}/journal.db")));
    for command in ["sessions", "deliveries"] {
        assert_harmless(&Launch::command(command).arg("--journal").arg(&name).run(), command);
    }
}

#[test]
fn no_mistake_in_a_configuration_is_repeated_raw() {
    let name: String = hostile().chars().map(|c| format!("\\U{:08x}", u32::from(c))).collect();
    for text in [
        format!("\"{name}\" = 1\n"),
        format!("[drain]\nbudget = \"{name}\"\n"),
        format!("[[plugin]]\nname = \"{name}\"\ncomponent = \"{name}\"\n"),
        format!("[[plugin]]\nname = \"p\"\ncomponent = \"p.wasm\"\nhttp = [\"{name}\"]\ntenants = [\"{name}\"]\n"),
        format!("[drain]\n# {}\nbudget = {}", '\u{202e}', '\u{9b}'),
    ] {
        let ended = Launch::stdio().config(&text).run();
        assert_eq!(ended.code(), 2, "{text}");
        assert_harmless(&ended, &text);
        // Each mistake is still a line.
        let lines = ended.stderr();
        assert!(lines.lines().filter(|line| !line.is_empty()).all(|line| line.contains("lastword.toml")), "{lines}");
    }
}
