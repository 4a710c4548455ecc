//! The results of configurations, and the errors of wrong ones.

use std::path::Path;
use std::time::Duration;

use lastword_sandbox::{AllowList, Destination, Grants, KeyValueGrant, Limits, TranscriptGrant};

use super::*;

/// Writes a directory with `good.wasm` and a configuration of this text, and loads it.
fn load(text: &str) -> (tempfile::TempDir, Result<Config, ConfigError>) {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("good.wasm"), b"component").unwrap();
    let path = dir.path().join("lastword.toml");
    std::fs::write(&path, text).unwrap();
    let loaded = Config::load(&path);
    (dir, loaded)
}

/// The mistakes in a configuration, with the directory's path taken out.
fn mistakes(text: &str) -> Vec<String> {
    let (dir, loaded) = load(text);
    let prefix = format!("{}/", dir.path().display());
    loaded.unwrap_err().to_string().lines().map(|line| line.replace(&prefix, "")).collect()
}

#[test]
fn a_whole_file_is_understood() {
    let (dir, config) = load(
        "[drain]\nenabled = false\nbudget = \"750ms\"\n\n[[plugin]]\nname = \"memory\"\ncomponent = \"good.wasm\"\n\
         tenants = [\"acme\", \"beta\"]\nlimits = { fuel = 1_000, deadline = \"1s\", memory = \"1MiB\" }\n\
         [[plugin]]\nname = \"other\"\ncomponent = \"./good.wasm\"\n",
    );
    let config = config.unwrap();
    assert_eq!((config.drain.enabled, config.drain.budget), (false, Duration::from_millis(750)));
    let [memory, other] = config.plugins.as_slice() else { panic!("two plugins") };
    assert_eq!(memory.name.as_str(), "memory");
    assert_eq!(memory.component, b"component");
    assert_eq!(memory.path, dir.path().join("good.wasm"));
    assert_eq!(memory.tenants.as_deref().unwrap(), ["acme".into(), "beta".into()]);
    let limits = Limits { fuel: 1_000, deadline: Duration::from_secs(1), memory: 1 << 20, ..Limits::default() };
    assert_eq!((memory.limits, &memory.grants), (limits, &Grants::default()));
    assert!(memory.place.ends_with("lastword.toml:6:8"), "{}", memory.place);
    assert!(other.tenants.is_none());
    assert_eq!(other.limits, Limits::default());
}

#[test]
fn what_is_compared_with_the_memory_of_one_call_is_the_default_of_the_sandbox() {
    assert_eq!(lastword_config::limits::DEFAULT_MEMORY, Limits::default().memory);
    assert_eq!(lastword_config::limits::ALL_CALLS_MEMORY.least, lastword_sandbox::limits::MIN_TOTAL_MEMORY_BYTES);
}

#[test]
fn fuel_grows_with_a_longer_deadline_unless_it_is_written_down() {
    let limits = |text: &str| plugin_with(&format!("limits = {{ {text} }}")).limits;
    let default = Limits::default().fuel;
    assert_eq!(limits("deadline = \"100ms\"").fuel, default);
    assert_eq!(limits("deadline = \"5s\"").fuel, 10 * default);
    assert_eq!(limits("deadline = \"5s\", fuel = 10_000_000_000").fuel, 10_000_000_000);
}

const PLUGIN: &str = "[[plugin]]\nname = \"a\"\ncomponent = \"good.wasm\"\n";

/// A plugin with this text in its `[[plugin]]`, from line 4 on.
fn plugin_with(text: &str) -> PluginEntry {
    load(&format!("{PLUGIN}{text}\n")).1.unwrap().plugins.pop().unwrap()
}

/// The one mistake in a line of a `[[plugin]]`, without its place.
#[track_caller]
fn plugins_mistake(line: &str) -> String {
    let mistakes = mistakes(&format!("{PLUGIN}{line}\n"));
    assert_eq!(mistakes.len(), 1, "{mistakes:?}");
    let (place, message) = mistakes[0].split_once(": ").unwrap();
    assert!(place.starts_with("lastword.toml:4:"), "{place}");
    message.to_owned()
}

