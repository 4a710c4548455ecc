//! The owner that keeps a session alive, on record for the next run.

use serde::{Deserialize, Serialize};

use crate::FieldError;
use crate::limits::MAX_KEY_BYTES;

/// The owner that keeps a session alive, as far as the next daemon must recognize it. Plugins do not see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionOwner {
    /// The owner's name, which is unique in its tenant.
    pub name: String,
    /// The process whose end is the owner's death.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<OwnerProcess>,
    /// The time, in milliseconds, for which the owner counts as alive after each sign of life.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease_ms: Option<u64>,
}

/// The identity of a process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnerProcess {
    /// The process id.
    pub pid: u32,
    /// When the process began, in clock ticks since the boot: field 22 of `/proc/PID/stat`.
    pub start_time: u64,
    /// The boot in which the process began: `/proc/sys/kernel/random/boot_id`.
    pub boot_id: String,
}

impl SessionOwner {
    /// Checks the texts against [`limits`](crate::limits).
    ///
    /// # Errors
    /// Names the first text that does not fit.
    pub fn validate(&self) -> Result<(), FieldError> {
        let boot_id = self.process.as_ref().map_or(0, |process| process.boot_id.len());
        for (field, len) in [("session.owner.name", self.name.len()), ("session.owner.process.boot_id", boot_id)] {
            if len > MAX_KEY_BYTES {
                return Err(FieldError::too_long(field, "too_long", len, MAX_KEY_BYTES));
            }
        }
        Ok(())
    }
}
