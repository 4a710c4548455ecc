//! Codex: its launcher in JavaScript starts a native process, or becomes it, as the version of Node has it. In a terminal
//! that process starts a server in the background, if there is none yet. The server has the sessions, runs their hooks
//! and outlives every terminal; with `--no-daemon` the process in the terminal has them.

use std::fmt::Write as _;

use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::{KEY, Recipe};
use crate::setting::Setting;

pub(super) fn prepare(setting: &Setting) -> Recipe {
    let command = setting.note_own_end();
    let hook = json!({"type": "command", "command": command});
    setting.write(".codex/hooks.json", json!({"hooks": {"SessionEnd": [{"hooks": [hook]}]}}).to_string());
    let configuration = format!(
        r#"model = "gpt-5.1-codex"
model_provider = "stand-in"
check_for_update_on_startup = false
approval_policy = "never"
sandbox_mode = "read-only"

[analytics]
enabled = false

[otel]
exporter = "none"

[model_providers.stand-in]
name = "stand-in"
base_url = "{address}/v1"
wire_api = "responses"
env_key = "STAND_IN_KEY"
request_max_retries = 0
stream_max_retries = 0

[projects."{work}"]
trust_level = "trusted"

[notice]
hide_full_access_warning = true

[tui]
notifications = false
show_tooltips = false

[hooks.state."{hooks}:session_end:0:0"]
trusted_hash = "sha256:{sum}"
"#,
        address = setting.address(),
        work = setting.work().display(),
        hooks = setting.home().join(".codex/hooks.json").display(),
        sum = sum_of_hook(&command),
    );
    setting.write(".codex/config.toml", configuration);
    Recipe {
        env: vec![("STAND_IN_KEY", KEY.to_owned())],
        program: vec!["node".into(), setting.package("@openai/codex/bin/codex.js").into()],
        headless: vec!["exec", "--skip-git-repo-check", "say ok"],
        resumed: vec!["exec", "--skip-git-repo-check", "resume", "ID", "say ok"],
        terminal: vec![],
        alone: Some(vec!["--no-daemon"]),
        ready: "Ask Codex to do anything",
        quit: "/quit",
        clear: Some("/clear"),
        compact: "/compact",
    }
}

/// What Codex compares before it runs a hook for the end of a session: the sum of its definition with sorted keys, in
/// which the timeout is the one that counts, 1 s. This is the user's own hook; `lastword install` has Lastword's trusted.
fn sum_of_hook(command: &str) -> String {
    let command = json!(command);
    let hook = format!(r#"{{"async":false,"command":{command},"timeout":1,"type":"command"}}"#);
    let definition = format!(r#"{{"event_name":"session_end","hooks":[{hook}]}}"#);
    Sha256::digest(definition.as_bytes()).iter().fold(String::new(), |mut sum, byte| {
        // Writing to a text cannot fail.
        write!(sum, "{byte:02x}").ok();
        sum
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_of_a_hook_is_the_one_that_codex_makes() {
        // As `hooks/list` of Codex 0.171.0 says it.
        let sum = "3a77f6214a1fc904ec3c34db73f74db5d254ba7cfe462739bd9d37a130a2839f";
        assert_eq!(sum_of_hook("true"), sum);
    }
}
