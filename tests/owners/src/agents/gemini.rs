//! Gemini CLI: a launcher, and the agent as its child.

use serde_json::json;

use super::{KEY, Recipe};
use crate::setting::Setting;

pub(super) fn prepare(setting: &Setting) -> Recipe {
    let hook = json!({"type": "command", "name": "own", "command": setting.note_own_end()});
    let settings = json!({
        "hooks": {"SessionEnd": [{"hooks": [hook]}]},
        "security": {"auth": {"selectedType": "gemini-api-key"}, "folderTrust": {"enabled": false}},
        "general": {"disableAutoUpdate": true, "enableAutoUpdate": false, "disableUpdateNag": true},
        "privacy": {"usageStatisticsEnabled": false},
        "telemetry": {"enabled": false},
        "ui": {"hideTips": true},
    });
    setting.write(".gemini/settings.json", settings.to_string());
    Recipe {
        env: vec![("GEMINI_API_KEY", KEY.to_owned()), ("GOOGLE_GEMINI_BASE_URL", setting.address())],
        program: vec!["node".into(), setting.package("@google/gemini-cli/bundle/gemini.js").into()],
        headless: vec!["-m", "gemini-2.5-flash", "-p", "say ok"],
        resumed: vec!["-m", "gemini-2.5-flash", "--resume", "ID", "-p", "say ok"],
        terminal: vec!["-m", "gemini-2.5-flash"],
        alone: None,
        ready: "your message",
        quit: "/quit",
        clear: Some("/clear"),
        compact: "/compress",
    }
}
