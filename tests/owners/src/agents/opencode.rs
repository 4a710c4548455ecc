//! opencode: one native process, in which its plugins run.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::json;

use super::{KEY, Recipe};
use crate::setting::Setting;

/// opencode has no command hooks. This is what a plugin is told of at the end.
const PLUGIN: &str = r#"import { appendFileSync } from "node:fs";
export const Own = async () => ({ dispose: async () => appendFileSync(FILE, "dispose\n") });
"#;

pub(super) fn prepare(setting: &Setting) -> Recipe {
    let file = json!(setting.own_ends().display().to_string()).to_string();
    setting.write(".config/opencode/plugins/own.js", PLUGIN.replace("FILE", &file));
    // What it would install itself at its first start, and wait for when there is no network.
    let package = fs::read_to_string(setting.package("@opencode-ai/plugin/package.json")).unwrap();
    let package: serde_json::Value = serde_json::from_str(&package).unwrap();
    let dependencies = json!({"dependencies": {"@opencode-ai/plugin": package["version"]}});
    setting.write(".config/opencode/package.json", dependencies.to_string());
    symlink(setting.package(""), setting.home().join(".config/opencode/node_modules")).unwrap();
    setting.write(".npmrc", "fetch-retries=0\noffline=true\n");
    let provider = json!({
        "npm": "@ai-sdk/openai-compatible",
        "name": "stand-in",
        "options": {"baseURL": format!("{}/v1", setting.address()), "apiKey": KEY},
        "models": {"stand-in": {"name": "stand-in"}},
    });
    let configuration = json!({
        "$schema": "https://opencode.ai/config.json",
        "autoupdate": false,
        "share": "disabled",
        "model": "stand-in/stand-in",
        "small_model": "stand-in/stand-in",
        "provider": {"stand-in": provider},
    });
    setting.write(".config/opencode/opencode.json", configuration.to_string());
    Recipe {
        env: vec![
            ("OPENCODE_DISABLE_AUTOUPDATE", "1".to_owned()),
            ("OPENCODE_DISABLE_MODELS_FETCH", "1".to_owned()),
            ("OPENCODE_DISABLE_DEFAULT_PLUGINS", "1".to_owned()),
            ("OPENCODE_DISABLE_LSP_DOWNLOAD", "1".to_owned()),
            ("OPENCODE_DISABLE_SHARE", "1".to_owned()),
        ],
        program: vec![setting.native("opencode", "bin/opencode").into()],
        headless: vec!["run", "say ok"],
        resumed: vec!["run", "--session", "ID", "say ok"],
        terminal: vec![],
        alone: None,
        ready: "Ask anything",
        quit: "/exit",
        clear: None,
        compact: "/compact",
    }
}
