//! An agent that a test kills.

use std::process::Child;

/// A child that does not outlive its test.
pub(super) struct Killed(pub(super) Child);

impl Drop for Killed {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}
