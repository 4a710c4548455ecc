//! Hermes Agent loads a plugin only if its user has enabled it, and reports whether it does.
//!
//! We do not enable the plugin for the user: Hermes would rewrite its `config.yaml` without the comments in it.

use std::io::Read as _;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;

use anyhow::{Context as _, anyhow, bail};
use lastword_config::units::show_duration;
use serde::Deserialize;

use super::own_files::HERMES_PLUGIN;
use crate::limits::{HERMES_ANSWERS, MAX_HERMES_BYTES};

/// The command with which the user enables the plugin.
pub(crate) const ENABLE: &str = "run `hermes plugins enable lastword --no-allow-tool-override`, which drops the comments in \
                                 its config.yaml; or write lastword into the list `enabled` of `plugins` there";

/// Hermes' report of our plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Loads {
    Yes,
    /// The plugin exists, and Hermes skips it for this reason, in its own word.
    No(String),
    /// Hermes does not see the plugin.
    Unknown,
}

/// Asks Hermes about our plugin.
///
/// # Errors
/// When there is no `hermes`, or it does not answer in time.
pub(crate) fn ask() -> anyhow::Result<Loads> {
    let mut child = Running::start()?;
    let mut stdout = child.0.stdout.take().context("`hermes plugins list` has no output")?.take(MAX_HERMES_BYTES);
    let (said, answer) = mpsc::channel();
    // The thread ends with the program's output.
    thread::Builder::new().name("hermes".into()).spawn(move || {
        let mut text = String::new();
        let read = stdout.read_to_string(&mut text).map(|_| text);
        // After the timeout nobody receives it.
        said.send(read).ok();
    })?;
    let Ok(text) = answer.recv_timeout(HERMES_ANSWERS) else {
        bail!("`hermes plugins list` has not answered within {}", show_duration(HERMES_ANSWERS))
    };
    understand(&text.context("`hermes plugins list` cannot be read")?)
}

/// A plugin in Hermes' list.
#[derive(Deserialize)]
struct Listed {
    name: String,
    status: String,
}

/// Parses the list. Other text may precede it, such as the name of a profile or a note about an update.
fn understand(text: &str) -> anyhow::Result<Loads> {
    let lists = text.match_indices('[').filter_map(|(at, _)| text.get(at..));
    let mut lists = lists.filter_map(|rest| serde_json::from_str::<Vec<Listed>>(rest).ok());
    let list = lists.next().ok_or_else(|| anyhow!("`hermes plugins list --json` does not say a list"))?;
    Ok(match list.into_iter().find(|plugin| plugin.name == HERMES_PLUGIN) {
        Some(plugin) if plugin.status == "enabled" => Loads::Yes,
        Some(plugin) => Loads::No(plugin.status),
        None => Loads::Unknown,
    })
}

/// A child process. Dropping it kills the process.
struct Running(Child);

impl Running {
    fn start() -> anyhow::Result<Self> {
        let mut command = Command::new("hermes");
        command.args(["plugins", "list", "--json", "--no-bundled"]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        command.spawn().map(Self).context("`hermes` cannot be started")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // The process may have exited by itself.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_list_says_whether_the_plugin_is_loaded() {
        let list = |status: &str| {
            format!(
                r#"[{{"name": "x", "status": "enabled"}}, {{"name": "lastword", "status": "{status}", "source": "user"}}]"#
            )
        };
        assert_eq!(understand(&list("enabled")).unwrap(), Loads::Yes);
        assert_eq!(understand(&list("not enabled")).unwrap(), Loads::No("not enabled".into()));
        assert_eq!(
            understand(&format!("[profile x] is used\n{}\n", list("disabled"))).unwrap(),
            Loads::No("disabled".into())
        );
        assert_eq!(understand("[]").unwrap(), Loads::Unknown);
        for bad in ["", "No plugins installed.", r#"{"name": "lastword"}"#] {
            assert!(understand(bad).is_err(), "{bad}");
        }
    }
}
