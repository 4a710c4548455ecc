//! A journal that the registry has, and what this member thinks of whoever keeps it.

use std::time::Duration;

use lastword_events::JournalName;

use crate::{Entry, EntryState, Rules, StreamEnd};

/// A journal in the registry.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) entry: Entry,
    pub(super) revision: u64,
    /// Since when somebody else has it than before.
    kept_since: Duration,
    doubt: Doubt,
    /// This member could not take it over, and does not try again before that.
    for_others_until: Duration,
}

/// What has been found out since whoever has the journal fell silent.
#[derive(Debug, Default)]
struct Doubt {
    /// Since when every look was answered.
    answered_since: Option<Duration>,
    answered_at: Duration,
    /// Where the stream ended, and since when it ends there; 0 where there is none.
    end: Option<(u64, Duration)>,
    /// No look before that.
    looks_at: Duration,
    /// When this member's turn is.
    acts_at: Option<Duration>,
    /// The registry was asked for the journal, or has just refused it: nothing before that.
    asked_until: Duration,
    /// What is left of it is being deleted: nothing before that.
    cleaned_until: Duration,
}

/// What to do about a journal.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Nothing,
    Later(Duration),
    Look,
    Take,
    Clean,
}

impl Known {
    pub(super) fn new(entry: &Entry, now: Duration) -> Self {
        Self { entry: entry.clone(), revision: 0, kept_since: now, doubt: Doubt::default(), for_others_until: now }
    }

    pub(super) fn replace(&mut self, entry: Entry, revision: u64, now: Duration) {
        if self.entry.state != entry.state || self.entry.run != entry.run {
            self.kept_since = now;
            self.doubt = Doubt::default();
        }
        self.entry = entry;
        self.revision = revision;
    }

    pub(super) fn kept_since(&self) -> Duration {
        self.kept_since
    }

    pub(super) fn leave_to_others(&mut self, until: Duration) {
        self.for_others_until = until;
    }

    pub(super) fn is_for_others(&self, now: Duration) -> bool {
        self.for_others_until > now
    }

    pub(super) fn is_suspected(&self) -> bool {
        self.doubt.answered_since.is_some()
    }

    pub(super) fn is_adopted_by(&self, member: JournalName) -> bool {
        self.entry.state == EntryState::Adopted { by: member }
    }

    pub(super) fn looked(&mut self, end: StreamEnd, at: Duration, rules: &Rules) {
        let sequence = match end {
            StreamEnd::At(sequence) => sequence,
            StreamEnd::Gone => 0,
            // Whoever cannot reach JetStream knows nothing of others who may.
            StreamEnd::Unanswered => {
                self.doubt.answered_since = None;
                self.doubt.end = None;
                return;
            }
        };
        // Whoever stood still in between, or was not connected, may have missed a heartbeat as well.
        if self.doubt.answered_since.is_some() && at.saturating_sub(self.doubt.answered_at) > rules.steady() {
            self.doubt.answered_since = None;
            self.doubt.end = None;
        }
        self.doubt.answered_since.get_or_insert(at);
        self.doubt.answered_at = at;
        if self.doubt.end.is_none_or(|(end, _)| end != sequence) {
            self.doubt.end = Some((sequence, at));
        }
    }

    pub(super) fn answered(&mut self, again: Duration) {
        self.doubt.asked_until = again;
    }

    /// Whether the registry was asked for the journal and has not answered.
    pub(super) fn is_asked_for(&self, now: Duration) -> bool {
        self.doubt.asked_until > now
    }

    /// Whether there is anything to decide.
    pub(super) fn needs_a_look(&self, silence: Option<Duration>, rules: &Rules) -> bool {
        match self.entry.state {
            EntryState::Leaving | EntryState::Lost | EntryState::Empty => true,
            EntryState::Resting | EntryState::Damaged => false,
            EntryState::Active | EntryState::Adopted { .. } => {
                silence.is_some_and(|silence| silence >= rules.listening())
                    || self.doubt.acts_at.is_some()
                    || self.is_suspected()
            }
        }
    }

