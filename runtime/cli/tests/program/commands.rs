//! `lastword run` and `lastword check`, for a plugin's author; and what the program says of itself.

use crate::support::{Launch, assert_says, on_guest};

#[test]
fn run_tells_the_outcome_the_output_and_the_cost_of_one_call() {
    let ended = on_guest("run", "prints", &[]);
    assert_says(&ended, 0, &["delivered", "session-end ", "attempt=1", "fuel", "memory", "time", " of 500 ms"]);
    // A machine that is busy compiles for more than a second, and that is said.
    let said: Vec<&String> = ended.log.iter().filter(|line| !line.contains("compiling prints ")).collect();
    assert!(said.is_empty(), "it is all on stdout: {said:?}");
}

#[test]
fn run_prints_the_same_call_for_wasmtime() {
    let ended = on_guest("run", "prints", &[]);
    let command = ended.text.iter().find(|line| line.starts_with("wasmtime run -W fuel=")).unwrap();
    assert!(command.contains("session-end({session: {tenant: \"default\""), "{command}");
    assert!(command.ends_with(" prints.wasm"), "{command}");
}

#[test]
fn run_calls_the_hook_that_is_asked_for() {
    for hook in ["session-start", "session-compaction", "session-end"] {
        assert_says(&on_guest("run", "prints", &["--hook", hook]), 0, &["delivered", &format!("| {hook} ")]);
    }
    assert_says(&on_guest("run", "good", &["--hook", "session-start"]), 2, &["has no session-start", "session-end"]);
    assert_says(&on_guest("run", "good", &["--hook", "session-sart"]), 2, &["session-sart", "session-start"]);
}

