//! How the cost of a delivery grows: with the sessions that are active, with the plugins that each is delivered to, and with the
//! tenants that they are of.

use serde::Serialize;

use super::contest::{Contestant, Side, in_turns};
use super::ours::{Kept, Load, Ours};
use crate::rounds::say;

/// The largest load takes as long as all others together, so there are few rounds.
const ROUNDS: usize = 3;
/// What a delivery may take at the largest load, against the load at which it takes the least.
pub(super) const MOST_GROWTH: f64 = 2.0;
/// Sessions while the number of plugins or of tenants changes.
const SESSIONS: u32 = 20_000;

const JOURNALS: [(Kept, &str); 2] = [(Kept::InMemory, "in memory"), (Kept::OnDisk, "on disk")];

/// What a delivery takes in a drain, by one number.
#[derive(Serialize)]
pub(crate) struct Curve {
    pub(super) by: &'static str,
    pub(super) lines: Vec<Line>,
}

/// One of its lines.
#[derive(Serialize)]
pub(crate) struct Line {
    pub(super) name: &'static str,
    /// The number, and what a delivery took there, in µs.
    pub(super) points: Vec<(u32, Side)>,
    growth: f64,
    pub(super) is_met: bool,
}

impl Line {
    fn new(name: &'static str, points: Vec<(u32, Side)>) -> Self {
        let least = points.iter().map(|(_, side)| side.median).fold(f64::INFINITY, f64::min);
        let last = points.last().map_or(least, |(_, side)| side.median);
        let growth = last / least;
        Self { name, points, growth, is_met: growth <= MOST_GROWTH }
    }

    pub(super) fn measured(&self) -> String {
        let shown = self.points.last().map(|(at, side)| format!("{:.2} µs at {at}", side.median));
        format!("{}, {:.1} ×", shown.unwrap_or_default(), self.growth)
    }
}

/// Measures all of them.
///
/// # Errors
/// When not everything is delivered.
pub(super) fn measure(ours: &Ours) -> anyhow::Result<Vec<Curve>> {
    let by_plugins = |at: u32| Load { plugins: usize::try_from(at).unwrap_or(usize::MAX), ..Load::of(SESSIONS) };
    Ok(vec![
        curve(ours, "sessions", &[1_000, 10_000, 100_000, 1_000_000], Load::of)?,
        curve(ours, "plugins", &[1, 2, 5, 10, 20], by_plugins)?,
        curve(ours, "tenants", &[1, 10, 100, 1_000, 10_000], |at| Load { tenants: at, ..Load::of(SESSIONS) })?,
    ])
}

fn curve(ours: &Ours, by: &'static str, numbers: &[u32], load: impl Fn(u32) -> Load) -> anyhow::Result<Curve> {
    say(format!("a delivery in a drain, µs, by the number of {by}:"));
    let mut contestants = Vec::new();
    for (kept, name) in JOURNALS {
        for at in numbers {
            let load = Load { kept, ..load(*at) };
            contestants.push(Contestant::new(format!("{name}, {at} {by}"), move || ours.drain(&load)));
        }
    }
    let mut sides = in_turns(contestants, ROUNDS)?.into_iter();
    let mut line = |name| Line::new(name, numbers.iter().copied().zip(sides.by_ref()).collect());
    let lines = JOURNALS.into_iter().map(|(_, name)| line(name)).collect();
    Ok(Curve { by, lines })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Lines that look like real ones.
    pub(in super::super) fn lines() -> Vec<Line> {
        let points = |least: f64| {
            let point = |(at, more): (u32, f64)| (at, Side::new("x", vec![least + more]));
            [(1_000, 0.0), (1_000_000, 1.0)].into_iter().map(point).collect()
        };
        vec![Line::new("in memory", points(4.0)), Line::new("on disk", points(5.0))]
    }

    #[test]
    fn a_line_is_too_steep_when_the_last_point_costs_more_than_twice_the_cheapest() {
        let line = |medians: &[f64]| {
            let side = |median: &f64| Side::new("x", vec![*median]);
            Line::new("x", (1..).zip(medians.iter().map(side)).collect())
        };
        assert!(line(&[8.0, 4.0, 8.0]).is_met, "the cheapest is not the first");
        assert!(!line(&[8.0, 4.0, 8.1]).is_met);
        assert_eq!(line(&[4.0, 6.0]).measured(), "6.00 µs at 2, 1.5 ×");
    }
}
