//! One node's part in the cluster.

mod known;
mod own;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Bound;
use std::time::Duration;

use known::{Evidence, Known, Verdict};
use lastword_events::JournalName;
use own::{Kept, Stage, Tried};

use crate::hearing::Hearing;
use crate::reach::Reach;
use crate::{Action, Behind, Cas, Entry, EntryState, Rules, StreamEnd, TakenOver};

/// For how long a heartbeat is remembered of a run that the registry does not name: its entry may be on its way.
const REMEMBERED: Duration = Duration::from_mins(1);

/// Who a member is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberSettings {
    /// A random name of this process, which no other one has had. A new journal is called the same.
    pub run: JournalName,
    /// The node, as its operator calls it: whoever starts under that name goes on with its journal.
    pub node: String,
    /// Where the node can be reached, for operators.
    pub address: String,
    /// The newest form of records that this program reads, and the one that it writes.
    pub format: u32,
    /// What the random waits are made of: random bits, or in a test a number.
    pub seed: u64,
}

/// One node's part in the cluster: it is told what happened and when, and says what to do.
///
/// Times are durations since any one moment, the same for all calls of a member, of a clock that is never set. No call may be given an
/// earlier time than one before. After each call there may be actions, which [`next_action`](Self::next_action) gives in their order; when
/// [`wakes_at`](Self::wakes_at) is reached, [`tick`](Self::tick) is due.
#[derive(Debug)]
pub struct Member {
    settings: MemberSettings,
    rules: Rules,
    random: fastrand::Rng,
    hearing: Hearing,
    reach: Reach,
    /// No look at streams that are not doubted before that.
    looks_around_at: Duration,
    /// The last heartbeat of each run.
    heard: BTreeMap<JournalName, Duration>,
    forgets_at: Duration,
    is_cut_off: bool,
    ticked: Duration,
    next_beat: Duration,
    wakes_at: Duration,
    /// Whatever the registry has.
    journals: BTreeMap<JournalName, Known>,
    /// Whether that is all that it had when it was read.
    is_listed: bool,
    /// Of these, and of what is on its way there: what this member has.
    kept: BTreeMap<JournalName, Kept>,
    /// The own journal, once it is chosen.
    own: JournalName,
    /// Whether the registry has the epoch of the own journal.
    is_ready: bool,
    /// Whether journals of others may be taken.
    may_adopt: bool,
    run: Run,
    actions: VecDeque<Action>,
}

/// How far the member is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Run {
    /// It serves, or is about to.
    Here,
    /// It lets go of what it has, and takes nothing more.
    Leaving,
    /// It has nothing any more.
    Left,
}

/// What a member knows of a journal.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// The journal.
    pub name: JournalName,
    /// What the registry has of it.
    pub entry: &'a Entry,
    /// The revision of that.
    pub revision: u64,
    /// For how long whoever has it has been silent, as far as this member can tell; `None` when nobody has it, or this member hears nothing.
    pub silent: Option<Duration>,
    /// Whether whoever has it seems to be dead. It need not be anybody's turn to take it yet.
    pub is_suspected: bool,
}

impl Member {
    /// A member that is about to enter the registry. [`listed`](Self::listed) makes it begin.
    #[must_use]
    pub fn new(settings: MemberSettings, rules: Rules, now: Duration) -> Self {
        let random = fastrand::Rng::with_seed(settings.seed);
        Self {
            own: settings.run,
            settings,
            rules,
            random,
            hearing: Hearing::new(now),
            reach: Reach::default(),
            looks_around_at: now,
            heard: BTreeMap::new(),
            forgets_at: now + REMEMBERED,
            is_cut_off: false,
            ticked: now,
            next_beat: now,
            wakes_at: now,
            journals: BTreeMap::new(),
            is_listed: false,
            kept: BTreeMap::new(),
            is_ready: false,
            may_adopt: false,
            run: Run::Here,
            actions: VecDeque::new(),
        }
    }

    /// The name of the own journal: the one that the node had before, or a new one. Before the registry was read it is that of the run.
    #[must_use]
    pub fn name(&self) -> JournalName {
        self.own
    }

