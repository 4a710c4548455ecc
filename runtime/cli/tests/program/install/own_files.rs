//! Owners that read files which are ours alone.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::process::Stdio;

use serde_json::Value;

use super::user::{PROGRAM, User};

/// The owner, where its files are, and how many there are.
const OWNERS: [(&str, &str, usize); 5] = [
    ("copilot", ".copilot/hooks", 1),
    ("goose", ".agents/plugins/lastword", 2),
    ("cline", ".cline/hooks", 7),
    ("opencode", ".config/opencode/plugins", 1),
    ("hermes", ".hermes/plugins/lastword", 2),
];

#[test]
fn files_of_our_own_come_stay_and_go() {
    for (owner, folder, count) in OWNERS {
        let user = User::new();
        let printed = user.does(&["install", owner, "--print"]);
        assert!(printed.contains("emit") && user.files().is_empty(), "{printed}");
        user.does(&["install", owner]);
        let with = user.files();
        assert_eq!(with.len(), count, "{with:?}");
        assert!(with.iter().all(|(path, _)| path.starts_with(user.path(folder))), "{with:?}");
        assert!(user.does(&["install", owner]).contains("nothing was changed"));
        assert_eq!(user.files(), with);
        user.does(&["uninstall", owner, "--print"]);
        assert_eq!(user.files(), with);
        user.does(&["uninstall", owner]);
        assert!(user.files().is_empty(), "{:?}", user.files());
    }
}

#[test]
fn an_older_file_of_ours_is_replaced_and_one_of_the_users_is_not() {
    for (owner, folder, _) in OWNERS {
        let user = User::new();
        user.does(&["install", owner]);
        let with = user.files();
        for (path, content) in &with {
            let text = String::from_utf8(content.clone()).unwrap();
            fs::write(path, text.replace(PROGRAM, "/old/lastword")).unwrap();
        }
        user.does(&["install", owner]);
        assert_eq!(user.files(), with);
        user.does(&["uninstall", owner]);

        let (path, _) = &with[0];
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "#!/bin/sh\nsay done\n").unwrap();
        let before = user.files();
        let refused = user.run(&["install", owner]);
        assert_eq!(refused.code, 2, "{refused:?}");
        assert!(refused.stderr.contains(folder) && refused.stderr.contains("left alone"), "{refused:?}");
        user.does(&["uninstall", owner]);
        assert_eq!(user.files(), before, "{owner}");
    }
}

#[test]
fn hermes_has_its_plugin_where_it_looks_and_its_user_is_told_to_enable_it() {
    let user = User::new();
    let installed = user.does(&["install", "hermes"]);
    assert!(installed.contains("hermes plugins enable lastword --no-allow-tool-override"), "{installed}");
    assert!(user.read(".hermes/plugins/lastword/plugin.yaml").contains("\nname: lastword\n"));
    let plugin = user.read(".hermes/plugins/lastword/__init__.py");
    assert!(plugin.contains(&format!("\nPROGRAM = \"{PROGRAM}\"\nSOCKET = None\n")), "{plugin}");

    let config = "# mine\nplugins:\n  enabled: [lastword]\n";
    let profile = User::new().env("HERMES_HOME", user.path("profile").to_str().unwrap());
    user.write("profile/config.yaml", config);
    profile.does(&["install", "hermes", "--socket", "/run/it's \"s\".sock"]);
    let plugin = user.read("profile/plugins/lastword/__init__.py");
    assert!(plugin.contains("\nSOCKET = \"/run/it's \\\"s\\\".sock\"\n"), "{plugin}");
    profile.does(&["uninstall", "hermes"]);
    assert_eq!(user.read("profile/config.yaml"), config, "that is the user's alone");
    assert!(!user.path("profile/plugins/lastword").exists());
}

#[test]
fn copilot_is_told_which_event_each_hook_is() {
    let user = User::new();
    user.does(&["install", "copilot"]);
    let file: Value = serde_json::from_str(&user.read(".copilot/hooks/lastword.json")).unwrap();
    let hook = &file["hooks"]["sessionEnd"][0];
    assert_eq!(hook["bash"], format!("{PROGRAM} emit copilot sessionEnd --spawn"));
    assert_eq!((&hook["type"], &hook["timeoutSec"], &file["version"]), (&"command".into(), &5.into(), &1.into()));
    fs::create_dir_all(user.path("project")).unwrap();
    user.does(&["install", "copilot", "--project", "project"]);
    assert!(user.path("project/.github/hooks/lastword.json").exists());
}

#[test]
fn the_scripts_of_cline_run_the_program_with_the_event_and_what_they_are_given() {
    let user = User::new();
    let program = user.program("my bin/lastword", "#!/bin/sh\necho \"$@\"\ncat\n");
    user.does(&["install", "cline", "--command", program.to_str().unwrap()]);
    let script = user.path(".cline/hooks/TaskStart");
    assert_eq!(fs::metadata(&script).unwrap().mode() & 0o100, 0o100);
    let input = user.write("input", "{}");
    let output = user.command(&script).stdin(Stdio::from(fs::File::open(input).unwrap())).output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "emit cline TaskStart --spawn\n{}");
    fs::create_dir_all(user.path("project")).unwrap();
    user.does(&["install", "cline", "--project", "project"]);
    assert!(user.path("project/.clinerules/hooks/SessionShutdown").exists());
    for owner in ["goose", "hermes"] {
        assert_eq!(user.run(&["install", owner, "--project", "project"]).code, 2);
    }
}