#[test]
fn every_limit_can_be_set() {
    let plugin = plugin_with(
        "limits = { fuel = 1, deadline = \"2ms\", memory = \"64KiB\", total-memory = \"1MiB\", log = \"3KiB\", host-calls = 4, random = \"5KiB\", \
         handles = 6, http-requests = 7, http-request-bytes = \"8KiB\", http-response-bytes = \"9KiB\", \
         keyvalue-keys = 10, keyvalue-bytes = \"11KiB\" }",
    );
    let limits = Limits {
        fuel: 1,
        deadline: Duration::from_millis(2),
        memory: 64 << 10,
        total_memory: 1 << 20,
        log_bytes: 3 << 10,
        host_calls: 4,
        random_bytes: 5 << 10,
        handles: 6,
        http_requests: 7,
        http_request_bytes: 8 << 10,
        http_response_bytes: 9 << 10,
        key_value_keys: 10,
        key_value_bytes: 11 << 10,
    };
    assert_eq!(plugin.limits, limits);
    // A call may always use as much as its own limit.
    assert_eq!(plugin_with("limits = { memory = \"3GiB\" }").limits.total_memory, 3 << 30);
}

#[test]
fn the_memory_of_all_calls_can_be_said() {
    let parse = |text: &str| load(text).1.unwrap().calls.memory;
    assert_eq!(parse("[calls]\nmemory = \"4GiB\"\n"), Some(4 << 30));
    assert_eq!((parse(""), parse("[calls]\n")), (None, None));
    let mistakes = mistakes("[calls]\nmemory = \"1MiB\"\n");
    assert!(mistakes[0].contains("memory") && mistakes[0].contains("64MiB"), "{mistakes:?}");
}

#[test]
fn the_number_of_calls_at_once_can_be_said() {
    let parse = |text: &str| load(text).1.unwrap().calls.slots;
    assert_eq!(parse("[calls]\nslots = 5_000\n"), Some(5_000));
    assert_eq!((parse(""), parse("[calls]\nmemory = \"4GiB\"\n")), (None, None));
    for wrong in ["0", "1_000_001", "\"many\""] {
        let mistakes = mistakes(&format!("[calls]\nslots = {wrong}\n"));
        assert!(mistakes.len() == 1 && mistakes[0].contains("slots"), "{mistakes:?}");
    }
}

fn destinations(list: &[&str]) -> AllowList {
    list.iter().map(|text| text.parse::<Destination>().unwrap()).collect()
}

#[test]
fn a_plugin_has_the_grants_that_it_is_given_and_no_others() {
    assert_eq!(plugin_with("").grants, Grants::default());
    let all = Grants {
        config: Some([("greeting".to_owned(), "hello".to_owned()), ("a b".to_owned(), "1".to_owned())].into()),
        key_value: Some(KeyValueGrant { quota: 2 << 20 }),
        http: Some(destinations(&["https://api.example.com", "http://127.0.0.1:37777"])),
        transcript: Some(TranscriptGrant { root: "/var/lib/agents/{tenant}".parse().unwrap(), max: 1 << 20 }),
    };
    let inline = plugin_with(
        "config = { greeting = \"hello\", \"a b\" = \"1\" }\nkeyvalue = { quota = \"2MiB\" }\n\
         http = [\"https://api.example.com\", \"http://127.0.0.1:37777\"]\n\
         transcript = { root = \"/var/lib/agents/{tenant}\", max = \"1MiB\" }",
    );
    assert_eq!(inline.grants, all);
    let tables = plugin_with(
        "http = [\"http://127.0.0.1:37777\", \"https://api.example.com:443/\"]\n\
         [plugin.config]\ngreeting = \"hello\"\n\"a b\" = \"1\"\n[plugin.keyvalue]\nquota = \"2MiB\"\n\
         [plugin.transcript]\nroot = \"/var/lib/agents/{tenant}\"\nmax = \"1MiB\"",
    );
    assert_eq!(tables.grants, all);
}

