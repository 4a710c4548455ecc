//! Copilot CLI: a loader in JavaScript, and a native process as its child. It needs no account with a provider of one's
//! own.

use serde_json::json;

use super::{KEY, Recipe};
use crate::setting::Setting;

pub(super) fn prepare(setting: &Setting) -> Recipe {
    let hook = json!({"type": "command", "bash": setting.note_own_end(), "timeoutSec": 30});
    setting.write(".copilot/hooks/own.json", json!({"version": 1, "hooks": {"sessionEnd": [hook]}}).to_string());
    let work = setting.work().display().to_string();
    // Which of the two files counts, and by which name, has changed.
    let config = json!({"trustedFolders": [work], "trusted_folders": [work], "banner": "never", "autoUpdate": false})
        .to_string();
    setting.write(".copilot/config.json", &config);
    setting.write(".copilot/settings.json", &config);
    Recipe {
        env: vec![
            ("COPILOT_OFFLINE", "true".to_owned()),
            ("COPILOT_AUTO_UPDATE", "false".to_owned()),
            ("COPILOT_PROVIDER_BASE_URL", format!("{}/v1", setting.address())),
            ("COPILOT_PROVIDER_API_KEY", KEY.to_owned()),
            ("COPILOT_MODEL", "stand-in".to_owned()),
        ],
        program: vec!["node".into(), setting.package("@github/copilot/npm-loader.js").into()],
        headless: vec!["-p", "say ok", "--allow-all-tools"],
        resumed: vec!["--resume=ID", "-p", "say ok", "--allow-all-tools"],
        terminal: vec![],
        alone: None,
        ready: "/ commands",
        quit: "/exit",
        clear: Some("/clear"),
        compact: "/compact",
    }
}
