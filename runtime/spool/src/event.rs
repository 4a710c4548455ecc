//! An event on its way to a daemon.

use lastword_events::text::clip_chars;
use lastword_process::{Process, pid_namespace};
use serde::{Deserialize, Serialize};

use crate::limits::MAX_TEXT_CHARS;
use crate::stamp::{Stamp, wall_ms};
use crate::version;

/// An event on its way to a daemon: a hook's payload as its owner wrote it, and what the hook knew beside it. Nothing
/// of the hook's environment is among it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpooledEvent {
    /// Whose payload it is: a word for `--from`, e.g. `claude-code`.
    pub owner: String,
    /// The owner's name for the event, where the payload does not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    /// What no other event has: the text of its [`Stamp`]. An event that was handed over before has the same one.
    pub op_id: String,
    /// The agent's process, as far as the hook could tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<Process>,
    /// The pid namespace of the hook, in which the process has its number. None where all processes are in one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid_namespace: Option<u64>,
    /// The version of the program that has written it.
    #[serde(default)]
    pub version: String,
    /// When it came, in milliseconds since 1970.
    pub wall_ms: u64,
    /// Why no daemon takes it. Only what is kept for people has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// What the owner wrote.
    #[serde(skip)]
    pub payload: Vec<u8>,
}

impl SpooledEvent {
    /// An event that comes now. The other fields are for who knows more of it.
    #[must_use]
    pub fn new(owner: &str, stamp: &Stamp, payload: Vec<u8>) -> Self {
        Self {
            owner: clipped(owner),
            event: None,
            op_id: stamp.to_string(),
            process: None,
            pid_namespace: pid_namespace(),
            version: version::THIS.to_owned(),
            wall_ms: wall_ms(),
            refused: None,
            payload,
        }
    }

    /// The agent's process, if its number means the same process here. In a container it means another one, or none:
    /// that would be taken for the agent's death.
    #[must_use]
    pub fn process_here(&self) -> Option<&Process> {
        self.process.as_ref().filter(|_| self.pid_namespace == pid_namespace())
    }

    /// With the owner's name for the event.
    #[must_use]
    pub fn named(self, event: Option<&str>) -> Self {
        Self { event: event.map(clipped), ..self }
    }

    /// With the reason why no daemon takes it.
    #[must_use]
    pub fn refused_for(self, why: &str) -> Self {
        Self { refused: Some(clipped(why)), ..self }
    }
}

fn clipped(text: &str) -> String {
    clip_chars(text, MAX_TEXT_CHARS).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_of_another_pid_namespace_is_none_here() {
        let process = Process { pid: 1, start_time: 2, boot_id: "b".into() };
        let event =
            SpooledEvent { process: Some(process.clone()), ..SpooledEvent::new("o", &Stamp::now(), Vec::new()) };
        assert_eq!(event.process_here(), Some(&process));
        let other = SpooledEvent { pid_namespace: Some(event.pid_namespace.unwrap_or(7) + 1), ..event };
        assert_eq!(other.process_here(), None);
    }
}
