use std::path::Path;

use super::*;

/// A directory with `good.wasm` and a configuration of this text.
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
    assert_eq!(memory.limits.fuel, Some(1_000));
    assert_eq!(memory.limits.deadline, Some(Duration::from_secs(1)));
    assert_eq!(memory.limits.memory, Some(1 << 20));
    assert!(memory.place.ends_with("lastword.toml:6:8"), "{}", memory.place);
    assert!(other.tenants.is_none());
    assert_eq!(other.limits, LimitsEntry::default());
}

#[test]
fn an_empty_file_is_all_defaults() {
    let config = load("").1.unwrap();
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
    // What `printf component | sha256sum` prints.
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
