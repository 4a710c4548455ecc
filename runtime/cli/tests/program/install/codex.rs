//! Codex, which runs only what it trusts. A stand-in for its server is told what to trust.

use serde_json::Value;

use super::user::{PROGRAM, User};

/// Lists the hooks of the user's file, and keeps what is trusted beside it.
const STAND_IN: &str = r##"#!/usr/bin/env python3
import json, os, re, sys
assert sys.argv[1:] == ["app-server"]
home = os.environ["HOME"] + "/.codex"
file, kept = home + "/hooks.json", home + "/trusted.json"
def trusted():
    return json.load(open(kept)) if os.path.exists(kept) else {}
def listed():
    for event, groups in json.load(open(file))["hooks"].items():
        name = re.sub("(?<!^)(?=[A-Z])", "_", event).lower()
        for g, group in enumerate(groups):
            for h, hook in enumerate(group["hooks"]):
                key, digest = f"{file}:{name}:{g}:{h}", "sha256:" + hook["command"]
                is_trusted = trusted().get(key, {}).get("trusted_hash") == digest
                yield {"key": key, "eventName": name, "command": hook["command"], "currentHash": digest,
                       "trustStatus": "trusted" if is_trusted else "untrusted"}
initialized = False
for line in sys.stdin:
    message = json.loads(line)
    method, result = message["method"], {}
    if method == "initialized":
        initialized = True
        continue
    print(json.dumps({"method": "of/no/interest"}), flush=True)
    if method == "hooks/list":
        assert initialized and message["params"]["cwds"]
        result = {"data": [{"hooks": list(listed())}]}
    if method == "config/batchWrite":
        if os.path.exists(home + "/refuses"):
            print(json.dumps({"id": message["id"], "error": {"code": 1, "message": "read-only"}}), flush=True)
            continue
        edit, = message["params"]["edits"]
        assert edit["keyPath"] == "hooks.state" and edit["mergeStrategy"] == "upsert"
        json.dump({**trusted(), **edit["value"]}, open(kept, "w"))
    print(json.dumps({"id": message["id"], "result": result}), flush=True)
"##;

const MINE: &str = r#"{"hooks": {"SessionStart": [{"hooks": [{"type": "command", "command": "mine"}]}]}}"#;

/// A user with this as `codex`, if any.
fn user(codex: Option<&str>) -> User {
    let user = User::new();
    let bin = user.path("bin").to_str().unwrap().to_owned();
    match codex {
        Some(codex) => {
            user.program("bin/codex", codex);
            user.env("PATH", format!("{bin}:/usr/local/bin:/usr/bin:/bin"))
        }
        None => user.env("PATH", bin),
    }
}

fn has_python() -> bool {
    std::process::Command::new("python3")
        .arg("--version")
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .output()
        .is_ok()
}

#[test]
fn our_hooks_are_trusted_by_codex_itself_and_no_other() {
    if !has_python() {
        return;
    }
    let user = user(Some(STAND_IN));
    user.write(".codex/hooks.json", MINE);
    let said = user.does(&["install", "codex"]);
    assert!(said.contains("Codex trusts them"), "{said}");
    let hooks: Value = serde_json::from_str(&user.read(".codex/hooks.json")).unwrap();
    let end = &hooks["hooks"]["SessionEnd"][0]["hooks"][0];
    assert_eq!(end["command"], format!("{PROGRAM} emit codex --spawn"));
    assert_eq!(end["timeout"], 3);
    let trusted: Value = serde_json::from_str(&user.read(".codex/trusted.json")).unwrap();
    let keys: Vec<&str> = trusted.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys.len(), hooks["hooks"].as_object().unwrap().len(), "{keys:?}");
    assert!(keys.iter().any(|key| key.ends_with("hooks.json:session_start:1:0")), "{keys:?}");
    assert!(!keys.iter().any(|key| key.ends_with("session_start:0:0")), "the user's own is the user's to trust");
    let doctor = user.run(&["doctor", "codex"]);
    assert!(doctor.stdout.contains("✓ Codex trusts all of them"), "{doctor:?}");
    user.does(&["uninstall", "codex"]);
    assert_eq!(user.read(".codex/hooks.json"), MINE);
}

#[test]
fn without_codex_it_is_said_how_to_trust_them() {
    let user = user(None);
    let said = user.run(&["install", "codex"]);
    assert_eq!(said.code, 6, "{said:?}");
    for words in ["has Lastword's hooks now", "`codex` cannot be started", "/hooks"] {
        assert!(said.stdout.contains(words), "{words} in {said:?}");
    }
    assert!(user.read(".codex/hooks.json").contains(" emit codex"));
    let doctor = user.run(&["doctor", "codex"]);
    assert!(doctor.code == 6 && doctor.stdout.contains("whether Codex trusts them is not known"), "{doctor:?}");
}

#[test]
fn what_codex_refuses_or_does_not_answer_is_told() {
    for (codex, said) in [
        ("#!/bin/sh\nexit 1\n", "has left"),
        ("#!/bin/sh\necho '{\"id\":1,\"error\":{\"message\":\"too old\"}}'\ncat\n", "refuses initialize: too old"),
        ("#!/bin/sh\necho no JSON\nexit 0\n", "has left"),
    ] {
        let user = user(Some(codex));
        let install = user.run(&["install", "codex"]);
        assert!(install.code == 6 && install.stdout.contains(said), "{said}: {install:?}");
    }
    if !has_python() {
        return;
    }
    let user = user(Some(STAND_IN));
    user.write(".codex/refuses", "");
    let install = user.run(&["install", "codex"]);
    assert!(install.code == 6 && install.stdout.contains("refuses config/batchWrite: read-only"), "{install:?}");
    let doctor = user.run(&["doctor", "codex"]);
    assert!(doctor.stdout.contains("✗ Codex trusts 0 of"), "{doctor:?}");
}
