//! A journal that this member has: its own, or an adopted one.

use std::time::Duration;

use lastword_events::JournalName;

use super::MemberSettings;
use crate::{Entry, EntryState, Rules, TakenOver};

/// How far a journal is, and what the registry should say of it. Whatever it says, and however often it is asked, it gets there.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) stage: Stage,
    pub(super) epoch: u64,
    format: u32,
    /// When the registry may be asked again: an answer is due before, or the watch has to say first why it was refused.
    pub(super) asks_at: Duration,
    /// Since when it is served.
    served: Duration,
    /// Tries to take it over that did not succeed.
    tries: u32,
    /// Those of them in which JetStream did not answer.
    unanswered: u32,
    /// Since when, and how often, its stream was not there.
    gone: Option<(Duration, u32)>,
    /// Whether an operator has to decide before anything can be done in it.
    pub(super) is_set_aside: bool,
    /// The registry was made anew, and does not have it yet: what the one before had of it.
    pub(super) enters_again: Option<Entry>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// The own journal, on its way into the registry, or to this run.
    Entering,
    /// The own journal begins, or one is being taken over.
    Opening,
    /// Taking it over did not succeed, or a late fence of another came in between.
    Waiting { until: Duration },
    /// It is written.
    Serving,
    /// Nothing is owed, and the registry does not know yet.
    Emptied,
    /// The stream and the entry are being deleted.
    Discarding { again: Duration },
    /// The registry is to say that nobody has it: that something is owed, that it waits for its node, or why nobody can have it.
    LettingGo(EntryState),
}

/// What a try to take a journal over has led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tried {
    Served,
    Again,
    /// It is tried again, and has failed so often that another may be able to who is elsewhere.
    Unavailable,
    Gone,
    Damaged,
}

impl Kept {
    pub(super) fn new(stage: Stage, format: u32, now: Duration) -> Self {
        Self {
            stage,
            epoch: 0,
            format,
            asks_at: now,
            served: now,
            tries: 0,
            unanswered: 0,
            gone: None,
            is_set_aside: false,
            enters_again: None,
        }
    }

    /// Goes on, and asks the registry at once.
    pub(super) fn turn_to(&mut self, stage: Stage, now: Duration) {
        self.stage = stage;
        self.asks_at = now;
        self.is_set_aside = false;
    }

    pub(super) fn answered(&mut self, again: Duration) {
        self.asks_at = again;
    }

    /// It is written behind the fence `epoch`.
    pub(super) fn serves(&mut self, epoch: u64, now: Duration) {
        self.epoch = epoch;
        self.served = now;
        self.tries = 0;
        self.unanswered = 0;
        self.gone = None;
        self.turn_to(Stage::Serving, now);
    }

    /// A try to take it over has come to an end.
    pub(super) fn tried(&mut self, taken: TakenOver, rules: &Rules, now: Duration) -> Tried {
        let gone = self.gone.take();
        match taken {
            TakenOver::Done { epoch } => {
                self.serves(epoch, now);
                Tried::Served
            }
            TakenOver::Damaged => Tried::Damaged,
            TakenOver::Gone => {
                let (since, answers) = gone.map_or((now, 1), |(since, answers)| (since, answers + 1));
                if answers >= rules.gone_answers && now.saturating_sub(since) >= rules.gone {
                    return Tried::Gone;
                }
                self.gone = Some((since, answers));
                self.stage = Stage::Waiting { until: now + rules.gone / rules.gone_answers.max(2).saturating_sub(1) };
                Tried::Again
            }
            TakenOver::Beaten | TakenOver::Unavailable => {
                self.stage = Stage::Waiting { until: now + rules.pause(self.tries) };
                self.tries = self.tries.saturating_add(1);
                self.unanswered = self.unanswered.saturating_add(u32::from(taken == TakenOver::Unavailable));
                if self.unanswered >= rules.unavailable { Tried::Unavailable } else { Tried::Again }
            }
        }
    }

    /// When whoever has it is not taken any more for one who may die of it.
    pub(super) fn settles_at(&self, rules: &Rules) -> Option<Duration> {
        (self.stage == Stage::Serving).then(|| self.served + rules.settled)
    }

    /// Whether the registry says nothing of the journal that this member has not written.
    pub(super) fn is_as_left(&self, is_own: bool, run: JournalName, name: JournalName, entry: &Entry) -> bool {
        match entry.state {
            EntryState::Active => is_own && entry.active_run(name) == Some(run),
            EntryState::Adopted { by } => !is_own && by == run,
            EntryState::Empty => {
                matches!(self.stage, Stage::Emptied | Stage::Discarding { .. } | Stage::LettingGo(EntryState::Empty))
            }
            state => self.stage == Stage::LettingGo(state),
        }
    }

    /// What the registry should say.
    pub(super) fn wanted(
        &self,
        is_own: bool,
        settings: &MemberSettings,
        known: Option<&Entry>,
        rules: &Rules,
        now: Duration,
    ) -> Entry {
        let state = match self.stage {
            Stage::Emptied | Stage::Discarding { .. } => EntryState::Empty,
            Stage::LettingGo(state) => state,
            _ if is_own => EntryState::Active,
            _ => EntryState::Adopted { by: settings.run },
        };
        let (node, address, run) = match known {
            Some(known) if !is_own => (known.node.clone(), known.address.clone(), known.run),
            _ => (settings.node.clone(), settings.address.clone(), Some(settings.run)),
        };
        let before = known.map_or(0, |known| known.deaths);
        let deaths = match self.stage {
            // It lets go of what it never had.
            Stage::LettingGo(EntryState::Leaving) if self.epoch == 0 => before,
            Stage::Entering | Stage::Opening | Stage::Waiting { .. } => before,
            Stage::Serving if self.settles_at(rules).is_some_and(|at| at > now) => before,
            Stage::Serving | Stage::Emptied | Stage::Discarding { .. } | Stage::LettingGo(_) => 0,
        };
        let epoch = known.map_or(0, |known| known.epoch).max(self.epoch);
        let format = known.map_or(0, |known| known.format).max(self.format);
        Entry { node, address, state, run, epoch, format, deaths }
    }
}
