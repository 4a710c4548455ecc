//! `lastword.toml`: what it sets, and that a mistake in it is found before anything begins.

use serde_json::json;

use crate::support::{Launch, ids};

/// The mistakes that a run with this configuration is refused for: the lines on stderr that name the file.
fn mistakes(text: &str) -> Vec<String> {
    let ended = Launch::stdio().with_guest("prints").config(text).run();
    assert_eq!(ended.code(), 2, "{}", ended.stderr());
    assert!(ended.lines.is_empty(), "no `ready`: {:?}", ended.lines);
    let named = ended.log.iter().filter_map(|line| line.find("lastword.toml:").map(|at| line[at..].to_owned()));
    named.collect()
}

#[track_caller]
fn assert_mistake(text: &str, place: &str, said: &[&str]) {
    let mistakes = mistakes(text);
    let found = mistakes.iter().find(|line| line.starts_with(&format!("lastword.toml:{place}:")));
    let found = found.unwrap_or_else(|| panic!("nothing is said of line {place}: {mistakes:?}"));
    assert!(said.iter().all(|said| found.contains(said)), "{said:?} in {found:?}");
}

const PRINTS: &str = "[[plugin]]\nname = \"prints\"\ncomponent = \"prints.wasm\"\n";

#[test]
fn an_unknown_key_is_answered_with_its_line_and_the_nearest_right_key() {
    assert_mistake("[drain]\nbugdet = \"2s\"\n", "2", &["bugdet", "\"budget\""]);
    assert_mistake("\n[drian]\n", "2", &["drian", "\"drain\""]);
    assert_mistake(
        "[[plugin]]\nname = \"prints\"\ncomponant = \"prints.wasm\"\n",
        "3",
        &["componant", "\"component\""],
    );
    assert_mistake(&format!("{PRINTS}limits = {{ deadlin = \"1s\" }}\n"), "4", &["deadlin", "\"deadline\""]);
}

#[test]
fn a_bad_unit_is_answered_with_a_good_one() {
    assert_mistake("[drain]\nbudget = \"2\"\n", "2", &["no unit", "\"2s\""]);
    assert_mistake(&format!("{PRINTS}limits = {{ deadline = \"500 beats\" }}\n"), "4", &["unknown unit", "beats"]);
    assert_mistake(&format!("{PRINTS}limits = {{ memory = \"64\" }}\n"), "4", &["no unit", "64MiB"]);
    assert_mistake(&format!("{PRINTS}limits = {{ memory = \"64MiBs\" }}\n"), "4", &["MiBs", "64MiB"]);
}

#[test]
fn a_grant_or_a_quota_that_cannot_be_is_answered_with_its_place_and_what_to_write() {
    for (line, said) in [
        ("http = [\"http://localhost:1\"]", "\"http://127.0.0.1:1\""),
        ("config = { port = 8080 }", "such as \"8080\""),
        ("keyvalue = { quota = \"1GiB\" }", "at most \"64MiB\""),
        ("transcript = { root = \"transcripts\" }", "an absolute path"),
        ("[quota]\nactive-session = 1", "\"active-sessions\""),
        ("[tenant.acme.quota]\nkeyvalue = 1", "a string such as \"1MiB\""),
    ] {
        let place = if line.contains('\n') { "5" } else { "4" };
        assert_mistake(&format!("{PRINTS}{line}\n"), place, &[said]);
    }
}

#[test]
fn two_plugins_of_one_name_are_refused_with_both_places() {
    assert_mistake(&format!("{PRINTS}\n{PRINTS}"), "6", &["\"prints\"", "line 2"]);
}

#[test]
fn broken_toml_is_refused_with_its_place() {
    assert_mistake("[drain]\nbudget = \n", "2", &[]);
    assert_mistake("[drain\n", "1", &[]);
}

#[test]
fn a_wrong_pin_is_refused_with_the_right_one_and_the_right_one_is_taken() {
    let pinned = |pin: &str| format!("{PRINTS}sha256 = \"{pin}\"\n");
    let wrong = mistakes(&pinned(&"0".repeat(64)));
    let right = wrong[0].split_whitespace().map(|word| word.trim_matches(','));
    let right = right.into_iter().find(|word| word.len() == 64 && word.bytes().all(|b| b.is_ascii_hexdigit())).unwrap();
    assert!(wrong[0].starts_with("lastword.toml:4:"), "{wrong:?}");
    let ended = Launch::stdio().with_guest("prints").config(&pinned(right)).run();
    assert_eq!(ended.code(), 0, "{}", ended.stderr());
}

