//! Which hooks each owner is given, and in which words.

use lastword_protocol::owners::InputFormat;

use super::hook_command::HookCommand;
use super::layout::Node;

/// A hook that is installed, and the time that the owner gives it, in the owner's own unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hook {
    pub(super) event: &'static str,
    pub(super) timeout: Option<u32>,
}

/// How a file that is the user's as well lists hooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// `{"hooks": {EVENT: [{"hooks": [{"type": "command", "command": …}]}]}}`
    Grouped {
        /// Whether a hook has a name, for people.
        has_name: bool,
    },
    /// `{"version": 1, "hooks": {EVENT: [{"command": …}]}}`, with nothing else in it.
    Flat,
}

/// The hooks of an owner whose file is the user's as well.
#[derive(Clone, Copy, Debug)]
pub(super) struct Recipe {
    pub(super) owner: InputFormat,
    pub(super) shape: Shape,
    pub(super) hooks: &'static [Hook],
}

const GROUPED: Shape = Shape::Grouped { has_name: false };

/// Its `SessionEnd` hooks have 1.5 s in all, unless a `timeout` says more.
const CLAUDE_CODE: &[Hook] = &[
    hook("SessionStart", 5),
    hook("SessionEnd", 5),
    hook("PreCompact", 5),
    hook("PostCompact", 5),
    hook("UserPromptSubmit", 5),
    hook("Stop", 5),
];

/// 3 s is the most that Codex gives a `SessionEnd` hook.
const CODEX: &[Hook] = &[
    hook("SessionStart", 5),
    hook("SessionEnd", 3),
    hook("PreCompact", 5),
    hook("PostCompact", 5),
    hook("UserPromptSubmit", 5),
    hook("Stop", 5),
    hook("Interrupt", 3),
];

/// In milliseconds.
const GEMINI: &[Hook] = &[
    hook("SessionStart", 5_000),
    hook("SessionEnd", 5_000),
    hook("PreCompress", 5_000),
    hook("BeforeAgent", 5_000),
    hook("AfterAgent", 5_000),
];

/// Cursor reads nothing of a file with one event that it does not know, so these are the ones that it has had longest.
const CURSOR: &[Hook] = &[plain("sessionStart"), plain("sessionEnd"), plain("preCompact"), plain("stop")];

/// Events of Copilot, in a file of our own.
pub(super) const COPILOT: &[Hook] = &[
    hook("sessionStart", 5),
    hook("sessionEnd", 5),
    hook("userPromptSubmitted", 5),
    hook("agentStop", 5),
    hook("preCompact", 5),
];

/// Events of goose, in a file of our own.
pub(super) const GOOSE: &[Hook] =
    &[plain("SessionStart"), plain("SessionEnd"), plain("UserPromptSubmit"), plain("Stop")];

/// Events of Cline, each a script of our own.
pub(super) const CLINE: &[&str] =
    &["TaskStart", "TaskResume", "TaskComplete", "TaskCancel", "SessionShutdown", "PreCompact", "UserPromptSubmit"];

const fn hook(event: &'static str, timeout: u32) -> Hook {
    Hook { event, timeout: Some(timeout) }
}

const fn plain(event: &'static str) -> Hook {
    Hook { event, timeout: None }
}

impl Recipe {
    /// The recipe for an owner whose file is the user's as well.
    pub(super) fn of(owner: InputFormat) -> Option<Self> {
        let (shape, hooks) = match owner {
            // Qwen Code reads less than 1000 as seconds.
            InputFormat::ClaudeCode | InputFormat::Qwen => (GROUPED, CLAUDE_CODE),
            InputFormat::Codex => (GROUPED, CODEX),
            InputFormat::Gemini => (Shape::Grouped { has_name: true }, GEMINI),
            InputFormat::Cursor => (Shape::Flat, CURSOR),
            _ => return None,
        };
        Some(Self { owner, shape, hooks })
    }

    /// The command of all its hooks: these owners say themselves which event it is.
    pub(super) fn line(&self, command: &HookCommand) -> String {
        command.line(self.owner.as_str(), None)
    }

    /// What is listed for an event.
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
