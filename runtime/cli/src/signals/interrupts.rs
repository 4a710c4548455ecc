//! The meaning of a Ctrl-C for a program that an agent has started.

use std::time::Instant;

use super::received::Received;
use crate::limits::{INTERRUPT_LEADS_TO_END, SECOND_INTERRUPT};

/// The receiver of a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// The owner decides.
    TheOwners,
    /// The signal begins the drain.
    Ours,
}

/// Interrupts from the terminal while we serve. A terminal sends Ctrl-C to its whole foreground process group, so it
/// reaches the owner as well. Agents take the first one as "cancel this turn" and continue. Whether it is the end, the
/// owner shows by closing our stdin or not.
#[derive(Debug)]
pub(super) struct Interrupts {
    /// Whether stdin is a pipe or a socket that has not ended.
    owner_holds_stdin: bool,
    last: Option<Instant>,
}

impl Interrupts {
    pub(super) fn new(owner_holds_stdin: bool) -> Self {
        Self { owner_holds_stdin, last: None }
    }

    /// Returns the receiver of this signal. Remembers an interrupt from the terminal.
    pub(super) fn meaning(&mut self, signal: Received) -> Meaning {
        if !signal.by_terminal || !self.owner_holds_stdin {
            return Meaning::Ours;
        }
        match self.last.replace(signal.at) {
            Some(last) if signal.at.saturating_duration_since(last) <= SECOND_INTERRUPT => Meaning::Ours,
            _ => Meaning::TheOwners,
        }
    }

    /// Reports that no owner holds stdin from now on. Returns whether the last interrupt was recent enough to be the
    /// reason.
    pub(super) fn input_ended(&mut self, at: Instant) -> bool {
        self.owner_holds_stdin = false;
        self.last.is_some_and(|last| at.saturating_duration_since(last) <= INTERRUPT_LEADS_TO_END)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn interrupt(at: Instant, by_terminal: bool) -> Received {
        Received { name: "SIGINT", at, by_terminal }
    }

    #[test]
    fn a_terminals_is_the_owners_unless_another_one_came_within_2_s_before_it() {
        let mut interrupts = Interrupts::new(true);
        let begin = Instant::now();
        let expected =
            [(0, Meaning::TheOwners), (2_001, Meaning::TheOwners), (4_002, Meaning::TheOwners), (6_002, Meaning::Ours)];
        for (at, meaning) in expected {
            assert_eq!(interrupts.meaning(interrupt(begin + at * MS, true)), meaning, "after {at} ms");
        }
    }

    #[test]
    fn one_that_a_process_sent_is_ours_and_so_is_every_one_when_nobody_holds_stdin() {
        let now = Instant::now();
        assert_eq!(Interrupts::new(true).meaning(interrupt(now, false)), Meaning::Ours);
        assert_eq!(Interrupts::new(false).meaning(interrupt(now, true)), Meaning::Ours);
        let mut ended = Interrupts::new(true);
        ended.input_ended(now);
        assert_eq!(ended.meaning(interrupt(now, true)), Meaning::Ours);
    }

    #[test]
    fn one_that_a_process_sent_is_no_first_half_of_a_pair() {
        let mut interrupts = Interrupts::new(true);
        let now = Instant::now();
        interrupts.meaning(interrupt(now, false));
        assert_eq!(interrupts.meaning(interrupt(now + MS, true)), Meaning::TheOwners);
    }

    #[test]
    fn the_end_of_stdin_belongs_to_an_interrupt_for_5_s_and_then_it_is_forgotten() {
        let begin = Instant::now();
        for (after, belongs) in [(0, true), (5_000, true), (5_001, false)] {
            let mut interrupts = Interrupts::new(true);
            interrupts.meaning(interrupt(begin, true));
            assert_eq!(interrupts.input_ended(begin + after * MS), belongs, "after {after} ms");
        }
        assert!(!Interrupts::new(true).input_ended(begin), "there was none");
    }
}
