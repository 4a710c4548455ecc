//! A delivery that was not made, as an operator sees it.

use std::fmt;
use std::str::FromStr;

use lastword_events::{DeliveryId, Timestamp};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The state of a delivery that was not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeliveryState {
    /// The delivery is to be made: it is ready, or its call is under way, or it waits for its retry or for the next start.
    Owed,
    /// The delivery was given up. It waits until an operator redelivers or forgets it.
    Dead,
    /// The delivery is owed to a plugin that is not installed for its tenant.
    Orphaned,
}

impl DeliveryState {
    /// Every state.
    pub const ALL: [Self; 3] = [Self::Owed, Self::Dead, Self::Orphaned];

    /// `owed`, `dead` or `orphaned`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Owed => "owed",
            Self::Dead => "dead",
            Self::Orphaned => "orphaned",
        }
    }
}

impl fmt::Display for DeliveryState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that is no state of a delivery.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("a delivery is owed, dead or orphaned, and not {0:?}")]
pub struct ParseDeliveryStateError(String);

impl FromStr for DeliveryState {
    type Err = ParseDeliveryStateError;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        let state = Self::ALL.into_iter().find(|state| state.as_str() == word);
        state.ok_or_else(|| ParseDeliveryStateError(word.to_owned()))
    }
}

/// A delivery that was not made.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DeliveryRow {
    /// The delivery's id.
    pub delivery: DeliveryId,
    /// The delivery's state.
    pub state: DeliveryState,
    /// The session's tenant.
    pub tenant: String,
    /// The session's id.
    pub session: String,
    /// The session's generation.
    pub generation: u32,
    /// Why the session ended, if it has.
    pub reason: Option<String>,
    /// The number of the last attempt that is written down.
    pub attempt: u32,
    /// Recorded failures.
    pub failures: u32,
    /// Whether newer events of the session id have gone ahead.
    pub late: bool,
    /// When the delivery is tried again, if a program runs then.
    pub retry_at: Option<Timestamp>,
    /// The cause of the last failure.
    pub cause: Option<String>,
    /// The message of the last failure.
    pub message: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_read_as_it_is_written() {
        for state in DeliveryState::ALL {
            assert_eq!(state.to_string().parse(), Ok(state));
            let json = serde_json::to_string(&state).unwrap();
            assert_eq!(json, format!("\"{state}\""));
            assert_eq!(serde_json::from_str::<DeliveryState>(&json).unwrap(), state);
        }
        assert!("lost".parse::<DeliveryState>().unwrap_err().to_string().contains("dead"));
    }
}