#[test]
fn a_grant_without_numbers_has_the_default_ones() {
    let plugin = plugin_with("keyvalue = {}\nhttp = []\nconfig = {}\ntranscript = { root = \"/a/{tenant}\" }");
    assert_eq!(plugin.grants.key_value, Some(KeyValueGrant { quota: 1 << 20 }));
    assert_eq!(plugin.grants.http, Some(AllowList::default()), "it may import wasi:http, and reaches nobody");
    assert_eq!(plugin.grants.config, Some([].into()));
    assert_eq!(plugin.grants.transcript.unwrap().max, 16 << 20);
}

#[test]
fn a_grant_that_cannot_be_is_answered_with_one_that_can() {
    for (line, message) in [
        (r#"config = "hello""#, r#""config" must be a table such as { greeting = "hello" }, not the string "hello""#),
        ("config = { port = 0x1F }", r#""config.port" must be a string, such as "0x1F", not the number 0x1F"#),
        ("config = { on = true }", r#""config.on" must be a string, such as "true", not true"#),
        ("config = { of = [] }", r#""config.of" must be a string, not a list"#),
        ("keyvalue = true", r#""keyvalue" must be a table such as { quota = "1MiB" }, not true"#),
        (r#"keyvalue = { qouta = "1MiB" }"#, r#"unknown key "qouta" in keyvalue: did you mean "quota"?"#),
        ("keyvalue = { quota = 1 }", r#""quota" must be a string such as "1MiB", not the number 1"#),
        (
            r#"keyvalue = { quota = "65MiB" }"#,
            r#"quota: "65MiB" is too much: write at most "64MiB", because a memory journal holds all of it; keep files elsewhere"#,
        ),
        (
            r#"http = "https://api.example.com""#,
            r#""http" must be a list such as ["https://api.example.com"], not the string "https://api.example.com""#,
        ),
        ("http = [3]", r#""http" must be a list of strings, not the number 3"#),
        (
            r#"http = ["api.example.com"]"#,
            r#"http: "api.example.com" is not a destination: write scheme and host, as in https://api.example.com"#,
        ),
        (
            r#"http = ["http://LOCALHOST:37777"]"#,
            r#"http: "http://localhost:37777" would be refused at every call, because a name must not lead to this machine: write the address, "http://127.0.0.1:37777""#,
        ),
        ("transcript = {}", r#"transcript has no root: add root = "/var/lib/agents/{tenant}""#),
        (
            r#"transcript = { root = "agents/{tenant}" }"#,
            "root: the root must be an absolute path, such as /var/lib/agents/{tenant}",
        ),
        (
            r#"transcript = { root = "/a" }"#,
            r#"root: each tenant could be shown the transcripts of the others: put {tenant} where their directories part, as in "/a/{tenant}", or give the plugin one tenant"#,
        ),
        (
            r#"transcript = { root = "/a/{tenant}", max = "1GiB" }"#,
            r#"max: "1GiB" is too much: write at most "256MiB", because every call copies it within its deadline"#,
        ),
        (
            r#"limits = { total-memory = "32MiB" }"#,
            r#"total-memory: it is less than the 64MiB that one call may have: write at least that, or lower "memory""#,
        ),
        ("limits = { handles = 65537 }", r#""handles" must be a whole number from 1 to 65_536, not the number 65537"#),
        ("limits = { host-calls = 0 }", r#""host-calls" must be a whole number of at least 1, not the number 0"#),
        ("limits = { hostcalls = 1 }", r#"unknown key "hostcalls" in limits: did you mean "host-calls"?"#),
    ] {
        assert_eq!(plugins_mistake(line), message, "{line}");
    }
    let long = "x".repeat(64 * 1024);
    let message = plugins_mistake(&format!("config = {{ key = \"{long}\" }}"));
    assert_eq!(message, "config: it has 65539 bytes of names and values, the most is 65536");
    let many: Vec<String> = (0..65).map(|n| format!("\"http://10.0.0.{n}\"")).collect();
    let message = plugins_mistake(&format!("http = [{}]", many.join(",")));
    assert_eq!(message, "http: it names 65 destinations, the most is 64");
}

#[test]
fn a_root_for_everybody_is_taken_for_a_plugin_of_one_tenant() {
    let root = |tenants: &str| format!("{PLUGIN}tenants = {tenants}\ntranscript = {{ root = \"/a\" }}\n");
    assert!(load(&root(r#"["acme"]"#)).1.unwrap().plugins[0].grants.transcript.is_some());
    assert!(mistakes(&root(r#"["acme", "beta"]"#))[0].starts_with("lastword.toml:5:23: root: each tenant"));
}

#[test]
fn a_tenants_own_quota_takes_from_everybodys_what_it_leaves_out() {
    let config = load(
        "[quota]\nconcurrent-calls = 64\nfuel-per-second = 2_000_000_000\nkeyvalue = \"16MiB\"\n\
         active-sessions = 10_000\nowed-deliveries = 100_000\n\
         [tenant.acme.quota]\nactive-sessions = 50_000\n[tenant.\"b c\"]\nquota = { keyvalue = \"1GiB\" }\n[tenant.d]\n",
    );
    let config = config.1.unwrap();
    let quota = TenantQuota {
        concurrent_calls: Some(64),
        fuel_per_second: Some(2_000_000_000),
        key_value_bytes: Some(16 << 20),
        active_sessions: Some(10_000),
        owed_deliveries: Some(100_000),
    };
    assert_eq!(config.quota, quota);
    let acme = TenantQuota { active_sessions: Some(50_000), ..quota };
    let bc = TenantQuota { key_value_bytes: Some(1 << 30), ..quota };
    assert_eq!(config.tenant_quotas, [("acme".into(), acme), ("b c".into(), bc)]);
}

#[test]
fn a_quota_that_cannot_be_is_answered_with_one_that_can() {
    let text = "
[quota]
concurrent-calls = 0
fuel-per-seconds = 1
keyvalue = 16
owed-deliveries = \"many\"

[tenant]
\"\" = { quota = {} }
acme = { quotas = {} }
beta = 3
gamma = { quota = { active-session = 1 } }
";
    assert_eq!(
        mistakes(text),
        [
            r#"lastword.toml:3:20: "concurrent-calls" must be a whole number from 1 to 1_000_000, not the number 0"#,
            r#"lastword.toml:4:1: unknown key "fuel-per-seconds" in [quota]: did you mean "fuel-per-second"?"#,
            r#"lastword.toml:5:12: "keyvalue" must be a string such as "1MiB", not the number 16"#,
            r#"lastword.toml:6:19: "owed-deliveries" must be a whole number of at least 1, not the string "many""#,
            r#"lastword.toml:9:1: tenant "": session.tenant must not be empty"#,
            r#"lastword.toml:10:10: unknown key "quotas" in [tenant.acme]: did you mean "quota"?"#,
            r#"lastword.toml:11:8: "tenant.beta" must be a table, not the number 3"#,
            r#"lastword.toml:12:21: unknown key "active-session" in [tenant.gamma.quota]: did you mean "active-sessions"?"#,
        ]
    );
}

#[test]
fn an_empty_file_is_all_defaults() {
    let config = load("").1.unwrap();
    assert_eq!((config.quota, config.tenant_quotas.len()), (TenantQuota::default(), 0));
    assert_eq!((config.drain.enabled, config.drain.budget), (true, Duration::from_secs(2)));
    assert!(config.plugins.is_empty());
}

#[test]
fn every_mistake_is_named_with_its_place_at_once() {
    let text = "
[drian]
[drain]
bugdet = \"2s\"
enabled = \"yes\"
budget = 2

[[plugin]]
name = \"Memory\"
component = \"good.wasm\"
tenant = [\"acme\"]
limits = { fule = 1, deadline = \"500\", memory = \"64MiBs\", fuel = 0 }

[[plugin]]
component = \"gone.wasm\"
";
    assert_eq!(
        mistakes(text),
        [
            r#"lastword.toml:2:2: unknown key "drian" in the file: did you mean "drain"?"#,
            r#"lastword.toml:4:1: unknown key "bugdet" in [drain]: did you mean "budget"?"#,
            r#"lastword.toml:5:11: "enabled" must be true or false, not the string "yes""#,
            r#"lastword.toml:6:10: "budget" must be a string such as "2s", not the number 2"#,
            r#"lastword.toml:9:8: name: "Memory" cannot name a plugin: use 1 to 64 of a-z, 0-9 and -"#,
            r#"lastword.toml:11:1: unknown key "tenant" in [[plugin]]: did you mean "tenants"?"#,
            r#"lastword.toml:12:12: unknown key "fule" in limits: did you mean "fuel"?"#,
            r#"lastword.toml:12:33: deadline: "500" has no unit: write "500ms" or "500s""#,
            r#"lastword.toml:12:49: memory: "64MiBs" has an unknown unit "MiBs": write "64MiB""#,
            r#"lastword.toml:12:66: "fuel" must be a whole number of at least 1, not the number 0"#,
            r#"lastword.toml:14:1: this plugin has no name: add name = "gone""#,
            "lastword.toml:15:13: component: there is no component at gone.wasm: build it first, or correct the path",
        ]
    );
}

#[test]
fn two_plugins_of_one_name_are_both_named() {
    let text =
        "[[plugin]]\nname = \"a\"\ncomponent = \"good.wasm\"\n[[plugin]]\ncomponent = \"good.wasm\"\nname = \"a\"\n";
    assert_eq!(mistakes(text), [r#"lastword.toml:6:8: a second plugin is named "a"; the first is on line 2"#]);
}

#[test]
fn a_pin_is_checked_against_what_will_run() {
    let with = |pin: &str| format!("[[plugin]]\nname = \"a\"\ncomponent = \"good.wasm\"\nsha256 = \"{pin}\"\n");
    // The output of `printf component | sha256sum`.
    let right = "6985ca1f4daa5a584a28eae043a239cb96689af1337ea13afb63e00c2bf512fa";
    let wrong = "0".repeat(64);
    load(&with(right)).1.unwrap();
    load(&with(&right.to_uppercase())).1.unwrap();
    assert_eq!(
        mistakes(&with(&wrong)),
        [format!("lastword.toml:4:10: sha256: the component has {right}, not the pinned {wrong}")]
    );
    assert_eq!(
        mistakes(&with("abc")),
        ["lastword.toml:4:10: sha256: it has 3 digits instead of 64; `sha256sum plugin.wasm` prints the right ones"]
    );
    assert_eq!(
        mistakes(&with("xyz")),
        ["lastword.toml:4:10: sha256: 'x' is no hexadecimal digit; `sha256sum plugin.wasm` prints the right 64"]
    );
}

#[test]
fn broken_toml_and_wrong_shapes_are_named_with_their_place() {
    assert!(mistakes("[drain\n")[0].starts_with("lastword.toml:1:"));
    assert_eq!(
        mistakes("[plugin]\nname = \"a\"\n"),
        ["lastword.toml:1:1: write [[plugin]], with two brackets: there may be several"]
    );
    assert_eq!(mistakes("drain = 3\n"), [r#"lastword.toml:1:9: "drain" must be a table, not the number 3"#]);
    let text = "[[plugin]]\nname = \"a\"\ncomponent = \"good.wasm\"\ntenants = []\n";
    assert_eq!(
        mistakes(text),
        [r#"lastword.toml:4:11: tenants: nobody would be served; leave "tenants" out to serve every tenant"#]
    );
    assert_eq!(
        mistakes(&text.replace("[]", "[\"\"]")),
        ["lastword.toml:4:12: tenants: session.tenant must not be empty"]
    );
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = Config::load(Path::new("no/such/lastword.toml")).unwrap_err().to_string();
    assert!(error.starts_with("cannot read the configuration no/such/lastword.toml: "), "{error}");
}
