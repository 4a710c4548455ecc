//! Claude Code: one native process.

use serde_json::json;

use super::{KEY, Recipe};
use crate::setting::Setting;

pub(super) fn prepare(setting: &Setting) -> Recipe {
    let hook = json!({"type": "command", "command": setting.note_own_end()});
    setting.write(".claude/settings.json", json!({"hooks": {"SessionEnd": [{"hooks": [hook]}]}}).to_string());
    // Nothing is asked at the first start: it was started before, this folder is trusted, and so is the key.
    let project = json!({"hasTrustDialogAccepted": true, "hasCompletedProjectOnboarding": true, "allowedTools": []});
    let state = json!({
        "hasCompletedOnboarding": true,
        "theme": "dark",
        "numStartups": 3,
        "lastOnboardingVersion": "2.1.332",
        "lastReleaseNotesSeen": "2.1.332",
        "projects": {setting.work().display().to_string(): project},
        "customApiKeyResponses": {"approved": [KEY], "rejected": []},
    });
    setting.write(".claude.json", state.to_string());
    Recipe {
        env: vec![
            ("ANTHROPIC_BASE_URL", setting.address()),
            ("ANTHROPIC_API_KEY", KEY.to_owned()),
            ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1".to_owned()),
            ("DISABLE_AUTOUPDATER", "1".to_owned()),
            ("DISABLE_TELEMETRY", "1".to_owned()),
            ("DISABLE_ERROR_REPORTING", "1".to_owned()),
        ],
        program: vec![setting.native("@anthropic-ai/claude-code", "claude").into()],
        headless: vec!["-p", "say ok"],
        resumed: vec!["--resume", "ID", "-p", "say ok"],
        terminal: vec![],
        alone: None,
        ready: "for agents",
        quit: "/exit",
        clear: Some("/clear"),
        compact: "/compact",
    }
}