    /// The name of this process, under which its heartbeats go out.
    #[must_use]
    pub fn run(&self) -> JournalName {
        self.settings.run
    }

    /// A run that lives and has the journal with which this member wants to go on, and the journal: another node has the same name.
    #[must_use]
    pub fn waits_for(&self) -> Option<(JournalName, JournalName)> {
        let is_waiting = self.kept.get(&self.own).is_some_and(|own| own.stage == Stage::Entering);
        let run = self.journals.get(&self.own).filter(|_| is_waiting)?.entry.active_run(self.own)?;
        (run != self.settings.run).then_some((run, self.own))
    }

    /// What to do next, the oldest first.
    pub fn next_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When [`tick`](Self::tick) is due. Other calls may bring it forward.
    #[must_use]
    pub fn wakes_at(&self) -> Duration {
        self.wakes_at
    }

    /// Whether nothing is heard, not even the own heartbeat.
    #[must_use]
    pub fn is_cut_off(&self) -> bool {
        self.is_cut_off
    }

    /// Journals of others that this member has: those that it serves, and those that it is taking over.
    #[must_use]
    pub fn adopted(&self) -> usize {
        self.kept.len().saturating_sub(usize::from(self.kept.contains_key(&self.own)))
    }

    /// Whatever is in the registry, by name.
    pub fn journals(&self, now: Duration) -> impl Iterator<Item = Seen<'_>> {
        self.journals.iter().map(move |(&name, known)| {
            let silent = self.silence_of(name, known, now);
            let is_suspected = known.is_suspected(silent, &self.rules);
            Seen { name, entry: &known.entry, revision: known.revision, silent, is_suspected }
        })
    }

    /// A heartbeat of a run has arrived: another's, or the own one, which says as much of the connection.
    pub fn heard(&mut self, run: &JournalName, at: Duration) {
        self.hearing.heard(at, self.rules.deaf);
        self.heard.insert(*run, at);
        if self.is_cut_off {
            self.is_cut_off = false;
            self.actions.push_back(Action::Connected);
        }
    }

    /// The registry was read: [`entry`](Self::entry) was called with whatever it had. The member chooses its own journal, and enters.
    pub fn listed(&mut self, at: Duration) {
        self.is_listed = true;
        self.choose(at);
    }

    /// The registry is another one than before, with revisions of its own: somebody has deleted it, and what it had. What this member has
    /// enters again. `listed` comes when it was read.
    pub fn registry_is_new(&mut self, at: Duration) {
        let mut before = std::mem::take(&mut self.journals);
        for (name, kept) in &mut self.kept {
            kept.enters_again = before.remove(name).map(|known| known.entry);
            kept.asks_at = at;
        }
        self.wake(at);
    }

    /// The watch of the registry has an entry, or says that it is deleted (`None`). Older revisions than the one that is known are ignored.
    pub fn entry(&mut self, name: JournalName, entry: Option<Entry>, revision: u64, at: Duration) {
        if self.journals.get(&name).is_some_and(|known| known.revision >= revision) {
            return;
        }
        match entry {
            Some(entry) => {
                let known = self.journals.entry(name).or_insert_with(|| Known::new(&entry, at));
                known.replace(entry, revision, at);
            }
            None => {
                self.journals.remove(&name);
            }
        }
        self.settle(name, at);
    }

    /// The answer to [`Action::Look`].
    pub fn stream(&mut self, name: &JournalName, end: StreamEnd, at: Duration) {
        if end != StreamEnd::Unanswered {
            self.reach.answered(at, self.rules.steady());
        }
        if let Some(known) = self.journals.get_mut(name) {
            known.looked(end, at);
            self.judge(*name, at);
        }
    }

    /// The answer to [`Action::Update`].
    pub fn answered(&mut self, name: JournalName, entry: &Entry, cas: Cas, at: Duration) {
        let again = at + self.rules.again;
        if let Some(kept) = self.kept.get_mut(&name) {
            kept.answered(again);
        }
        if let Some(known) = self.journals.get_mut(&name) {
            known.answered(cas, again);
        }
        match cas {
            Cas::Done { revision } => self.entry(name, Some(entry.clone()), revision, at),
            Cas::Refused | Cas::Unknown => self.wake(again),
        }
    }

    /// The own journal has begun with this epoch: the answer to [`Action::Begin`].
    pub fn begun(&mut self, epoch: u64, at: Duration) {
        self.taken(self.own, TakenOver::Done { epoch }, at);
    }

    /// From now on journals of others may be taken.
    pub fn adopts(&mut self, at: Duration) {
        self.may_adopt = true;
        self.judge_all(at);
    }

    /// The answer to [`Action::TakeOver`]. Gives whether the journal is this member's and served; whatever was begun to serve it has to stop
    /// if not.
    pub fn taken(&mut self, name: JournalName, taken: TakenOver, at: Duration) -> bool {
        let is_own = name == self.own;
        let Some(kept) = self.kept.get_mut(&name).filter(|kept| kept.stage == Stage::Opening) else { return false };
        let has_begun = self.journals.get(&name).is_some_and(|known| known.entry.epoch > 0);
        match kept.tried(taken, &self.rules, at) {
            // It waits for this member, whatever others can do about it.
            Tried::Unavailable if is_own => {}
            Tried::Unavailable => {
                kept.turn_to(Stage::LettingGo(EntryState::Leaving), at);
                if let Some(known) = self.journals.get_mut(&name) {
                    known.leave_to_others(at + self.rules.slowest);
                }
            }
            Tried::Served | Tried::Again => {}
            Tried::Damaged => kept.turn_to(Stage::LettingGo(EntryState::Damaged), at),
            Tried::Gone if has_begun => kept.turn_to(Stage::LettingGo(EntryState::Lost), at),
            // Whoever made the entry has not begun, and had told nobody that it was there.
            Tried::Gone if is_own => self.actions.push_back(Action::Begin { name }),
            Tried::Gone => kept.turn_to(Stage::Emptied, at),
        }
        let is_over = is_own && matches!(kept.stage, Stage::LettingGo(_));
        self.settle(name, at);
        if is_over {
            self.leave(Behind::Owed, at);
        }
        self.kept.get(&name).is_some_and(|kept| kept.stage == Stage::Serving)
    }

    /// The stream has refused what was written: another's fence is there. The own journal is over with that. Another's is taken over once
    /// more after a while if the registry still says that it is this member's, because the fence of somebody slow may have come late.
    ///
    /// `epoch` is the one behind which it was written, here and in [`rests`](Self::rests), [`set_aside`](Self::set_aside) and
    /// [`emptied`](Self::emptied): what is said of a journal that this member has let go of says nothing of the same journal, taken anew.
    pub fn fenced(&mut self, name: JournalName, epoch: u64, at: Duration) {
        let (is_own, until) = (name == self.own, at + self.rules.again);
        let Some(kept) = self.serving(name, epoch) else { return };
        if is_own {
            self.lose(name, None, at);
        } else {
            kept.stage = Stage::Waiting { until };
            kept.is_set_aside = false;
            self.wake(until);
        }
    }

    /// Nothing is owed any more in a journal that this member has, but plugins have stored something in it: it waits for its node.
    pub fn rests(&mut self, name: JournalName, epoch: u64, at: Duration) {
        if let Some(kept) = self.serving(name, epoch) {
            kept.turn_to(Stage::LettingGo(EntryState::Resting), at);
            self.settle(name, at);
        }
    }

    /// In a journal of another that this member serves an operator has to decide before anything is done, or not any more. Such a journal
    /// leaves room for others.
    pub fn set_aside(&mut self, name: JournalName, epoch: u64, is_set_aside: bool) {
        if let Some(kept) = self.serving(name, epoch) {
            kept.is_set_aside = is_set_aside;
        }
    }

    /// Nothing is owed any more in a journal that this member has, and nothing else is in it.
    pub fn emptied(&mut self, name: JournalName, epoch: u64, at: Duration) {
        if let Some(kept) = self.serving(name, epoch) {
            kept.turn_to(Stage::Emptied, at);
            self.settle(name, at);
        }
    }

    /// A journal that this member writes behind that epoch.
    fn serving(&mut self, name: JournalName, epoch: u64) -> Option<&mut Kept> {
        self.kept.get_mut(&name).filter(|kept| kept.stage == Stage::Serving && kept.epoch == epoch)
    }

    /// The answer to [`Action::Discard`].
    pub fn discarded(&mut self, name: JournalName, is_done: bool, at: Duration) {
        if is_done {
            self.kept.remove(&name);
            self.journals.remove(&name);
            self.leave_when_done();
        } else {
            self.wake(at + self.rules.again);
        }
    }

    /// The node stops: every journal that it has is for the others from now on, and the own one is as `behind` says. What is written there
    /// must be on record before. [`Action::Left`] says that the registry has it; a process that cannot wait for it may go: its silence says
    /// the same later.
    pub fn leave(&mut self, behind: Behind, at: Duration) {
        if self.run != Run::Here {
            return;
        }
        self.run = Run::Leaving;
        let names: Vec<JournalName> = self.kept.keys().copied().collect();
        for name in names {
            let is_own = name == self.own;
            let is_ours = self.journals.get(&name).is_some_and(|known| {
                let Entry { state, .. } = known.entry;
                known.entry.active_run(name) == Some(self.settings.run) || state == EntryState::Empty
            });
            let Some(kept) = self.kept.get_mut(&name) else { continue };
            match (kept.stage, behind) {
                // What the registry does not know to be ours, nobody has to be told of.
                (Stage::Entering, _) if !is_ours => drop(self.kept.remove(&name)),
                (Stage::Emptied | Stage::Discarding { .. } | Stage::LettingGo(_), _) => {}
                (_, Behind::Successor) if is_own => drop(self.kept.remove(&name)),
                // Its stream may be being made just now: what is deleted at once could be there again.
                (Stage::Opening, Behind::Nothing) if is_own => kept.turn_to(Stage::LettingGo(EntryState::Empty), at),
                (_, Behind::Nothing) if is_own => kept.turn_to(Stage::Emptied, at),
                (_, Behind::Values) if is_own => kept.turn_to(Stage::LettingGo(EntryState::Resting), at),
                _ => kept.turn_to(Stage::LettingGo(EntryState::Leaving), at),
            }
            self.settle(name, at);
        }
        self.leave_when_done();
    }

    /// The time has come to look at everything.
    pub fn tick(&mut self, now: Duration) {
        if now.saturating_sub(self.ticked) > self.rules.deaf {
            self.hearing.was_stopped();
        }
        self.ticked = now;
        if self.run == Run::Left {
            self.wakes_at = Duration::MAX;
            return;
        }
        if now >= self.next_beat {
            self.actions.push_back(Action::Beat);
            // A beat that is missed is not made up for.
            self.next_beat = (self.next_beat + self.rules.beat).max(now + self.rules.beat / 2);
        }
        self.wakes_at = self.next_beat;
        self.forget_silent_runs(now);
        if !self.is_cut_off && self.hearing.nothing_for(now) > self.rules.silence {
            self.is_cut_off = true;
            self.actions.push_back(Action::CutOff);
        }
        let kept: Vec<JournalName> = self.kept.keys().copied().collect();
        for name in kept {
            self.settle(name, now);
        }
        self.choose(now);
        self.judge_all(now);
    }

    fn wake(&mut self, at: Duration) {
        self.wakes_at = self.wakes_at.min(at);
    }

    /// Beats of runs that nothing names any more say nothing.
    fn forget_silent_runs(&mut self, now: Duration) {
        if now < self.forgets_at {
            return;
        }
        self.forgets_at = now + REMEMBERED;
        let named: BTreeSet<JournalName> =
            self.journals.iter().filter_map(|(name, known)| known.entry.keeper(*name)).collect();
        self.heard.retain(|run, heard| named.contains(run) || now.saturating_sub(*heard) < REMEMBERED);
    }

    /// Chooses the own journal: the newest of this node's name that a program like this one may read, else a new one.
    fn choose(&mut self, now: Duration) {
        if self.run != Run::Here || !self.is_listed || self.is_ready || self.kept.contains_key(&self.own) {
            return;
        }
        let mine = self.journals.iter().filter(|(_, known)| self.is_choosable(&known.entry));
        let newest = mine.max_by_key(|(_, known)| known.revision).map(|(name, _)| *name);
        self.own = newest.unwrap_or(self.settings.run);
        if newest.is_none() && self.journals.contains_key(&self.own) {
            // This run's entry was written and not answered, and others have dealt with it meanwhile: they delete whatever has its name.
            return self.leave(Behind::Successor, now);
        }
        self.kept.insert(self.own, Kept::new(Stage::Entering, self.settings.format, now));
        self.settle(self.own, now);
    }

    fn is_choosable(&self, entry: &Entry) -> bool {
        entry.node == self.settings.node && entry.format <= self.settings.format && entry.state.goes_on()
    }

    /// Compares what the registry has of a journal with what this member makes of it, and does the next thing.
    fn settle(&mut self, name: JournalName, now: Duration) {
        let run = self.settings.run;
        let is_given = self.journals.get(&name).is_some_and(|known| known.is_adopted_by(run));
        if is_given && !self.kept.contains_key(&name) && name != self.own {
            let stage = if self.run == Run::Here { Stage::Opening } else { Stage::LettingGo(EntryState::Leaving) };
            self.kept.insert(name, Kept::new(stage, self.settings.format, now));
            if stage == Stage::Opening {
                self.take_over(name);
            }
        }
        match self.kept.get(&name).map(|kept| kept.stage) {
            Some(Stage::Entering) => self.enter(name, now),
            Some(_) => self.settle_kept(name, now),
            None => self.judge(name, now),
        }
    }

    /// The own journal is on its way into the registry, or to this run.
    fn enter(&mut self, name: JournalName, now: Duration) {
        let is_new = name == self.settings.run;
        match self.journals.get(&name) {
            None if is_new => {}
            Some(known) if self.is_choosable(&known.entry) => {
                let other = known.entry.active_run(name).filter(|&run| run != self.settings.run);
                // Whoever has it under this name may live.
                if other.is_some() && self.silence_of(name, known, now).is_none_or(|silent| silent < self.rules.rejoin)
                {
                    return self.wake(now + self.rules.beat / 4);
                }
            }
            // Somebody was faster, or it is none to go on with any more.
            _ => {
                self.kept.remove(&name);
                return self.choose(now);
            }
        }
        self.settle_kept(name, now);
    }

    fn take_over(&mut self, name: JournalName) {
        if let Some(known) = self.journals.get(&name) {
            self.actions.push_back(Action::TakeOver { name, entry: known.entry.clone() });
        }
    }

    fn settle_kept(&mut self, name: JournalName, now: Duration) {
        let (is_own, run) = (name == self.own, self.settings.run);
        let known = self.journals.get(&name);
        let Some(kept) = self.kept.get_mut(&name) else { return };
        match known {
            // Not there yet.
            None if kept.stage == Stage::Entering || kept.enters_again.is_some() => {}
            None => return self.lose(name, None, now),
            Some(_) if kept.stage == Stage::Entering => {}
            Some(known) => {
                if !kept.is_as_left(is_own, run, name, &known.entry) {
                    let by = known.entry.keeper(name);
                    return self.lose(name, by, now);
                }
                kept.enters_again = None;
            }
        }
        let before = known.map(|known| &known.entry).or(kept.enters_again.as_ref());
        let wanted = kept.wanted(is_own, &self.settings, before, &self.rules, now);
        if let Some(known) = known
            && known.entry == wanted
        {
            if known.entry.deaths > 0
                && let Some(at) = kept.settles_at(&self.rules)
            {
                self.wakes_at = self.wakes_at.min(at);
            }
            return self.confirmed(name, known.revision, now);
        }
        if now >= kept.asks_at {
            kept.asks_at = now + self.rules.answer;
            let expected = known.map_or(0, |known| known.revision);
            self.actions.push_back(Action::Update { name, entry: wanted, expected });
        }
        let asks_at = kept.asks_at;
        self.wake(asks_at);
    }

    /// The registry says what this member wants it to say.
    fn confirmed(&mut self, name: JournalName, revision: u64, now: Duration) {
        let Some(kept) = self.kept.get_mut(&name) else { return };
        match kept.stage {
            Stage::Entering => {
                kept.stage = Stage::Opening;
                if name == self.settings.run {
                    self.actions.push_back(Action::Begin { name });
                } else {
                    self.take_over(name);
                }
            }
            Stage::Waiting { until } if now >= until => {
                kept.stage = Stage::Opening;
                self.take_over(name);
            }
            Stage::Waiting { until } => self.wake(until),
            Stage::Emptied => {
                kept.stage = Stage::Discarding { again: now + self.rules.answer };
                self.actions.push_back(Action::Discard { name, revision });
                self.wake(now + self.rules.answer);
            }
            Stage::Discarding { again } if now >= again => {
                kept.stage = Stage::Discarding { again: now + self.rules.answer };
                self.actions.push_back(Action::Discard { name, revision });
            }
            Stage::Discarding { again } => self.wake(again),
            Stage::LettingGo(_) => {
                self.kept.remove(&name);
                self.leave_when_done();
            }
            Stage::Serving if name == self.own && !self.is_ready => {
                self.is_ready = true;
                self.actions.push_back(Action::Ready);
            }
            Stage::Opening | Stage::Serving => {}
        }
    }

    /// A journal is another's. With the own one this run is over: what it has adopted is for the others.
    fn lose(&mut self, name: JournalName, by: Option<JournalName>, now: Duration) {
        let Some(kept) = self.kept.remove(&name) else { return };
        if matches!(kept.stage, Stage::Opening | Stage::Serving | Stage::Waiting { .. }) {
            self.actions.push_back(Action::Drop { name, by });
        }
        if name == self.own {
            self.leave(Behind::Successor, now);
        }
        self.leave_when_done();
    }

    fn leave_when_done(&mut self) {
        if self.run == Run::Leaving && self.kept.is_empty() {
            self.run = Run::Left;
            self.actions.push_back(Action::Left);
        }
    }

    /// For how long whoever has the journal has been silent.
    fn silence_of(&self, name: JournalName, known: &Known, now: Duration) -> Option<Duration> {
        let keeper = known.entry.keeper(name)?;
        let since = self.hearing.since(now, self.rules.deaf)?;
        let heard = self.heard.get(&keeper).copied().unwrap_or_default();
        let last = since.max(known.kept_since()).max(heard);
        Some(now.saturating_sub(last))
    }

    /// Whether this member may take this journal as well.
    fn has_room_for(&self, name: JournalName, now: Duration) -> bool {
        let is_serving = self.kept.get(&self.own).is_some_and(|own| own.stage == Stage::Serving);
        let aside = self.kept.values().filter(|kept| kept.is_set_aside).count().min(self.rules.most_set_aside);
        let is_asked_for = |(other, known): &(&JournalName, &Known)| {
            **other != name && known.is_asked_for(now) && !self.kept.contains_key(other)
        };
        let asked_for = self.journals.iter().filter(is_asked_for).count();
        self.run == Run::Here
            && self.may_adopt
            && is_serving
            && self.adopted().saturating_sub(aside) + asked_for < self.rules.most_adopted
    }

    fn judge_all(&mut self, now: Duration) {
        // Most are heard each second; the names of the others are few.
        let (mut others, mut looks_at) = (Vec::new(), Duration::MAX);
        for (&name, known) in &self.journals {
            let silence = self.silence_of(name, known, now);
            if known.needs_a_look(silence, &self.rules) {
                others.push(name);
            } else if let Some(silence) = silence.filter(|&silence| silence > self.rules.steady()) {
                // Whoever waits for the next heartbeat of its own looks up to a second late.
                looks_at = looks_at.min(now + self.rules.listening().saturating_sub(silence));
            }
        }
        self.wake(looks_at);
        for name in others {
            self.judge(name, now);
        }
    }

    /// Decides what to do about a journal that is not this member's.
    fn judge(&mut self, name: JournalName, now: Duration) {
        if self.kept.contains_key(&name) {
            return;
        }
        let Some(known) = self.journals.get(&name) else { return };
        let silence = self.silence_of(name, known, now);
        let may_take =
            self.has_room_for(name, now) && known.entry.format <= self.settings.format && !known.is_for_others(now);
        let place = if known.needs_a_look(silence, &self.rules) { self.place_for(name, now) } else { 0 };
        let had_for = self.had_for(name, known);
        let reached_for = self.reach.lasts(now, self.rules.steady());
        let evidence = Evidence { silence, had_for, reached_for, place, may_take };
        let Some(known) = self.journals.get_mut(&name) else { return };
        let verdict = known.judge(evidence, &self.rules, &mut self.random, now);
        let (revision, entry) = (known.revision, known.entry.clone());
        match verdict {
            Verdict::Nothing => {}
            Verdict::Later(at) => self.wake(at),
            Verdict::Look => {
                self.actions.push_back(Action::Look { name });
                self.wake(now + self.rules.beat);
            }
            Verdict::LookAround => {
                self.actions.push_back(Action::Look { name });
                // Once for all whose streams do not answer.
                if now >= self.looks_around_at {
                    self.looks_around_at = now + self.rules.beat;
                    let witnesses = self.witnesses(now);
                    self.actions.extend(witnesses.into_iter().map(|name| Action::Look { name }));
                }
                self.wake(now + self.rules.beat);
            }
            Verdict::Take => {
                let state = EntryState::Adopted { by: self.settings.run };
                let fell_silent = entry.keeper(name).is_some();
                let deaths = entry.deaths.saturating_add(u32::from(fell_silent));
                let entry = Entry { state, deaths, format: entry.format.max(self.settings.format), ..entry };
                self.actions.push_back(Action::Update { name, entry, expected: revision });
                self.wake(now + self.rules.answer);
            }
            Verdict::Clean => {
                self.actions.push_back(Action::Discard { name, revision });
                self.wake(now + self.rules.answer);
            }
        }
    }

    /// How long whoever has the journal had it until it was last heard, as far as this member knows: no longer than it was.
    fn had_for(&self, name: JournalName, known: &Known) -> Duration {
        let heard = known.entry.keeper(name).and_then(|keeper| self.heard.get(&keeper)).copied().unwrap_or_default();
        heard.saturating_sub(known.kept_since())
    }

    /// Journals whose streams have leaders, as a rule: the own one, and those of the next ones in the names' order whose nodes are heard.
    fn witnesses(&self, now: Duration) -> Vec<JournalName> {
        let is_heard = |(name, known): &(&JournalName, &Known)| {
            known.entry.state == EntryState::Active
                && self.silence_of(**name, known, now).is_some_and(|silence| silence < self.rules.listening())
        };
        let behind = self.journals.range((Bound::Excluded(self.own), Bound::Unbounded));
        let around = behind.chain(self.journals.range(..self.own));
        let others = around.filter(is_heard).map(|(&name, _)| name).take(self.rules.witnesses);
        std::iter::once(self.own).chain(others).collect()
    }

    /// How many of those who are here go before this member for that journal, by numbers that the names give. Each member works it out for
    /// itself; two who see others alive try together, and the registry takes one.
    fn place_for(&self, name: JournalName, now: Duration) -> usize {
        let own = self.settings.run;
        let mine = rank(name, own);
        let format = self.journals.get(&name).map_or(0, |known| known.entry.format);
        let is_before = |(&other, known): (&JournalName, &Known)| {
            known.entry.active_run(other).is_some_and(|run| {
                run != own
                    // Its own journal has the form that its program writes.
                    && known.entry.format >= format
                    && self.silence_of(other, known, now).is_some_and(|silence| silence < self.rules.listening())
                    && rank(name, run) < mine
                    && self.adopted_by(run) < self.rules.most_adopted
            })
        };
        self.journals.iter().filter(|&pair| is_before(pair)).count()
    }

    fn adopted_by(&self, other: JournalName) -> usize {
        self.journals.values().filter(|known| known.is_adopted_by(other)).count()
    }
}

/// A number that depends on both names: FNV-1a, whose bits are mixed once more because the names' ends differ most.
fn rank(journal: JournalName, member: JournalName) -> u64 {
    let bytes = journal.as_str().bytes().chain(std::iter::once(b'/')).chain(member.as_str().bytes());
    let hash =
        bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    (hash ^ (hash >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}
