//! A journal that the registry has, and what this member thinks of whoever keeps it.

use std::time::Duration;

use lastword_events::JournalName;

use crate::{Cas, Entry, EntryState, Rules, StreamEnd};

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
    /// The last look that was asked for, and the last that was answered.
    asked_at: Option<Duration>,
    answered_at: Duration,
    /// Where the stream ended; 0 where there is none.
    end: Option<u64>,
    /// Whether the last look that was answered found it further than the one before.
    grew: bool,
    /// Since when no look has found it further, up to the last look that came to an end, answered or not.
    quiet: Option<(Duration, Duration)>,
    /// No look before that.
    looks_at: Duration,
    /// When this member's turn is.
    acts_at: Option<Duration>,
    /// The registry was asked for the journal, or has just refused it: nothing before that.
    asked_until: Duration,
    /// What is left of it is being deleted: nothing before that.
    cleaned_until: Duration,
}

/// What a member has found out about whoever has a journal, and what it knows of itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct Evidence {
    /// For how long the keeper is silent; `None` when there is no keeper, or this member hears nothing.
    pub(super) silence: Option<Duration>,
    /// How long the keeper had the journal until then.
    pub(super) had_for: Duration,
    /// For how long JetStream has answered this member.
    pub(super) reached_for: Duration,
    /// How many other members go first.
    pub(super) place: usize,
    /// Whether this member may take the journal.
    pub(super) may_take: bool,
}

/// What to do about a journal.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Nothing,
    Later(Duration),
    /// Its stream is to be looked at.
    Look,
    /// It was not answered: others' streams are to be looked at as well.
    LookAround,
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

    /// Whether this member looks whether to take the journal.
    fn is_doubted(&self) -> bool {
        self.doubt.quiet.is_some()
    }

    /// Whether whoever has the journal seems to be dead. That is said also while nobody takes it for a while, because something in it may be
    /// deadly.
    pub(super) fn is_suspected(&self, silence: Option<Duration>, rules: &Rules) -> bool {
        self.is_doubted() || silence.is_some_and(|silence| silence >= rules.silence)
    }

    pub(super) fn is_adopted_by(&self, member: JournalName) -> bool {
        self.entry.state == EntryState::Adopted { by: member }
    }

    /// A look at its stream has come to an end.
    pub(super) fn looked(&mut self, end: StreamEnd, at: Duration) {
        if self.doubt.asked_at.is_none() {
            // Nobody doubts its keeper: it was asked for on account of another.
            return;
        }
        let sequence = match end {
            StreamEnd::At(sequence) => Some(sequence),
            StreamEnd::Gone => Some(0),
            // Where a stream has no leader nobody writes. But what grew until then may go on.
            StreamEnd::Unanswered => None,
        };
        if let Some(sequence) = sequence {
            self.doubt.answered_at = at;
            self.doubt.grew = self.doubt.end.replace(sequence).is_some_and(|before| before != sequence);
        }
        let since = self.doubt.quiet.filter(|_| !self.doubt.grew).map_or(at, |(since, _)| since);
        self.doubt.quiet = Some((since, at));
    }

    /// The registry has answered, or not. Nothing is asked of it before `again`.
    pub(super) fn answered(&mut self, cas: Cas, again: Duration) {
        self.doubt.asked_until = again;
        if cas == Cas::Unknown {
            // It is still this member's turn.
            self.doubt.acts_at = Some(again);
        }
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
                    || self.is_doubted()
            }
        }
    }

    /// Decides.
    pub(super) fn judge(
        &mut self,
        evidence: Evidence,
        rules: &Rules,
        random: &mut fastrand::Rng,
        now: Duration,
    ) -> Verdict {
        let Evidence { silence, had_for, reached_for, place, may_take } = evidence;
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
        let later = later + rules.patience(self.entry.deaths, had_for);
        let looks_from = rules.listening() + later;
        if silence < looks_from {
            self.doubt = Doubt::default();
            return if silence < rules.listening() {
                Verdict::Nothing
            } else {
                Verdict::Later(now + (looks_from - silence))
            };
        }
        let quiet_for = self.doubt.quiet.map_or(Duration::ZERO, |(since, until)| until.saturating_sub(since));
        let is_dead = reached_for >= rules.still
            && ((quiet_for >= rules.still && silence >= rules.silence + later) || silence >= rules.growing + later);
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
        self.look(now)
    }

    /// A stream that is there again, because somebody has restored it or its servers, is taken.
    fn judge_lost(&mut self, later: Duration, rules: &Rules, random: &mut fastrand::Rng, now: Duration) -> Verdict {
        if self.doubt.end.is_some_and(|end| end > 0) {
            return self.act(now, later, rules.spread, rules, random);
        }
        if self.doubt.looks_at > now {
            return Verdict::Later(self.doubt.looks_at);
        }
        self.doubt.looks_at = now + rules.slowest;
        self.look(now)
    }

    fn look(&mut self, now: Duration) -> Verdict {
        let is_unanswered = self.doubt.asked_at.is_some_and(|asked| asked > self.doubt.answered_at);
        self.doubt.asked_at = Some(now);
        if is_unanswered { Verdict::LookAround } else { Verdict::Look }
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
