//! One node's part in the cluster.

mod known;
mod own;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use known::{Known, Verdict};
use lastword_events::JournalName;
use own::{Kept, Stage};

use crate::hearing::Hearing;
use crate::{Action, Cas, Entry, EntryState, Rules, StreamEnd, TakenOver};

/// Who a member is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberSettings {
    /// The name of the own journal, which no other run has had.
    pub name: JournalName,
    /// The node, as its operator calls it.
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
    is_cut_off: bool,
    ticked: Duration,
    next_beat: Duration,
    wakes_at: Duration,
    /// Whatever the registry has.
    journals: BTreeMap<JournalName, Known>,
    /// Of these, and of what is on its way there: what this member has.
    kept: BTreeMap<JournalName, Kept>,
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
    /// Whether this member looks whether to take it.
    pub is_suspected: bool,
}

impl Member {
    /// A member that is about to enter the registry. [`tick`](Self::tick) makes it begin.
    #[must_use]
    pub fn new(settings: MemberSettings, rules: Rules, now: Duration) -> Self {
        let random = fastrand::Rng::with_seed(settings.seed);
        let kept = BTreeMap::from([(settings.name, Kept::new(Stage::Entering, settings.format, now))]);
        Self {
            settings,
            rules,
            random,
            hearing: Hearing::new(now),
            is_cut_off: false,
            ticked: now,
            next_beat: now,
            wakes_at: now,
            journals: BTreeMap::new(),
            kept,
            run: Run::Here,
            actions: VecDeque::new(),
        }
    }

    /// The name of the own journal.
    #[must_use]
    pub fn name(&self) -> JournalName {
        self.settings.name
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
        self.kept.len().saturating_sub(usize::from(self.kept.contains_key(&self.settings.name)))
    }

