//! The hooks of each owner, in the owner's words.

use lastword_protocol::owners::InputFormat;

use super::hook_command::HookCommand;
use super::layout::Node;

/// A hook to install, and its timeout in the owner's own unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hook {
    pub(super) event: &'static str,
    pub(super) timeout: Option<u32>,
}

/// The shape of the hooks in a shared file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// `{"hooks": {EVENT: [{"hooks": [{"type": "command", "command": …}]}]}}`
    Grouped {
        /// Whether a hook has a name, for people.
        has_name: bool,
    },
    /// `{"version": 1, "hooks": {EVENT: [{"command": …}]}}`, without other members.
    Flat,
}

/// The hooks of an owner whose file the user shares with us.
#[derive(Clone, Copy, Debug)]
pub(super) struct Recipe {
    pub(super) owner: InputFormat,
    pub(super) shape: Shape,
    pub(super) hooks: &'static [Hook],
}

const GROUPED: Shape = Shape::Grouped { has_name: false };

/// All `SessionEnd` hooks together have 1.5 s, unless a `timeout` is longer.
const CLAUDE_CODE: &[Hook] = &[
    hook("SessionStart", 5),
    hook("SessionEnd", 5),
    hook("PreCompact", 5),
    hook("PostCompact", 5),
    hook("UserPromptSubmit", 5),
    hook("Stop", 5),
];

/// Codex gives a `SessionEnd` hook 3 s at most.
const CODEX: &[Hook] = &[
    hook("SessionStart", 5),
    hook("SessionEnd", 3),
    hook("PreCompact", 5),
    hook("PostCompact", 5),
    hook("UserPromptSubmit", 5),
    hook("Stop", 5),
    hook("Interrupt", 3),
];

/// Timeouts are in milliseconds.
const GEMINI: &[Hook] = &[
    hook("SessionStart", 5_000),
    hook("SessionEnd", 5_000),
    hook("PreCompress", 5_000),
    hook("BeforeAgent", 5_000),
    hook("AfterAgent", 5_000),
];

/// Cursor ignores a file with one unknown event, so these are its oldest events.
const CURSOR: &[Hook] = &[plain("sessionStart"), plain("sessionEnd"), plain("preCompact"), plain("stop")];

/// Copilot's events, in a file of our own.
pub(super) const COPILOT: &[Hook] = &[
    hook("sessionStart", 5),
    hook("sessionEnd", 5),
    hook("userPromptSubmitted", 5),
    hook("agentStop", 5),
    hook("preCompact", 5),
];

/// goose's events, in a file of our own.
pub(super) const GOOSE: &[Hook] =
    &[plain("SessionStart"), plain("SessionEnd"), plain("UserPromptSubmit"), plain("Stop")];

/// Cline's events, each a script of our own.
pub(super) const CLINE: &[&str] =
    &["TaskStart", "TaskResume", "TaskComplete", "TaskCancel", "SessionShutdown", "PreCompact", "UserPromptSubmit"];

const fn hook(event: &'static str, timeout: u32) -> Hook {
    Hook { event, timeout: Some(timeout) }
}

const fn plain(event: &'static str) -> Hook {
    Hook { event, timeout: None }
}

impl Recipe {
    /// Returns the recipe of an owner with a shared file.
    pub(super) fn of(owner: InputFormat) -> Option<Self> {
        let (shape, hooks) = match owner {
            // Qwen Code reads a number below 1000 as seconds.
            InputFormat::ClaudeCode | InputFormat::Qwen => (GROUPED, CLAUDE_CODE),
            InputFormat::Codex => (GROUPED, CODEX),
            InputFormat::Gemini => (Shape::Grouped { has_name: true }, GEMINI),
            InputFormat::Cursor => (Shape::Flat, CURSOR),
            _ => return None,
        };
        Some(Self { owner, shape, hooks })
    }

    /// Returns the command of all hooks: these owners' payloads name the event.
    pub(super) fn line(&self, command: &HookCommand) -> String {
        command.line(self.owner.as_str(), None)
    }

    /// Returns the entry of an event.
    pub(super) fn entry(&self, hook: Hook, line: &str) -> Node {
        let mut handler = Vec::new();
        if let Shape::Grouped { has_name } = self.shape {
            if has_name {
                handler.push(("name".to_owned(), Node::Text("lastword".to_owned())));
            }
            handler.push(("type".to_owned(), Node::Text("command".to_owned())));
        }
        handler.push(("command".to_owned(), Node::Text(line.to_owned())));
        if let Some(timeout) = hook.timeout {
            handler.push(("timeout".to_owned(), Node::Number(timeout)));
        }
        match self.shape {
            Shape::Grouped { .. } => Node::Object(vec![("hooks".to_owned(), Node::Array(vec![Node::Object(handler)]))]),
            Shape::Flat => Node::Object(handler),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_recipe_has_a_start_an_end_and_each_event_once() {
        for owner in InputFormat::ALL {
            let Some(recipe) = Recipe::of(owner) else { continue };
            let events: Vec<String> = recipe.hooks.iter().map(|hook| hook.event.to_lowercase()).collect();
            for wanted in ["sessionstart", "sessionend"] {
                assert_eq!(events.iter().filter(|event| *event == wanted).count(), 1, "{owner:?}");
            }
            let mut once = events.clone();
            once.sort();
            once.dedup();
            assert_eq!(once.len(), events.len(), "{owner:?}");
        }
    }
}