#[test]
fn run_takes_an_event_from_a_file_and_from_stdin() {
    let event = r#"{"op":"end","session":{"id":"my-session"},"reason":"idle"}"#;
    let from_file =
        Launch::command("run").with_guest("prints").arg("prints.wasm").arg("--event").file("event.json", event);
    assert_says(&from_file.run(), 0, &["| session-end my-session attempt=1"]);
    let from_stdin = Launch::command("run").with_guest("prints").arg("prints.wasm").arg("--event").arg("-");
    assert_says(&from_stdin.input(event).run(), 0, &["| session-end my-session attempt=1"]);
    let bad = Launch::command("run").with_guest("prints").arg("prints.wasm").arg("--event").arg("-");
    assert_says(&bad.input(r#"{"session":{"id":""}}"#).run(), 2, &["session.id must not be empty"]);
    let gone = Launch::command("run").with_guest("prints").arg("prints.wasm").arg("--event").arg("gone.json");
    assert_says(&gone.run(), 2, &["gone.json"]);
}

#[test]
fn run_leaves_with_6_and_the_cause_when_the_call_was_not_delivered() {
    for (guest, args, said) in [
        ("trap", &[][..], "failed(trap: unreachable)"),
        ("exit", &[], "failed(trap: exit)"),
        ("retry", &[], "failed(retry)"),
        ("fatal", &[], "failed(fatal)"),
        ("spin", &["--deadline", "50ms"], "failed(deadline)"),
        // What a guest that was cut has used is known only in part, and that is said.
        ("spin", &["--deadline", "50ms"], "fuel    at least"),
        ("sleep", &["--deadline", "50ms"], "failed(deadline)"),
        ("spin", &["--fuel", "1000", "--deadline", "1m"], "failed(fuel)"),
        ("grow", &["--memory", "2MiB"], "failed(memory)"),
    ] {
        assert_says(&on_guest("run", guest, args), 6, &[said]);
    }
}

#[test]
fn run_uses_the_same_fuel_for_the_same_call() {
    let fuel = || {
        let ended = on_guest("run", "prints", &[]);
        ended.text.iter().find(|line| line.trim_start().starts_with("fuel")).unwrap().clone()
    };
    assert_eq!(fuel(), fuel());
}

#[test]
fn run_answers_wrong_usage_with_2() {
    assert_says(&on_guest("run", "good", &["--deadline", "500"]), 2, &["no unit", "500ms"]);
    assert_says(&on_guest("run", "good", &["--memory", "64"]), 2, &["no unit", "64MiB"]);
    assert_says(&on_guest("run", "good", &["--fuel", "much"]), 2, &["much"]);
    assert_says(&Launch::command("run").arg("gone.wasm").run(), 2, &["gone.wasm"]);
    assert_says(&Launch::command("run").run(), 2, &["PLUGIN"]);
    assert_says(&on_guest("run", "good", &["--host-calls", "0"]), 2, &["--host-calls"]);
}

#[test]
fn what_compiles_components_is_not_for_people() {
    assert!(!Launch::command("--help").run().stdout().contains("compile-component"));
    assert_says(&Launch::command("compile-component").run(), 1, &["not for people"]);
}

#[test]
fn check_says_that_a_plugin_fits_and_what_it_has() {
    assert_says(
        &on_guest("check", "prints", &[]),
        0,
        &[
            "prints.wasm: fits lastword:hooks@0.1.0",
            "session-start",
            "session-compaction",
            "session-end",
            "wasi:cli",
            "wasi:io",
            "nothing that you would have to grant",
            "[[plugin]]",
        ],
    );
    assert_says(&on_guest("check", "good", &[]), 0, &["fits", "nothing", "not there; it is optional"]);
}

#[test]
fn check_says_why_a_plugin_does_not_fit_and_which_grants_it_would_need() {
    for (guest, said) in [
        ("no-session-end", &["does not fit", "session-end: missing"][..]),
        ("wrong-session-end", &["does not fit", "session-end: of another shape"]),
        ("imports-http", &["does not fit", "needs the grant http", "http         not granted"]),
        ("imports-unheard-of", &["does not fit", "acme:unheard-of", "nobody provides it"]),
    ] {
        assert_says(&on_guest("check", guest, &[]), 6, said);
    }
    let core = Launch::command("check").file("core.wasm", b"\0asm\x01\0\0\0");
    assert_says(&core.run(), 6, &["does not fit", "core module", "wasm-tools component new"]);
    assert_says(&Launch::command("check").file("x.wasm", b"garbage").run(), 6, &["does not fit", "not WebAssembly"]);
    assert_says(&Launch::command("check").arg("gone.wasm").run(), 2, &["gone.wasm"]);
}

#[test]
fn help_explains_signals_input_and_every_exit_code() {
    let help = Launch::command("stdio").arg("--help").run();
    assert_eq!(help.code(), 0);
    let said = help.stdout();
    for said_of in ["SIGTERM", "SIGINT", "SIGHUP", "end of input", "shutdown", "crashed", "before `ready`", "stderr"] {
        assert!(said.contains(said_of), "{said_of} is missing in:\n{said}");
    }
    for code in 0..=7 {
        assert!(
            help.text.iter().any(|line| line.trim_start().starts_with(&format!("{code}  "))),
            "code {code}:\n{said}"
        );
    }
}

#[test]
fn wrong_usage_leaves_with_2_and_says_so_on_stderr_only() {
    for args in [&["--from", "nobody"][..], &["--drain-budget", "2"], &["--plugni", "x"], &["--drain-budget", "-1s"]] {
        let ended = args.iter().fold(Launch::stdio(), Launch::arg).run();
        assert_eq!(ended.code(), 2, "{args:?}");
        assert!(ended.lines.is_empty() && !ended.log.is_empty(), "{args:?}");
    }
    assert_eq!(Launch::command("drain").run().code(), 2);
}

#[test]
fn check_says_which_draft_is_served_and_proposes_no_grant_that_cannot_help() {
    let draft = lastword_test_guests::from_text(
        r#"(component (import "wasi:config/runtime@0.2.0-draft" (instance (export "get" (func (param "key" string))))))"#,
    );
    for grants in [&[][..], &["--grant-config", "greeting=hello"]] {
        let launch = Launch::command("check").file("draft.wasm", &draft);
        let ended = grants.iter().fold(launch, Launch::arg).run();
        assert_says(
            &ended,
            6,
            &[
                "does not fit: the component imports wasi:config/runtime@0.2.0-draft, and what is served of that is wasi:config@0.2.0-rc.1 (store)",
                "wasi:config@0.2.0-draft: runtime (not served: there is wasi:config@0.2.0-rc.1 (store))",
                "nothing that you would have to grant",
            ],
        );
        assert!(!ended.stdout().contains("[[plugin]]"), "no entry would help: {}", ended.stdout());
    }
}
