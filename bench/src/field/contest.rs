//! Sides that are measured in turns, and two of them beside each other.

use anyhow::Context as _;
use serde::Serialize;

use crate::rounds::{median, say};

/// Something that is measured: what it takes, of which less is better.
pub(super) struct Contestant<'a> {
    name: String,
    measure: Box<dyn FnMut() -> anyhow::Result<f64> + 'a>,
}

impl<'a> Contestant<'a> {
    pub(super) fn new(name: impl Into<String>, measure: impl FnMut() -> anyhow::Result<f64> + 'a) -> Self {
        Self { name: name.into(), measure: Box::new(measure) }
    }
}

/// What a side took, round for round.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Side {
    pub(super) name: String,
    pub(super) median: f64,
    rounds: Vec<f64>,
}

impl Side {
    pub(super) fn new(name: &str, rounds: Vec<f64>) -> Self {
        Self { name: name.to_owned(), median: median(rounds.clone()), rounds }
    }

    /// Its median and its spread, for people.
    pub(super) fn line(&self) -> String {
        let (least, most) = self.spread();
        format!("  {:<34} {:>10.2}   {least:.2} to {most:.2}", self.name, self.median)
    }

    /// The least and the most.
    fn spread(&self) -> (f64, f64) {
        let least = self.rounds.iter().copied().fold(f64::INFINITY, f64::min);
        (least, self.rounds.iter().copied().fold(0.0, f64::max))
    }
}

/// Measures each of them once a round, in their order, so that noise hits each. Prints what they took.
///
/// # Errors
/// That of the first that fails, with its name.
pub(super) fn in_turns(mut contestants: Vec<Contestant<'_>>, rounds: usize) -> anyhow::Result<Vec<Side>> {
    let mut took: Vec<Vec<f64>> = contestants.iter().map(|_| Vec::with_capacity(rounds)).collect();
    for _ in 0..rounds {
        for (contestant, took) in contestants.iter_mut().zip(&mut took) {
            took.push((contestant.measure)().with_context(|| contestant.name.clone())?);
        }
    }
    let sides: Vec<Side> =
        contestants.into_iter().zip(took).map(|(contestant, took)| Side::new(&contestant.name, took)).collect();
    for side in &sides {
        say(side.line());
    }
    Ok(sides)
}

/// One of ours beside one of theirs.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Comparison {
    pub(super) what: String,
    /// What the figures are in.
    pub(super) unit: &'static str,
    pub(super) ours: Side,
    pub(super) theirs: Side,
    /// What ours takes in the place of one of theirs.
    pub(super) ratio: f64,
    /// The most that this may be.
    pub(super) target: Option<f64>,
    pub(super) is_met: bool,
}

impl Comparison {
    pub(super) fn new(what: &str, unit: &'static str, ours: Side, theirs: Side, target: Option<f64>) -> Self {
        let ratio = ours.median / theirs.median;
        let is_met = target.is_none_or(|target| ratio <= target);
        Self { what: what.to_owned(), unit, ours, theirs, ratio, target, is_met }
    }

    /// What is beside what.
    pub(super) fn name(&self) -> String {
        format!("{}: {} / {}", self.what, self.ours.name, self.theirs.name)
    }

    pub(super) fn measured(&self) -> String {
        let Self { unit, ours, theirs, .. } = self;
        format!("{:.2} / {:.2} {unit}, {} ×", ours.median, theirs.median, self.ratio_text())
    }

    /// With as many digits as tell a small one from nothing.
    pub(super) fn ratio_text(&self) -> String {
        if self.ratio < 0.1 { format!("{:.4}", self.ratio) } else { format!("{:.2}", self.ratio) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_sides_have_their_turn_in_each_round() {
        let order = std::cell::RefCell::new(Vec::new());
        let contestant = |name: &'static str, took: f64| {
            let order = &order;
            Contestant::new(name, move || {
                order.borrow_mut().push(name);
                Ok(took)
            })
        };
        let sides = in_turns(vec![contestant("a", 1.0), contestant("b", 2.0)], 3).unwrap();
        assert_eq!(*order.borrow(), ["a", "b", "a", "b", "a", "b"]);
        let shown: Vec<_> = sides.iter().map(|side| (side.name.as_str(), side.median, side.rounds.len())).collect();
        assert_eq!(shown, [("a", 1.0, 3), ("b", 2.0, 3)]);
    }

    #[test]
    fn a_target_is_missed_by_who_takes_more_than_it() {
        let side = |median| Side::new("x", vec![median, 0.0, 1e9]);
        let compare = |ours, target| Comparison::new("x", "µs", side(ours), side(100.0), target);
        assert!(compare(120.0, Some(1.2)).is_met && !compare(121.0, Some(1.2)).is_met);
        assert!(compare(1e6, None).is_met, "there is nothing to miss");
        assert_eq!(compare(50.0, None).measured(), "50.00 / 100.00 µs, 0.50 ×");
        assert_eq!(compare(0.009, None).measured(), "0.01 / 100.00 µs, 0.0001 ×");
    }

    #[test]
    fn who_cannot_be_measured_is_named() {
        let failing = Contestant::new("theirs", || anyhow::bail!("no such program"));
        let said = format!("{:#}", in_turns(vec![failing], 1).unwrap_err());
        assert_eq!(said, "theirs: no such program");
    }
}
