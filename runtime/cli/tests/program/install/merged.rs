//! Owners whose settings are the user's as well.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

use serde_json::{Value, json};

use super::user::{PROGRAM, User};

/// The owner, its file, and an event with the time that its hook has.
const OWNERS: [(&str, &str, &str, Option<u32>); 4] = [
    ("claude-code", ".claude/settings.json", "SessionEnd", Some(5)),
    ("gemini", ".gemini/settings.json", "SessionEnd", Some(5000)),
    ("qwen", ".qwen/settings.json", "SessionEnd", Some(5)),
    ("cursor", ".cursor/hooks.json", "sessionEnd", None),
];

const SETTINGS: &str = "// mine\r\n{\r\n\t\"model\": \"opus\", // good\r\n\t\"env\": {},\r\n}\r\n";

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn each_owner_is_given_its_hooks_in_its_own_words() {
    for (owner, file, event, timeout) in OWNERS {
        let user = User::new();
        let said = user.does(&["install", owner]);
        assert!(said.contains(file) && said.contains("lastword doctor"), "{said}");
        let settings = parsed(&user.read(file));
        let entry = &settings["hooks"][event][0];
        let handler = if owner == "cursor" { entry } else { &entry["hooks"][0] };
        assert_eq!(handler["command"], format!("{PROGRAM} emit {owner} --spawn"), "{settings}");
        assert_eq!(handler["timeout"], json!(timeout), "{settings}");
        assert_eq!(settings["hooks"][event].as_array().unwrap().len(), 1);
    }
}

#[test]
fn what_is_installed_and_uninstalled_is_as_it_was_to_the_byte() {
    for (owner, file, ..) in OWNERS {
        for before in [
            SETTINGS,
            "",
            "{}",
            "{ }\n",
            "{\n}\n",
            "\u{feff}{\"a\": 1}",
            "{\"hooks\": {}}",
            "{\n  \"hooks\": {\n    \"SessionEnd\": [],\n    \"sessionEnd\": [ ]\n  }\n}",
            "// nothing yet\n",
        ] {
            let user = User::new();
            user.write(file, before);
            user.does(&["install", owner]);
            let with = user.read(file);
            assert!(with.contains(" emit ") && with.len() > before.len(), "{with}");
            assert_eq!(user.read(&format!("{file}.lastword-backup")), before);
            let again = user.does(&["install", owner]);
            assert!(again.contains("nothing was changed"), "{again}");
            assert_eq!(user.read(file), with, "a second time changes nothing");
            user.does(&["uninstall", owner]);
            assert_eq!(user.read(file), before, "{owner}: {with}");
            assert!(
                !user.path(&format!("{file}.lastword-backup")).exists(),
                "there is nothing that it could bring back"
            );
            assert!(user.does(&["uninstall", owner]).contains("nothing was changed"));
        }
    }
}

#[test]
fn a_file_that_was_not_there_goes_again() {
    for (owner, file, ..) in OWNERS {
        let user = User::new();
        user.does(&["install", owner]);
        assert!(user.path(file).exists());
        user.does(&["uninstall", owner]);
        assert!(!user.path(file).exists());
        assert!(user.files().is_empty(), "{:?}", user.files());
    }
}

#[test]
fn what_the_user_has_changed_since_stays() {
    let user = User::new();
    user.write(".claude/settings.json", "{\n  \"model\": \"opus\"\n}\n");
    user.does(&["install", "claude-code"]);
    let edited = user.read(".claude/settings.json").replace("\"opus\"", "\"sonnet\"");
    user.write(".claude/settings.json", edited);
    let said = user.does(&["uninstall", "claude-code"]);
    assert_eq!(user.read(".claude/settings.json"), "{\n  \"model\": \"sonnet\"\n}\n");
    assert!(said.contains("settings.json.lastword-backup"), "{said}");
}

#[test]
fn an_installation_from_elsewhere_is_replaced() {
    let user = User::new();
    let link = user.path("my programs/lastword");
    fs::create_dir_all(link.parent().unwrap()).unwrap();
    symlink(PROGRAM, &link).unwrap();
    user.does(&["install", "claude-code"]);
    let first = user.read(".claude/settings.json");
    let socket = user.path("s.sock");
    let words = ["install", "claude-code", "--command", link.to_str().unwrap(), "--socket", socket.to_str().unwrap()];
    user.does(&words);
    let second = user.read(".claude/settings.json");
    let command = format!("'{}' emit claude-code --spawn --socket {}", link.display(), socket.display());
    assert_eq!(second, first.replace(&format!("{PROGRAM} emit claude-code --spawn"), &command));
    user.does(&["uninstall", "claude-code"]);
    assert!(!user.path(".claude/settings.json").exists());
    let refused = user.run(&["install", "claude-code", "--command", "/usr/bin/env"]);
    assert!(refused.code == 2 && refused.stderr.contains("not called lastword"), "{refused:?}");
}

