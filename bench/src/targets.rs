//! Figures beside their targets.

use anyhow::ensure;
use serde::Serialize;

use crate::rounds::say;

/// A figure and its target, as both are shown.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Figure {
    pub(crate) what: String,
    pub(crate) measured: String,
    pub(crate) target: String,
    pub(crate) is_met: bool,
}

/// What was measured so far.
#[derive(Default)]
pub(crate) struct Targets {
    figures: Vec<Figure>,
}

impl Targets {
    /// Prints a figure and its target.
    pub(crate) fn tell(&mut self, what: &str, measured: &str, target: &str, is_met: bool) {
        let how = if is_met { "" } else { "   MISSED" };
        say(format!("  {what:<44} {measured:>34}   target {target}{how}"));
        let [what, measured, target] = [what, measured, target].map(str::to_owned);
        self.figures.push(Figure { what, measured, target, is_met });
    }

    pub(crate) fn into_figures(self) -> Vec<Figure> {
        self.figures
    }

    /// # Errors
    /// When a target was missed.
    pub(crate) fn finish(self) -> anyhow::Result<()> {
        ensure_met(&self.figures)
    }
}

/// # Errors
/// When a target was missed.
pub(crate) fn ensure_met(figures: &[Figure]) -> anyhow::Result<()> {
    let missed: Vec<_> = figures.iter().filter(|figure| !figure.is_met).map(|figure| figure.what.as_str()).collect();
    ensure!(missed.is_empty(), "missed: {}", missed.join("; "));
    Ok(())
}
