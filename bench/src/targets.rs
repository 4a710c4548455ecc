//! Figures beside their targets.

use anyhow::ensure;

use crate::rounds::say;

/// What was missed so far.
#[derive(Default)]
pub(crate) struct Targets {
    missed: Vec<String>,
}

impl Targets {
    /// Prints a figure and its target.
    pub(crate) fn tell(&mut self, what: &str, measured: &str, target: &str, is_met: bool) {
        let how = if is_met { "" } else { "   MISSED" };
        say(format!("  {what:<44} {measured:>34}   target {target}{how}"));
        if !is_met {
            self.missed.push(what.to_owned());
        }
    }

    /// # Errors
    /// When a target was missed.
    pub(crate) fn finish(self) -> anyhow::Result<()> {
        ensure!(self.missed.is_empty(), "missed: {}", self.missed.join("; "));
        Ok(())
    }
}
