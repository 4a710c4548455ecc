//! Suggests limits for a plugin from its measured use.

use std::time::Duration;

use lastword::Limits;
use lastword_sandbox::default_fuel;

use super::judge::{CaseResult, Verdict};
use lastword_config::units::{show_count, write_bytes};

/// Real events differ from the samples, and a new compiler makes different code. The headroom is larger if the deadline
/// leaves time for more, because the deadline should be the limit that cuts.
const LEAST_FUEL_HEADROOM: u128 = 10;
/// Memory grows in steps, and with the plugin's input.
const MEMORY_HEADROOM: u64 = 2;
/// Machines differ, and servers even more.
const TIME_HEADROOM: u32 = 10;
const LEAST_FUEL: u64 = 1_000_000;
const LEAST_MEMORY: u64 = 1 << 20;
const LEAST_TIME: Duration = Duration::from_millis(100);

/// The largest measured use, and the limits for the configuration.
#[derive(Debug)]
pub(super) struct Advice {
    pub(super) fuel_used: u64,
    pub(super) peak_memory: u64,
    /// The part of it that the host kept.
    pub(super) host_memory: u64,
    pub(super) active: Duration,
    pub(super) fuel: u64,
    pub(super) memory: u64,
    pub(super) deadline: Duration,
}

/// Returns the advice. `None` if no call of the plugin returned an answer.
pub(super) fn of(results: &[CaseResult], limits: &Limits) -> Option<Advice> {
    let answered = results.iter().filter(|result| !matches!(result.verdict, Verdict::Failed(_)));
    let reports: Vec<_> = answered.flat_map(CaseResult::reports).collect();
    let fuel_used = reports.iter().map(|report| report.fuel_used).max()?;
    let (peak_memory, host_memory) = reports.iter().map(|report| (report.peak_memory, report.host_memory)).max()?;
    let active = reports.iter().map(|report| report.active).max()?;
    // At least the default time: a busy machine is no mistake of the plugin.
    let deadline = (active * TIME_HEADROOM).max(LEAST_TIME).max(limits.deadline);
    Some(Advice {
        fuel_used,
        peak_memory,
        host_memory,
        active,
        fuel: fuel(fuel_used, active, deadline),
        memory: peak_memory.saturating_mul(MEMORY_HEADROOM).max(LEAST_MEMORY).next_multiple_of(1 << 20),
        deadline: Duration::from_millis(round_up(u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX))),
    })
}

impl Advice {
    /// Returns the limits for `lastword.toml`.
    pub(super) fn toml(&self) -> String {
        format!(
            "limits = {{ fuel = {}, memory = \"{}\", deadline = \"{}ms\" }}",
            show_count(self.fuel),
            write_bytes(self.memory),
            self.deadline.as_millis()
        )
    }
}

/// Returns the fuel of a call that runs until its deadline at the rate of ours, which ran for `active`.
fn fuel(used: u64, active: Duration, deadline: Duration) -> u64 {
    let times = deadline.as_nanos() / active.as_nanos().max(1);
    let fuel = u128::from(used).saturating_mul(times.max(LEAST_FUEL_HEADROOM));
    let most = default_fuel(deadline).max(used);
    round_up(u64::try_from(fuel).unwrap_or(u64::MAX).max(LEAST_FUEL).min(most))
}

/// Rounds up to 1, 2 or 5 times a power of ten.
fn round_up(number: u64) -> u64 {
    let mut power: u64 = 1;
    loop {
        for digit in [1, 2, 5] {
            match power.checked_mul(digit) {
                Some(round) if round >= number => return round,
                Some(_) => (),
                None => return u64::MAX,
            }
        }
        power = power.saturating_mul(10);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deadline_is_what_cuts_and_not_the_fuel() {
        let (ms, s) = (Duration::from_millis, Duration::from_secs(1));
        for (used, active, deadline, advised) in [
            // A hundred times the time is within the deadline, so the fuel is a hundred times as much.
            (1_000_000, ms(5), ms(500), 100_000_000),
            (1_000_000, ms(100), s, 10_000_000),
            // Machines differ, whatever the deadline is.
            (1_000_000, ms(400), ms(500), 10_000_000),
            // At most the default, unless the plugin needs more.
            (1_000_000_000, ms(1), ms(500), 100_000_000_000),
            (3_000_000_000_000, ms(500), ms(500), 5_000_000_000_000),
            (10, Duration::ZERO, ms(500), 5_000_000_000),
            (0, ms(1), ms(500), LEAST_FUEL),
        ] {
            assert_eq!(fuel(used, active, deadline), advised, "{used} in {active:?} of {deadline:?}");
        }
    }

    #[test]
    fn numbers_are_rounded_to_what_people_write() {
        for (number, round) in [(0, 1), (1, 1), (3, 5), (11, 20), (167_410, 200_000), (u64::MAX, u64::MAX)] {
            assert_eq!(round_up(number), round);
        }
    }
}