#[test]
fn what_the_user_has_made_of_our_command_is_the_users() {
    let user = User::new();
    let mine = [
        "notify-send hi; /opt/lastword emit claude-code --spawn",
        "FOO=1 /opt/lastword emit claude-code --spawn",
        "tee /tmp/log | /opt/lastword emit claude-code --spawn && echo done",
    ];
    let hooks: Vec<Value> = mine.iter().map(|command| json!({ "type": "command", "command": command })).collect();
    let before = json!({ "hooks": { "SessionEnd": [{ "hooks": hooks }] } }).to_string();
    user.write(".claude/settings.json", &before);
    user.does(&["install", "claude-code"]);
    let with = user.read(".claude/settings.json");
    assert!(mine.iter().all(|command| with.contains(command)), "{with}");
    assert_eq!(
        parsed(&with)["hooks"]["SessionEnd"][1]["hooks"][0]["command"],
        format!("{PROGRAM} emit claude-code --spawn")
    );
    assert_eq!(user.read(".claude/settings.json.lastword-backup"), before);
    user.write(".claude/settings.json", with.replacen('{', "{\"new\": 1, ", 1));
    user.does(&["uninstall", "claude-code"]);
    assert_eq!(user.read(".claude/settings.json"), before.replacen('{', "{\"new\": 1, ", 1));
}

#[test]
fn what_the_user_has_added_to_our_hook_is_there_after_a_second_installation() {
    let user = User::new();
    user.does(&["install", "claude-code"]);
    let mut settings = parsed(&user.read(".claude/settings.json"));
    let entry = &mut settings["hooks"]["SessionStart"][0];
    entry["matcher"] = "startup".into();
    entry["hooks"][0]["async"] = true.into();
    entry["hooks"][0]["timeout"] = 30.into();
    settings["hooks"]["SessionEnd"][0]["hooks"][0]["timeout"] = 1.into();
    user.write(".claude/settings.json", settings.to_string());
    user.does(&["install", "claude-code"]);
    let after = parsed(&user.read(".claude/settings.json"));
    assert_eq!(after["hooks"]["SessionEnd"][0]["hooks"][0]["timeout"], 5);
    settings["hooks"]["SessionEnd"][0]["hooks"][0]["timeout"] = 5.into();
    assert_eq!(after, settings);
}

#[test]
fn a_program_of_another_name_takes_hooks_away_as_well() {
    for owner in ["claude-code", "copilot"] {
        let user = User::new();
        let link = user.path("bin/lw");
        fs::create_dir_all(link.parent().unwrap()).unwrap();
        symlink(PROGRAM, &link).unwrap();
        user.does(&["install", owner]);
        assert_eq!(user.files().len(), 2);
        let output = user.command(&link).args(["uninstall", owner]).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        assert_eq!(user.files().len(), 1, "{:?}", user.files());
    }
}

#[test]
fn the_program_is_named_as_it_was_found() {
    let user = User::new();
    let link = user.path("bin/lastword");
    fs::create_dir_all(link.parent().unwrap()).unwrap();
    symlink(PROGRAM, &link).unwrap();
    let path = format!("{}:/usr/bin:/bin", user.path("bin").display());
    let status = user.command("/bin/sh").env("PATH", path).args(["-c", "lastword install qwen"]).status().unwrap();
    assert!(status.success());
    assert!(user.read(".qwen/settings.json").contains(&format!("{} emit qwen", link.display())));
}

#[test]
fn a_link_stays_a_link_and_the_mode_stays() {
    let user = User::new();
    let target = user.write("dotfiles/claude.json", SETTINGS);
    fs::set_permissions(&target, fs::Permissions::from_mode(0o640)).unwrap();
    fs::create_dir_all(user.path(".claude")).unwrap();
    let link = user.path(".claude/settings.json");
    symlink("../dotfiles/claude.json", &link).unwrap();
    user.does(&["install", "claude-code"]);
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert!(user.read("dotfiles/claude.json").contains(" emit claude-code"));
    for file in [&target, &user.path(".claude/settings.json.lastword-backup")] {
        assert_eq!(fs::metadata(file).unwrap().mode() & 0o7777, 0o640, "{}", file.display());
    }
    user.does(&["uninstall", "claude-code"]);
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(user.read("dotfiles/claude.json"), SETTINGS);
}

