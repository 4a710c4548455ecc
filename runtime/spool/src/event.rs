//! An event that waits for a daemon.

use lastword_events::text::clip_chars;
use lastword_process::{Process, pid_namespace};
use serde::{Deserialize, Serialize};

use crate::limits::MAX_TEXT_CHARS;
use crate::stamp::{Stamp, wall_ms};
use crate::version;

/// An event that waits for a daemon: a hook's payload as its owner wrote it, and the hook's further information. It
/// contains nothing of the hook's environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpooledEvent {
    /// The payload's owner: a word for `--from`, e.g. `claude-code`.
    pub owner: String,
    /// The owner's name for the event, if the payload does not have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    /// A unique id: the text of its [`Stamp`]. An event that was handed over before keeps its id.
    pub op_id: String,
    /// The agent's process, if the hook could find it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<Process>,
    /// The pid namespace of the hook, which the process's pid belongs to. `None` if all processes are in one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid_namespace: Option<u64>,
    /// The version of the program that wrote the event.
    #[serde(default)]
    pub version: String,
    /// When the event came, in milliseconds since 1970.
    pub wall_ms: u64,
    /// Why no daemon takes the event. Only an event that is kept for people has a reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// The owner's payload.
    #[serde(skip)]
    pub payload: Vec<u8>,
}

impl SpooledEvent {
    /// Makes an event that comes now. Set the other fields if they are known.
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

    /// Returns the agent's process, if its pid means the same process here. In a container the pid means another
    /// process, or none, which would look like the agent's death.
    #[must_use]
    pub fn process_here(&self) -> Option<&Process> {
        self.process.as_ref().filter(|_| self.pid_namespace == pid_namespace())
    }

    /// Sets the owner's name for the event.
    #[must_use]
    pub fn named(self, event: Option<&str>) -> Self {
        Self { event: event.map(clipped), ..self }
    }

    /// Sets the reason why no daemon takes the event.
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
