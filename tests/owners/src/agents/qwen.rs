//! Qwen Code: a launcher, and the agent as its child, or as that one's child in a terminal.

use serde_json::json;

use super::{KEY, Recipe};
use crate::setting::Setting;

pub(super) fn prepare(setting: &Setting) -> Recipe {
    let hook = json!({"type": "command", "name": "own", "command": setting.note_own_end()});
    let settings = json!({
        "hooks": {"SessionEnd": [{"hooks": [hook]}]},
        "security": {"auth": {"selectedType": "openai"}, "folderTrust": {"enabled": false}},
        "general": {"disableAutoUpdate": true, "enableAutoUpdate": false},
        "privacy": {"usageStatisticsEnabled": false},
        "telemetry": {"enabled": false},
        "model": {"name": "stand-in"},
    });
    setting.write(".qwen/settings.json", settings.to_string());
    Recipe {
        env: vec![
            ("OPENAI_API_KEY", KEY.to_owned()),
            ("OPENAI_BASE_URL", format!("{}/v1", setting.address())),
            ("OPENAI_MODEL", "stand-in".to_owned()),
        ],
        program: vec!["node".into(), setting.package("@qwen-code/qwen-code/cli-entry.js").into()],
        headless: vec!["-p", "say ok"],
        resumed: vec!["--resume", "ID", "-p", "say ok"],
        terminal: vec![],
        alone: None,
        ready: "your message",
        quit: "/quit",
        clear: Some("/clear"),
        compact: "/compress",
    }
}
