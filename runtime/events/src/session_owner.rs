//! By whom a session is kept alive, so that the next run can look after it.

use serde::{Deserialize, Serialize};

use crate::FieldError;
use crate::limits::MAX_KEY_BYTES;

/// Who keeps a session alive, as far as a daemon has to know it again after it was killed. Plugins are not told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionOwner {
    /// The owner's name, which is unique in its tenant.
    pub name: String,
    /// The process whose end is the owner's death.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<OwnerProcess>,
    /// For how long the owner counts as alive after it was heard of, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease_ms: Option<u64>,
}

/// A process as no other one is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnerProcess {
    /// Its number.
    pub pid: u32,
    /// When it began, in clock ticks since the boot: field 22 of `/proc/PID/stat`.
    pub start_time: u64,
    /// The boot that it began in: `/proc/sys/kernel/random/boot_id`.
    pub boot_id: String,
}

impl SessionOwner {
    /// Checks the texts against [`limits`](crate::limits).
    ///
    /// # Errors
    /// Names the first that does not fit.
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
