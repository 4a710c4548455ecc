//! What the webhook has taken: for each session a line for each delivery, `<delivery id> <status>`.
//!
//! What a call writes here is committed together with its `delivered`, in one piece. So a note is there exactly when its
//! delivery is made, and then Lastword does not attempt it again: to look here first is for hosts whose store keeps at once
//! what is written.
//!
//! What can still happen: the process is killed after the webhook has taken the notice and before that commit. Then the next
//! start attempts the delivery again, and no note of ours could know better. The webhook does: it gets the same
//! `Idempotency-Key`.

use crate::HookError;
use crate::lastword::hooks::types::{Delivery, Session};
use crate::wasi::keyvalue::store::{self, Bucket, Error};

/// A delivery is not attempted again after so many others of its session.
const KEPT_LINES: usize = 16;

pub(crate) struct Told {
    bucket: Bucket,
    key: String,
    lines: String,
}

impl Told {
    pub(crate) fn of(session: &Session) -> Result<Self, HookError> {
        // Every tenant has a space of its own. Its name is "".
        let bucket = store::open("").map_err(retry)?;
        // An id may start again after it ended; the generation tells its runs apart.
        let key = format!("told/{}#{}", session.id, session.generation);
        let lines = bucket.get(&key).map_err(retry)?.unwrap_or_default();
        Ok(Self { bucket, key, lines: String::from_utf8_lossy(&lines).into_owned() })
    }

    /// What the webhook answered to this delivery, if it has taken it.
    pub(crate) fn status(&self, delivery: &Delivery) -> Option<&str> {
        status(&self.lines, &delivery.id)
    }

    /// Notes what the webhook answered.
    pub(crate) fn add(&self, delivery: &Delivery, status: u16) {
        if delivery.late {
            // The session may have ended already: nobody would forget the note.
            return;
        }
        let lines = with(&self.lines, &delivery.id, status);
        if let Err(error) = self.bucket.set(&self.key, lines.as_bytes()) {
            // The webhook has taken the notice, so this is no reason to send it again.
            println!("told, and not noted: {}", text(error));
        }
    }

    /// Forgets the session.
    pub(crate) fn forget(self) -> Result<(), HookError> {
        self.bucket.delete(&self.key).map_err(retry)
    }
}

fn status<'a>(lines: &'a str, id: &str) -> Option<&'a str> {
    lines.lines().find_map(|line| line.strip_prefix(id)?.strip_prefix(' '))
}

fn with(lines: &str, id: &str, status: u16) -> String {
    let surplus = (lines.lines().count() + 1).saturating_sub(KEPT_LINES);
    let kept: String = lines.lines().skip(surplus).map(|line| format!("{line}\n")).collect();
    format!("{kept}{id} {status}\n")
}

fn retry(error: Error) -> HookError {
    HookError::Retry(text(error))
}

fn text(error: Error) -> String {
    match error {
        Error::NoSuchStore => "there is no key-value store".to_owned(),
        Error::AccessDenied => "the key-value store was denied".to_owned(),
        Error::Other(why) => why,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_found_by_the_whole_id() {
        let lines = with(&with("", "j.1/session-compaction.1-before/n", 200), "j.1/session-compaction.1-after/n", 204);
        assert_eq!(status(&lines, "j.1/session-compaction.1-before/n"), Some("200"));
        assert_eq!(status(&lines, "j.1/session-compaction.1-after/n"), Some("204"));
        assert_eq!(status(&lines, "j.1/session-compaction.1-after"), None);
        assert_eq!(status("", "j.1/session-compaction.1-before/n"), None);
    }

    #[test]
    fn the_newest_notes_are_kept() {
        let lines = (0..100).fold(String::new(), |lines, n| with(&lines, &n.to_string(), 200));
        assert_eq!(lines.lines().count(), KEPT_LINES);
        assert_eq!(status(&lines, "99"), Some("200"));
        assert_eq!((status(&lines, "84"), status(&lines, "83")), (Some("200"), None));
    }
}