    /// Whatever is in the registry, by name.
    pub fn journals(&self, now: Duration) -> impl Iterator<Item = Seen<'_>> {
        self.journals.iter().map(move |(&name, known)| Seen {
            name,
            entry: &known.entry,
            revision: known.revision,
            silent: self.silence_of(name, known, now),
            is_suspected: known.is_suspected(),
        })
    }

    /// A heartbeat has arrived: another's, or the own one, which says as much of the connection.
    pub fn heard(&mut self, name: &JournalName, at: Duration) {
        self.hearing.heard(at, self.rules.deaf);
        if let Some(known) = self.journals.get_mut(name) {
            known.heard(at);
        }
        if self.is_cut_off {
            self.is_cut_off = false;
            self.actions.push_back(Action::Connected);
        }
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
            known.answered(again);
        }
        match cas {
            Cas::Done { revision } => self.entry(name, Some(entry.clone()), revision, at),
            Cas::Refused | Cas::Unknown => self.wake(again),
        }
    }

    /// The own journal has begun with this epoch: the answer to [`Action::Begin`].
    pub fn begun(&mut self, epoch: u64, at: Duration) {
        let own = self.settings.name;
        self.serves(own, epoch, at);
    }

    /// The answer to [`Action::TakeOver`].
    pub fn taken(&mut self, name: JournalName, taken: TakenOver, at: Duration) {
        match taken {
            TakenOver::Done { epoch } => self.serves(name, epoch, at),
            TakenOver::Gone => self.emptied(name, at),
            TakenOver::Beaten | TakenOver::Unavailable => self.fenced(name, at),
        }
    }

    /// The stream has refused what was written: another's fence is there. The own journal is over with that. Another's is taken over once
    /// more after a while if the registry still says that it is this member's, because the fence of somebody slow may have come late.
    pub fn fenced(&mut self, name: JournalName, at: Duration) {
        if name == self.settings.name {
            self.lose(name, None, at);
        } else if let Some(kept) = self.kept.get_mut(&name)
            && matches!(kept.stage, Stage::Opening | Stage::Serving)
        {
            kept.stage = Stage::Waiting { until: at + self.rules.again };
            self.wake(at + self.rules.again);
        }
    }

    /// Nothing is owed any more in a journal that this member has.
    pub fn emptied(&mut self, name: JournalName, at: Duration) {
        if let Some(kept) = self.kept.get_mut(&name) {
            kept.turn_to(Stage::Emptied, at);
            self.settle(name, at);
        }
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

    /// The node stops: every journal that it has is for the others from now on, the own one too unless nothing is owed in it
    /// ([`emptied`](Self::emptied), before). What is written there must be on record before. [`Action::Left`] says that the registry has
    /// it; a process that cannot wait for it may go: its silence says the same later.
    pub fn leave(&mut self, at: Duration) {
        if self.run != Run::Here {
            return;
        }
        self.run = Run::Leaving;
        let names: Vec<JournalName> = self.kept.keys().copied().collect();
        for name in names {
            let own = name == self.settings.name;
            let is_known = self.journals.contains_key(&name);
            if let Some(kept) = self.kept.get_mut(&name) {
                match kept.stage {
                    // What is not in the registry, nobody has to be told of.
                    Stage::Entering if own && !is_known => {
                        self.kept.remove(&name);
                    }
                    Stage::Emptied | Stage::Discarding { .. } => {}
                    _ => kept.turn_to(Stage::LettingGo, at),
                }
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
        if !self.is_cut_off && self.hearing.nothing_for(now) > self.rules.silence {
            self.is_cut_off = true;
            self.actions.push_back(Action::CutOff);
        }
        let kept: Vec<JournalName> = self.kept.keys().copied().collect();
        for name in kept {
            self.settle(name, now);
        }
        self.judge_all(now);
    }

    fn wake(&mut self, at: Duration) {
        self.wakes_at = self.wakes_at.min(at);
    }

    /// The journal is this member's, and served.
    fn serves(&mut self, name: JournalName, epoch: u64, at: Duration) {
        if let Some(kept) = self.kept.get_mut(&name)
            && kept.stage == Stage::Opening
        {
            kept.epoch = epoch;
            kept.turn_to(Stage::Serving, at);
            self.settle(name, at);
        }
    }

    /// Compares what the registry has of a journal with what this member makes of it, and does the next thing.
    fn settle(&mut self, name: JournalName, now: Duration) {
        let own = self.settings.name;
        let is_given = self.journals.get(&name).is_some_and(|known| known.is_adopted_by(own));
        if is_given && !self.kept.contains_key(&name) && name != own {
            let stage = if self.run == Run::Here { Stage::Opening } else { Stage::LettingGo };
            self.kept.insert(name, Kept::new(stage, self.settings.format, now));
            if stage == Stage::Opening {
                self.take_over(name);
            }
        }
        if self.kept.contains_key(&name) {
            self.settle_kept(name, now);
        } else {
            self.judge(name, now);
        }
    }

    fn take_over(&mut self, name: JournalName) {
        if let Some(known) = self.journals.get(&name) {
            self.actions.push_back(Action::TakeOver { name, entry: known.entry.clone() });
        }
    }

    fn settle_kept(&mut self, name: JournalName, now: Duration) {
        let own = self.settings.name;
        let known = self.journals.get(&name);
        let Some(kept) = self.kept.get_mut(&name) else { return };
        match known {
            // Not there yet.
            None if kept.stage == Stage::Entering => {}
            None => return self.lose(name, None, now),
            Some(known) => {
                if !kept.is_as_left(name, own, &known.entry.state) {
                    let by = known.entry.keeper(name).filter(|&by| by != name);
                    return self.lose(name, by, now);
                }
            }
        }
        let wanted = kept.wanted(name, &self.settings, known.map(|known| &known.entry));
        if let Some(known) = known
            && known.entry == wanted
        {
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
                self.actions.push_back(Action::Begin);
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
            Stage::LettingGo => {
                self.kept.remove(&name);
                self.leave_when_done();
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
        if name == self.settings.name {
            self.leave(now);
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
        let heard =
            if keeper == name { known.heard_at() } else { self.journals.get(&keeper).and_then(Known::heard_at) };
        let last = since.max(known.kept_since()).max(heard.unwrap_or_default());
        Some(now.saturating_sub(last))
    }

    /// Whether this member may take a further journal.
    fn has_room(&self) -> bool {
        let own = self.kept.get(&self.settings.name);
        self.run == Run::Here
            && own.is_some_and(|own| own.stage == Stage::Serving)
            && self.adopted() < self.rules.most_adopted
    }

    fn judge_all(&mut self, now: Duration) {
        // Most are heard each second; the names of the others are few.
        let others: Vec<JournalName> = self
            .journals
            .iter()
            .filter(|(name, known)| known.needs_a_look(self.silence_of(**name, known, now), &self.rules))
            .map(|(name, _)| *name)
            .collect();
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
        let may_take = self.has_room() && known.entry.format <= self.settings.format;
        let place = if known.needs_a_look(silence, &self.rules) { self.place_for(name, now) } else { 0 };
        let Some(known) = self.journals.get_mut(&name) else { return };
        let verdict = known.judge(silence, place, may_take, &self.rules, &mut self.random, now);
        let (revision, entry) = (known.revision, known.entry.clone());
        match verdict {
            Verdict::Nothing => {}
            Verdict::Later(at) => self.wake(at),
            Verdict::Look => {
                self.actions.push_back(Action::Look { name });
                self.wake(now + self.rules.beat);
            }
            Verdict::Take => {
                let state = EntryState::Adopted { by: self.settings.name };
                let entry = Entry { state, format: entry.format.max(self.settings.format), ..entry };
                self.actions.push_back(Action::Update { name, entry, expected: revision });
                self.wake(now + self.rules.answer);
            }
            Verdict::Clean => {
                self.actions.push_back(Action::Discard { name, revision });
                self.wake(now + self.rules.answer);
            }
        }
    }

    /// How many of those who are here go before this member for that journal, by numbers that the names give. Each member works it out for
    /// itself; two who see others alive try together, and the registry takes one.
    fn place_for(&self, name: JournalName, now: Duration) -> usize {
        let own = self.settings.name;
        let mine = rank(name, own);
        let is_before = |(&other, known): (&JournalName, &Known)| {
            other != own
                && known.entry.state == EntryState::Active
                && self.silence_of(other, known, now).is_some_and(|silence| silence < self.rules.listening())
                && rank(name, other) < mine
                && self.adopted_by(other) < self.rules.most_adopted
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
