//! Our words as the file has them.

use lastword_events::DrainReason;
use serde::Serialize;

pub(super) fn drain_reason(text: &str) -> Option<DrainReason> {
    [DrainReason::Shutdown, DrainReason::Restart, DrainReason::Crashed].into_iter().find(|r| r.to_string() == text)
}

/// Our own types have no map with keys that are no text, and no `Serialize` that fails: nothing is lost by the default.
pub(super) fn json<T: Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