    /// Decides. `place` is how many other members go first.
    pub(super) fn judge(
        &mut self,
        silence: Option<Duration>,
        place: usize,
        may_take: bool,
        rules: &Rules,
        random: &mut fastrand::Rng,
        now: Duration,
    ) -> Verdict {
        let turn = u32::try_from(place / rules.first.max(1)).unwrap_or(u32::MAX);
        let later = rules.next.saturating_mul(turn);
        match self.entry.state {
            EntryState::Empty => return self.judge_empty(place, rules, now),
            EntryState::Resting | EntryState::Damaged => return Verdict::Nothing,
            EntryState::Active | EntryState::Leaving | EntryState::Adopted { .. } | EntryState::Lost => {}
        }
        if !may_take {
            self.doubt = Doubt::default();
            return Verdict::Nothing;
        }
        if self.doubt.asked_until > now {
            return Verdict::Later(self.doubt.asked_until);
        }
        if self.entry.state == EntryState::Leaving {
            return self.act(now, later, rules.leaving_spread, rules, random);
        }
        if self.entry.state == EntryState::Lost {
            return self.judge_lost(later, rules, random, now);
        }
        // Who hears nothing accuses nobody.
        let Some(silence) = silence else {
            self.doubt = Doubt::default();
            return Verdict::Nothing;
        };
        let later = later + rules.patience(self.entry.deaths);
        let looks_from = rules.listening() + later;
        if silence < looks_from {
            self.doubt = Doubt::default();
            return if silence < rules.listening() {
                Verdict::Nothing
            } else {
                Verdict::Later(now + (looks_from - silence))
            };
        }
        let age = now.saturating_sub(self.doubt.answered_at);
        let is_fresh = self.doubt.answered_since.is_some() && age <= rules.steady();
        let answers_for =
            self.doubt.answered_since.map_or(Duration::ZERO, |since| self.doubt.answered_at.saturating_sub(since));
        let stands_for =
            self.doubt.end.map_or(Duration::ZERO, |(_, since)| self.doubt.answered_at.saturating_sub(since));
        let is_dead = is_fresh
            && answers_for >= rules.still
            && ((stands_for >= rules.still && silence >= rules.silence + later) || silence >= rules.growing + later);
        if is_dead {
            let verdict = self.act(now, Duration::ZERO, rules.spread, rules, random);
            if verdict == Verdict::Take || self.doubt.looks_at > now {
                return verdict;
            }
        } else {
            self.doubt.acts_at = None;
        }
        if self.doubt.looks_at > now {
            return Verdict::Later(self.doubt.looks_at);
        }
        self.doubt.looks_at = now + rules.beat;
        Verdict::Look
    }

    /// A stream that is there again, because somebody has restored it or its servers, is taken.
    fn judge_lost(&mut self, later: Duration, rules: &Rules, random: &mut fastrand::Rng, now: Duration) -> Verdict {
        if self.doubt.end.is_some_and(|(end, _)| end > 0) {
            return self.act(now, later, rules.spread, rules, random);
        }
        if self.doubt.looks_at > now {
            return Verdict::Later(self.doubt.looks_at);
        }
        self.doubt.looks_at = now + rules.slowest;
        Verdict::Look
    }

    /// Acts after a random wait, so that those who think the same do not all ask at once.
    fn act(
        &mut self,
        now: Duration,
        later: Duration,
        spread: Duration,
        rules: &Rules,
        random: &mut fastrand::Rng,
    ) -> Verdict {
        let acts_at = *self.doubt.acts_at.get_or_insert_with(|| now + later + spread.mul_f64(random.f64()));
        if acts_at > now {
            return Verdict::Later(acts_at);
        }
        self.doubt.acts_at = None;
        self.doubt.asked_until = now + rules.answer;
        Verdict::Take
    }

    /// Whoever had it should have deleted it; else the first of the others does.
    fn judge_empty(&mut self, place: usize, rules: &Rules, now: Duration) -> Verdict {
        let turn = u32::try_from(place).unwrap_or(u32::MAX).saturating_add(1);
        let due = (self.kept_since + rules.cleaning.saturating_mul(turn)).max(self.doubt.cleaned_until);
        if due > now {
            return Verdict::Later(due);
        }
        self.doubt.cleaned_until = now + rules.cleaning;
        Verdict::Clean
    }
}
