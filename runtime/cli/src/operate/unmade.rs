//! A delivery that was not made, as a row of a table.

use lastword_events::Timestamp;
use lastword_events::text::clip_chars;
use lastword_sqlite::DeliveryRow;
use serde::Deserialize;

/// Characters of a failure's message in a table. `--json` prints all of it.
const MESSAGE_CHARS: usize = 60;

/// A delivery's columns, from the journal's file or a daemon's answer.
#[derive(Debug, Deserialize)]
pub(super) struct UnmadeDelivery {
    pub(super) delivery: String,
    pub(super) state: String,
    pub(super) tenant: String,
    pub(super) session: String,
    pub(super) reason: Option<String>,
    pub(super) attempt: u32,
    pub(super) failures: u32,
    pub(super) retry_at: Option<Timestamp>,
    cause: Option<String>,
    message: Option<String>,
}

impl UnmadeDelivery {
    /// Returns the last failure: its cause, and the beginning of its message.
    pub(super) fn failure(&self) -> String {
        let Some(cause) = &self.cause else { return String::new() };
        match self.message.as_deref().filter(|message| !message.is_empty()) {
            Some(message) => format!("{cause}: {}", clip_chars(message, MESSAGE_CHARS)),
            None => cause.clone(),
        }
    }
}

impl From<DeliveryRow> for UnmadeDelivery {
    fn from(row: DeliveryRow) -> Self {
        Self {
            delivery: row.delivery.to_string(),
            state: row.state.as_str().to_owned(),
            tenant: row.tenant,
            session: row.session,
            reason: row.reason,
            attempt: row.attempt,
            failures: row.failures,
            retry_at: row.retry_at,
            cause: row.cause,
            message: row.message,
        }
    }
}