#[test]
fn every_mistake_is_told_at_once() {
    let told = mistakes("[drain]\nbugdet = \"2s\"\n[[plugin]]\nname = \"No Good\"\ncomponent = \"gone.wasm\"\n");
    let lines: Vec<&str> = told.iter().map(|line| line.split(':').nth(1).unwrap()).collect();
    assert_eq!(lines, ["2", "4", "5"]);
}

#[test]
fn a_configuration_that_is_not_there_is_named() {
    let ended = Launch::stdio().arg("--config").arg("no/such/lastword.toml").run();
    assert_eq!(ended.code(), 2);
    assert!(ended.stderr().contains("no/such/lastword.toml"), "{}", ended.stderr());
}

#[test]
fn a_plugin_serves_the_tenants_that_it_is_given_and_no_others() {
    let config = format!("{PRINTS}tenants = [\"acme\"]\n[[plugin]]\nname = \"all\"\ncomponent = \"prints.wasm\"\n");
    let program = Launch::stdio().with_guest("prints").config(&config).start().ready();
    for (id, tenant) in [("s1", "acme"), ("s2", "umbrella")] {
        program.send([json!({"op": "start", "session": {"id": id, "tenant": tenant}}).to_string()]);
    }
    program.count("accepted", 2);
    let ended = program.stop();
    assert_eq!(ended.printed_ends("prints"), ["s1"]);
    assert_eq!(ended.printed_ends("all"), ["s1", "s2"]);
    assert!(ended.outcomes("prints", "session-end").all(|line| line["tenant"] == "acme"));
    assert_eq!((ended.code(), ended.drained("delivered")), (0, 3));
}

#[test]
fn a_plugins_limits_are_the_ones_that_it_is_given() {
    let config = r#"
        [[plugin]]
        name = "fuel"
        component = "spin.wasm"
        limits = { fuel = 100_000, deadline = "1m" }
        [[plugin]]
        name = "deadline"
        component = "sleep.wasm"
        limits = { deadline = "50ms" }
        [[plugin]]
        name = "memory"
        component = "needs-40mib.wasm"
        limits = { memory = "1MiB" }
    "#;
    // A component that begins with more memory than its limit is refused at once.
    let guests = |launch: Launch| launch.with_guest("spin").with_guest("sleep").with_guest("needs-40mib");
    let ended = guests(Launch::stdio()).config(config).run();
    assert_eq!(ended.code(), 2);
    assert!(ended.stderr().contains("raise limits.memory"), "{}", ended.stderr());

    let config = config.replace("needs-40mib", "grow").replace("1MiB", "4MiB");
    let program = guests(Launch::stdio()).with_guest("grow").config(&config).start().ready();
    program.open(["s1"]);
    let ended = program.stop();
    for plugin in ["fuel", "deadline", "memory"] {
        assert_eq!(ended.ends(plugin, &format!("failed({plugin})")), ["s1"]);
    }
    let memory = ended.outcomes("memory", "session-end").next().unwrap();
    let (peak, mib) = (memory["peak_memory_bytes"].as_u64().unwrap(), 1024 * 1024);
    assert!((mib..=4 * mib).contains(&peak), "{memory}");
    assert_eq!(ended.code(), 3);
}

#[test]
fn the_budget_is_the_configurations_and_the_command_line_wins() {
    let config = format!("[drain]\nbudget = \"750ms\"\n{PRINTS}");
    for (args, budget) in [(&[][..], 750), (&["--drain-budget", "1500ms"][..], 1500)] {
        let launch = Launch::stdio().with_guest("prints").config(&config);
        let mut program = args.iter().fold(launch, Launch::arg).start().ready();
        program.open(ids(2));
        program.close_stdin();
        let ended = program.ended();
        assert_eq!((ended.code(), ended.drained("budget_ms")), (0, budget));
    }
}