#[test]
fn a_link_to_nothing_gets_its_file() {
    let user = User::new();
    fs::create_dir_all(user.path(".claude")).unwrap();
    fs::create_dir_all(user.path("dotfiles")).unwrap();
    symlink("../dotfiles/claude.json", user.path(".claude/settings.json")).unwrap();
    user.does(&["install", "claude-code"]);
    assert!(user.read("dotfiles/claude.json").contains(" emit claude-code"));
    user.does(&["uninstall", "claude-code"]);
    assert!(!user.path("dotfiles/claude.json").exists());
    assert!(fs::symlink_metadata(user.path(".claude/settings.json")).unwrap().is_symlink());
}

#[test]
fn a_file_that_cannot_be_read_is_left_alone_and_its_place_is_said() {
    for (bad, said) in [
        ("{\n  \"a\": 1\n  \"b\": 2\n}", "settings.json:"),
        ("{\"hooks\": []}", "settings.json:1:11: \"hooks\" has to be an object"),
        ("{\"hooks\": {\"Stop\": {}}}", "\"Stop\" has to be an array"),
        ("[]", "settings.json:1:1: an object"),
        ("{\"hooks\": {}, \"hooks\": {}}", "is there twice"),
    ] {
        let user = User::new();
        user.write(".claude/settings.json", bad);
        let before = user.files();
        let refused = user.run(&["install", "claude-code"]);
        assert_eq!(refused.code, 2, "{refused:?}");
        assert!(refused.stderr.contains(said) && refused.stderr.contains("left alone"), "{refused:?}");
        user.run(&["uninstall", "claude-code"]);
        assert_eq!(user.files(), before);
    }
    let user = User::new();
    user.write(".claude/settings.json", b"{\"a\": \"\xff\"}");
    let refused = user.run(&["install", "claude-code"]);
    assert!(refused.code == 2 && refused.stderr.contains("not UTF-8, from byte 7"), "{refused:?}");
    let user = User::new();
    fs::create_dir_all(user.path(".claude/settings.json")).unwrap();
    let refused = user.run(&["install", "claude-code"]);
    assert!(refused.code == 2 && refused.stderr.contains("is no file"), "{refused:?}");
}

#[test]
fn with_print_nothing_is_changed() {
    for (owner, file, event, _) in OWNERS {
        let user = User::new();
        user.write(file, "{\n  \"model\": \"opus\"\n}\n");
        let before = user.files();
        let said = user.does(&["install", owner, "--print"]);
        assert!(said.contains(file) && said.contains(event), "{said}");
        assert!(said.contains("\n-  \"model\": \"opus\"\n+  \"model\": \"opus\",\n"), "{said}");
        assert_eq!(user.files(), before);
        user.does(&["install", owner]);
        let before = user.files();
        let said = user.does(&["uninstall", owner, "--print"]);
        assert!(said.lines().filter(|line| line.contains(" emit ")).all(|line| line.starts_with('-')), "{said}");
        assert!(said.contains("\n+  \"model\": \"opus\"\n"), "{said}");
        assert_eq!(user.files(), before);
        assert!(user.does(&["install", owner, "--print"]).contains("Nothing would change"));
    }
}

#[test]
fn a_project_has_hooks_of_its_own() {
    let user = User::new();
    for (owner, file, ..) in OWNERS {
        fs::create_dir_all(user.path("project")).unwrap();
        user.does(&["install", owner, "--project", user.path("project").to_str().unwrap()]);
        assert!(user.read(&format!("project/{file}")).contains(" emit "));
        assert!(!user.path(file).exists());
        user.does(&["install", owner, "--project"]);
        assert!(user.path(file).exists(), "without a folder it is the one here");
    }
    let refused = user.run(&["install", "qwen", "--project", "/no/such/folder"]);
    assert!(refused.code == 2 && refused.stderr.contains("is no folder"), "{refused:?}");
}

#[test]
fn the_owners_own_variables_say_where_its_settings_are() {
    for (owner, variable, file) in [
        ("claude-code", "CLAUDE_CONFIG_DIR", "elsewhere/settings.json"),
        ("gemini", "GEMINI_CLI_HOME", "elsewhere/.gemini/settings.json"),
    ] {
        let user = User::new();
        let elsewhere = user.path("elsewhere").to_str().unwrap().to_owned();
        let user = user.env(variable, elsewhere);
        user.does(&["install", owner]);
        assert!(user.read(file).contains(" emit "));
        assert_eq!(user.files().len(), 1, "{:?}", user.files());
    }
}

#[test]
fn who_is_no_owner_with_hooks_is_told_what_to_do() {
    let user = User::new();
    let openclaw = user.run(&["install", "openclaw"]);
    assert!(openclaw.code == 2 && openclaw.stderr.contains("lastword-openclaw"), "{openclaw:?}");
    assert_eq!(user.run(&["install", "lastword"]).code, 2);
    assert_eq!(user.run(&["install", "nobody"]).code, 2);
    assert!(user.files().is_empty(), "{:?}", user.files());
}
