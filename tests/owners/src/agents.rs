//! How each agent is configured and started: with a made-up key, with the stand-in as its model, and with a hook of its
//! own for the end of a session. Lastword's hooks are installed afterwards, beside that one.

mod claude_code;
mod codex;
mod copilot;
mod gemini;
mod opencode;
mod qwen;

use std::ffi::OsString;
use std::process::Command;

use crate::named::Owner;
use crate::setting::Setting;

/// A key that is one to nobody.
const KEY: &str = "stand-in-only";

/// How an agent is used.
pub(crate) struct Recipe {
    /// What its environment has besides.
    env: Vec<(&'static str, String)>,
    /// The program, with what comes before everything else.
    program: Vec<OsString>,
    /// For one turn without a terminal.
    headless: Vec<&'static str>,
    /// For one more turn of a session; `ID` stands for its id.
    resumed: Vec<&'static str>,
    /// For a terminal.
    terminal: Vec<&'static str>,
    /// For a terminal, with the sessions in that process, if they are in a server's otherwise.
    alone: Option<Vec<&'static str>>,
    /// Is on the screen when a prompt can be typed.
    pub(crate) ready: &'static str,
    /// Is typed to leave.
    pub(crate) quit: &'static str,
    /// Is typed to begin another session, if there is such a command.
    pub(crate) clear: Option<&'static str>,
    /// Is typed to compact the session.
    pub(crate) compact: &'static str,
}

impl Recipe {
    /// Writes the agent's configuration.
    pub(crate) fn prepare(owner: Owner, setting: &Setting) -> Self {
        match owner {
            Owner::ClaudeCode => claude_code::prepare(setting),
            Owner::Codex => codex::prepare(setting),
            Owner::Gemini => gemini::prepare(setting),
            Owner::Qwen => qwen::prepare(setting),
            Owner::Copilot => copilot::prepare(setting),
            Owner::Opencode => opencode::prepare(setting),
        }
    }

    pub(crate) fn headless(&self, setting: &Setting) -> Command {
        self.command(setting, self.headless.iter().map(OsString::from))
    }

    pub(crate) fn resumed(&self, setting: &Setting, session: &str) -> Command {
        self.command(setting, self.resumed.iter().map(|word| OsString::from(word.replace("ID", session))))
    }

    pub(crate) fn terminal(&self, setting: &Setting) -> Command {
        self.command(setting, self.terminal.iter().map(OsString::from))
    }

    /// # Panics
    /// When the agent has no such server.
    pub(crate) fn alone(&self, setting: &Setting) -> Command {
        let alone = self.alone.as_ref().unwrap_or_else(|| panic!("it has its sessions itself: that is `terminal`"));
        self.command(setting, alone.iter().map(OsString::from))
    }

    fn command(&self, setting: &Setting, args: impl Iterator<Item = OsString>) -> Command {
        let mut command = Command::new(&self.program[0]);
        setting.furnish(&mut command);
        command.args(&self.program[1..]).args(args).envs(self.env.iter().map(|(name, value)| (name, value)));
        command
    }
}
