//! Members on a network and a registry that lose nothing and take no time, except what a test takes away.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use lastword_events::JournalName;

use super::{Member, MemberSettings};
use crate::{Action, Behind, Cas, Entry, EntryState, Rules, StreamEnd, TakenOver};

/// Time goes on in steps of this.
const STEP: Duration = Duration::from_millis(20);

fn name(number: usize) -> JournalName {
    let number = u8::try_from(number).unwrap();
    JournalName::from_random([b'n', number, number / 36, 0, 0, 0, 0, 0])
}

fn secs(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

/// The name of a node's second run, and so on.
fn run_of(number: usize, run: u16) -> JournalName {
    let number = u8::try_from(number).unwrap();
    // A name has 36 letters.
    let [low, high] = [run % 36, run / 36].map(|part| u8::try_from(part).unwrap());
    JournalName::from_random([b'r', number, low, high, 0, 0, 0, 0])
}

/// The run of a node of this format. The first one is called as the journal that it makes.
fn member(number: usize, run: JournalName, format: u32, now: Duration) -> Member {
    let seed = u64::try_from(number).unwrap();
    let settings = MemberSettings { run, node: format!("n{number}"), address: String::new(), format, seed };
    let mut member = Member::new(settings, Rules::default(), now);
    member.adopts(now);
    member
}

struct Node {
    member: Member,
    runs: u16,
    is_dead: bool,
    /// Neither says nor hears anything, and no JetStream answers.
    is_cut_off: bool,
    /// Its heartbeats do not arrive; everything else does.
    is_mute: bool,
    /// Its process stands still. What it is told meanwhile it hears later.
    is_stopped: bool,
    missed: BTreeSet<JournalName>,
    /// What it was told to do, but for beats, looks and updates.
    told: Vec<Action>,
}

impl Node {
    fn new(member: Member, runs: u16) -> Self {
        Self {
            member,
            runs,
            is_dead: false,
            is_cut_off: false,
            is_mute: false,
            is_stopped: false,
            missed: BTreeSet::new(),
            told: Vec::new(),
        }
    }
}

struct World {
    now: Duration,
    nodes: Vec<Node>,
    registry: BTreeMap<JournalName, (Entry, u64)>,
    revision: u64,
    streams: BTreeMap<JournalName, u64>,
    growing: BTreeSet<JournalName>,
    /// JetStream has no leader.
    has_no_leader: bool,
    /// These streams have none.
    leaderless: BTreeSet<JournalName>,
    /// The registry has none.
    has_no_registry: bool,
    /// Who waits for the leader of a stream, to write a fence.
    opening: Vec<(JournalName, usize)>,
    /// Answers to updates are lost, though they are carried out.
    loses_answers: bool,
    beats_others: usize,
    /// No stream can be read.
    is_damaged: bool,
    /// The node that no stream answers.
    unable: Option<usize>,
    /// How often a journal was to be taken over.
    tries: usize,
    /// Who took which journal over, and when.
    taken: Vec<(JournalName, usize, Duration)>,
}

impl World {
    fn new(nodes: usize) -> Self {
        Self::of_formats(&vec![1; nodes])
    }

    fn of_formats(formats: &[u32]) -> Self {
        let node = |(number, &format): (usize, &u32)| {
            let mut member = member(number, name(number), format, Duration::ZERO);
            member.listed(Duration::ZERO);
            Node::new(member, 1)
        };
        let mut world = Self {
            now: Duration::ZERO,
            nodes: formats.iter().enumerate().map(node).collect(),
            registry: BTreeMap::new(),
            revision: 0,
            streams: BTreeMap::new(),
            growing: BTreeSet::new(),
            has_no_leader: false,
            leaderless: BTreeSet::new(),
            has_no_registry: false,
            opening: Vec::new(),
            loses_answers: false,
            beats_others: 0,
            is_damaged: false,
            unable: None,
            tries: 0,
            taken: Vec::new(),
        };
        world.run(8.0);
        for number in 0..formats.len() {
            assert_eq!(world.state(number), Some(EntryState::Active), "{number} serves");
            assert_eq!(std::mem::take(&mut world.nodes[number].told), [Action::Ready]);
        }
        world
    }

    /// The process of a node is gone, and another one begins under its name.
    fn restart(&mut self, number: usize) {
        self.nodes[number].is_dead = true;
        self.start_another(number, number);
    }

    /// Another process begins under the name of a node. It stands where the node `at` stood.
    fn start_another(&mut self, number: usize, at: usize) {
        let now = self.now;
        let runs = self.nodes[number].runs + 1;
        let mut member = member(number, run_of(number, runs), 1, now);
        for (&journal, (entry, revision)) in &self.registry {
            member.entry(journal, Some(entry.clone()), *revision, now);
        }
        member.listed(now);
        self.nodes[at] = Node::new(member, runs);
    }

    fn state(&self, number: usize) -> Option<EntryState> {
        self.registry.get(&name(number)).map(|(entry, _)| entry.state)
    }

    /// The newest epoch that the registry was told of.
    fn epoch(&self, number: usize) -> u64 {
        self.registry[&name(number)].0.epoch
    }

    /// Who has adopted the journal of that node.
    fn adopter(&self, number: usize) -> Option<usize> {
        let Some(EntryState::Adopted { by }) = self.state(number) else { return None };
        (0..self.nodes.len()).find(|&other| self.nodes[other].member.run() == by)
    }

    fn run(&mut self, seconds: f64) {
        let end = self.now + secs(seconds);
        while self.now < end {
            self.now += STEP;
            for journal in self.growing.difference(&self.leaderless) {
                *self.streams.get_mut(journal).unwrap() += 1;
            }
            let waiting = std::mem::take(&mut self.opening);
            for (journal, number) in waiting {
                self.take_over(journal, number);
            }
            for number in 0..self.nodes.len() {
                let node = &mut self.nodes[number];
                if node.is_stopped {
                    continue;
                }
                if !node.is_dead && node.member.wakes_at() <= self.now {
                    node.member.tick(self.now);
                }
                self.act(number);
                let node = &mut self.nodes[number];
                for name in std::mem::take(&mut node.missed) {
                    node.member.heard(&name, self.now);
                }
            }
        }
    }

    /// Carries out what a node asks for.
    fn act(&mut self, number: usize) {
        while !self.nodes[number].is_dead
            && let Some(action) = self.nodes[number].member.next_action()
        {
            let now = self.now;
            let answers = !self.nodes[number].is_cut_off && !self.has_no_leader;
            match action {
                Action::Beat => self.beat(number),
                Action::Look { name } => {
                    let end = self.streams.get(&name).map_or(StreamEnd::Gone, |&last| StreamEnd::At(last));
                    let end = if answers && !self.leaderless.contains(&name) { end } else { StreamEnd::Unanswered };
                    self.nodes[number].member.stream(&name, end, now);
                }
                Action::Update { name, entry, expected } => {
                    let has = self.registry.get(&name).map_or(0, |(_, revision)| *revision);
                    let cas = match (answers && !self.has_no_registry, has == expected) {
                        (false, _) => Cas::Unknown,
                        (true, false) => Cas::Refused,
                        (true, true) => {
                            self.write(name, Some(&entry));
                            Cas::Done { revision: self.revision }
                        }
                    };
                    let cas = if self.loses_answers { Cas::Unknown } else { cas };
                    self.nodes[number].member.answered(name, &entry, cas, now);
                }
                Action::Begin { name } => {
                    self.streams.insert(name, 1);
                    self.nodes[number].member.begun(1, now);
                }
                Action::TakeOver { name, .. } => {
                    self.tries += 1;
                    self.take_over(name, number);
                }
                Action::Discard { name, revision } => {
                    let is_done = answers && self.registry.get(&name).is_some_and(|(_, has)| *has == revision);
                    if is_done {
                        self.streams.remove(&name);
                        self.write(name, None);
                    }
                    self.nodes[number].member.discarded(name, is_done, now);
                }
                Action::Ready | Action::Drop { .. } | Action::CutOff | Action::Connected | Action::Left => {
                    self.nodes[number].told.push(action);
                }
            }
        }
    }

    /// A node writes a fence, or waits for the stream's leader.
    fn take_over(&mut self, name: JournalName, number: usize) {
        if self.nodes[number].is_dead {
            return;
        }
        if self.leaderless.contains(&name) {
            self.opening.push((name, number));
            return;
        }
        let answers = !self.nodes[number].is_cut_off && !self.has_no_leader;
        let taken = match self.streams.get_mut(&name) {
            _ if !answers || self.unable == Some(number) => TakenOver::Unavailable,
            _ if self.is_damaged => TakenOver::Damaged,
            None => TakenOver::Gone,
            Some(_) if self.beats_others > 0 => {
                self.beats_others -= 1;
                TakenOver::Beaten
            }
            Some(last) => {
                *last += 1;
                self.taken.push((name, number, self.now));
                TakenOver::Done { epoch: *last }
            }
        };
        self.nodes[number].member.taken(name, taken, self.now);
    }

    fn beat(&mut self, number: usize) {
        let (now, is_mute, run) = (self.now, self.nodes[number].is_mute, self.nodes[number].member.run());
        if self.nodes[number].is_cut_off {
            return;
        }
        for (other, node) in self.nodes.iter_mut().enumerate() {
            if node.is_dead || node.is_cut_off || (is_mute && other != number) {
                continue;
            }
            if node.is_stopped {
                node.missed.insert(run);
            } else {
                node.member.heard(&run, now);
            }
        }
    }

    /// Writes an entry, and everybody's watch has it.
    fn write(&mut self, journal: JournalName, entry: Option<&Entry>) {
        self.revision += 1;
        match entry {
            Some(entry) => self.registry.insert(journal, (entry.clone(), self.revision)),
            None => self.registry.remove(&journal),
        };
        for node in self.nodes.iter_mut().filter(|node| !node.is_dead && !node.is_cut_off) {
            node.member.entry(journal, entry.cloned(), self.revision, self.now);
        }
    }

    /// A watch that comes back brings what it has missed.
    fn reconnect(&mut self, number: usize) {
        self.nodes[number].is_cut_off = false;
        for (&journal, (entry, revision)) in &self.registry {
            self.nodes[number].member.entry(journal, Some(entry.clone()), *revision, self.now);
        }
    }
}

#[test]
fn one_survivor_takes_a_dead_nodes_journal_when_it_was_silent_for_six_seconds() {
    let mut world = World::new(5);
    world.nodes[2].is_dead = true;
    let died = world.now;
    world.run(5.0);
    assert_eq!(world.state(2), Some(EntryState::Active), "nobody is dead after 5 s");
    // It may have been silent for up to a second before.
    world.run(3.2);
    let [(journal, by, at)] = world.taken[..] else { panic!("{:?}", world.taken) };
    assert_eq!((journal, Some(by)), (name(2), world.adopter(2)));
    assert!(at - died >= secs(5.0) && at - died <= secs(6.6), "{:?}", at - died);
    let (entry, _) = &world.registry[&name(2)];
    assert_eq!((entry.node.as_str(), entry.epoch), ("n2", 2), "whose it was, and the new fence");
    assert!(world.nodes.iter().all(|node| node.told.is_empty()), "nobody else has to stop anything");
}

#[test]
fn a_node_that_stands_still_for_less_than_five_seconds_keeps_its_journal() {
    let mut world = World::new(4);
    for _ in 0..5 {
        world.nodes[1].is_mute = true;
        world.run(4.9);
        world.nodes[1].is_mute = false;
        world.run(2.0);
    }
    assert!(world.taken.is_empty(), "{:?}", world.taken);
}

#[test]
fn a_silent_node_whose_stream_grows_has_twenty_seconds() {
    let mut world = World::new(4);
    world.growing.insert(name(1));
    world.nodes[1].is_mute = true;
    world.run(19.0);
    assert!(world.taken.is_empty(), "{:?}", world.taken);
    world.run(4.0);
    let adopter = world.adopter(1).expect("somebody has it");
    assert_eq!(world.nodes[1].told, [Action::Drop { name: name(1), by: Some(name(adopter)) }, Action::Left]);
}

#[test]
fn who_hears_nothing_accuses_nobody_and_says_so() {
    let mut world = World::new(3);
    for node in &mut world.nodes[1..] {
        node.is_cut_off = true;
    }
    world.nodes[0].is_cut_off = true;
    world.run(30.0);
    for number in 0..3 {
        assert_eq!(world.nodes[number].told, [Action::CutOff], "{number}");
        world.reconnect(number);
    }
    world.run(30.0);
    assert!(world.taken.is_empty(), "{:?}", world.taken);
    assert!(world.nodes.iter().all(|node| node.told == [Action::CutOff, Action::Connected]));
}

#[test]
fn who_hears_only_itself_needs_jetstream_to_accuse_and_time_to_hear_the_others_again() {
    let mut world = World::new(3);
    // A server that is apart from the two others: it has heartbeats of its own clients, and no quorum.
    for node in &mut world.nodes {
        node.is_mute = true;
    }
    world.has_no_leader = true;
    world.run(60.0);
    assert!(world.taken.is_empty());
    world.has_no_leader = false;
    // JetStream is back a whole heartbeat before the others can be heard.
    world.run(1.0);
    for node in &mut world.nodes {
        node.is_mute = false;
    }
    world.run(20.0);
    assert!(world.taken.is_empty(), "{:?}", world.taken);
}

#[test]
fn without_a_leader_of_jetstream_a_journal_is_taken_soon_after_there_is_one() {
    let mut world = World::new(4);
    world.nodes[3].is_dead = true;
    world.has_no_leader = true;
    world.run(9.0);
    assert!(world.taken.is_empty());
    world.has_no_leader = false;
    world.run(5.0);
    assert_eq!(world.taken.len(), 1, "{:?}", world.taken);
}

#[test]
fn a_stream_without_a_leader_has_its_adopter_before_it_has_a_leader() {
    // When its leader is lost, counted from the death: before anybody looks, between two looks, or when it is taken.
    for lost in [0.0, 4.3, 5.9] {
        let mut world = World::new(6);
        world.nodes[3].is_dead = true;
        world.run(lost);
        // A server dies: others have no leader either.
        world.leaderless.extend([name(3), name(4)]);
        // As long as an election takes at least; longer if nobody has looked yet.
        world.run(6.0 + (4.0 - lost).max(0.0));
        let adopter = world.adopter(3).unwrap_or_else(|| panic!("nobody has it, {lost}"));
        assert!(world.taken.is_empty() && !world.nodes[adopter].is_dead, "{:?}", world.taken);
        world.leaderless.clear();
        world.run(0.1);
        assert_eq!(world.taken.len(), 1, "{:?}", world.taken);
    }
}

#[test]
fn a_registry_without_a_leader_is_asked_each_second() {
    for number in 0..6 {
        let mut world = World::new(6);
        world.nodes[number].is_dead = true;
        world.has_no_registry = true;
        world.run(9.0);
        world.has_no_registry = false;
        world.run(1.1);
        assert_eq!(world.taken.len(), 1, "of {number}");
    }
}

#[test]
fn a_silent_node_whose_stream_grew_until_it_lost_its_leader_has_twenty_seconds_as_well() {
    let mut world = World::new(4);
    world.growing.insert(name(1));
    world.nodes[1].is_mute = true;
    world.run(5.2);
    world.leaderless.insert(name(1));
    world.run(8.0);
    world.leaderless.clear();
    world.run(5.0);
    assert!(world.taken.is_empty() && world.adopter(1).is_none(), "{:?}", world.taken);
}

#[test]
fn the_journals_of_a_node_that_leaves_are_taken_at_once_and_it_may_go() {
    let mut world = World::new(4);
    world.nodes[0].is_dead = true;
    world.run(9.0);
    let adopter = world.adopter(0).unwrap();
    world.taken.clear();
    let now = world.now;
    world.nodes[adopter].member.leave(Behind::Owed, now);
    world.run(0.5);
    assert_eq!(world.nodes[adopter].told, [Action::Left]);
    let mut taken: Vec<JournalName> = world.taken.iter().map(|(journal, ..)| *journal).collect();
    taken.sort_unstable();
    let mut both = [name(0), name(adopter)];
    both.sort_unstable();
    assert_eq!(taken, both, "its own, and the one that it had adopted");
    world.nodes[adopter].is_dead = true;
    world.run(20.0);
    assert_eq!(world.taken.len(), 2, "and they stay where they are");
}

#[test]
fn a_node_that_leaves_nothing_behind_leaves_no_trace() {
    let mut world = World::new(3);
    let now = world.now;
    world.nodes[1].member.leave(Behind::Nothing, now);
    world.run(0.1);
    assert_eq!(world.nodes[1].told, [Action::Left]);
    assert_eq!(world.state(1), None);
    assert!(!world.streams.contains_key(&name(1)));
    world.run(20.0);
    assert!(world.taken.is_empty());
}

#[test]
fn with_an_adopter_its_journals_go_on_to_others() {
    let mut world = World::new(4);
    world.nodes[0].is_dead = true;
    world.run(9.0);
    let adopter = world.adopter(0).unwrap();
    world.nodes[adopter].is_dead = true;
    world.run(12.0);
    assert!(world.adopter(adopter).is_some());
    assert_eq!(world.adopter(0), Some(adopter), "two fell silent that had it: the next one waits for a while");
    world.run(120.0);
    for number in [0, adopter] {
        let by = world.adopter(number).unwrap();
        assert!(!world.nodes[by].is_dead, "{number} is adopted by {by}");
    }
    assert_eq!(world.taken.len(), 3, "{:?}", world.taken);
}

#[test]
fn the_journals_of_many_dead_nodes_are_spread_over_the_survivors() {
    let mut world = World::new(24);
    for node in &mut world.nodes[..12] {
        node.is_dead = true;
    }
    world.run(15.0);
    let mut of_each = BTreeMap::new();
    for number in 0..12 {
        *of_each.entry(world.adopter(number).expect("each is adopted")).or_insert(0_usize) += 1;
    }
    assert!(of_each.values().all(|&count| count <= 4) && of_each.len() >= 6, "{of_each:?}");
}

#[test]
fn a_member_has_no_more_journals_than_it_may() {
    let most = Rules::default().most_adopted;
    let mut world = World::new(most + 3);
    for node in &mut world.nodes[1..] {
        node.is_dead = true;
    }
    world.run(40.0);
    assert_eq!(world.nodes[0].member.adopted(), most);
    let done = (1..).find(|&number| world.adopter(number) == Some(0)).unwrap();
    let (now, epoch) = (world.now, world.epoch(done));
    world.nodes[0].member.emptied(name(done), epoch, now);
    world.run(6.0);
    assert_eq!(world.nodes[0].member.adopted(), most, "the next one has its turn");
    assert_eq!(
        (world.state(done), world.streams.contains_key(&name(done))),
        (None, false),
        "of this one nothing is left"
    );
}

#[test]
fn what_an_adopter_could_not_delete_another_deletes() {
    let mut world = World::new(3);
    let (mut entry, _) = world.registry[&name(2)].clone();
    world.nodes[2].is_dead = true;
    entry.state = EntryState::Empty;
    world.write(name(2), Some(&entry));
    world.run(59.0);
    assert_eq!(world.state(2), Some(EntryState::Empty));
    world.run(2.5);
    assert_eq!((world.state(2), world.streams.contains_key(&name(2))), (None, false));
    assert!(world.taken.is_empty());
}

#[test]
fn a_program_leaves_journals_alone_whose_records_it_may_not_know() {
    let mut world = World::of_formats(&[1, 1, 2, 2]);
    world.nodes[2].is_dead = true;
    world.run(12.0);
    assert_eq!(world.adopter(2), Some(3));
    world.nodes[0].is_dead = true;
    world.run(12.0);
    if world.adopter(0) == Some(3) {
        assert_eq!(world.registry[&name(0)].0.format, 2, "what a new program has written to is not for old ones");
    }
    world.nodes[3].is_dead = true;
    world.run(30.0);
    assert_eq!(world.adopter(2), Some(3), "it waits for a newer program");
}

#[test]
fn who_does_not_know_a_journals_records_is_waited_for_by_nobody() {
    let mut formats = [1; 24];
    // Of those who may take it two are left, behind most others.
    (formats[5], formats[11], formats[17]) = (2, 2, 2);
    for dead in [5, 11, 17] {
        let mut world = World::of_formats(&formats);
        world.nodes[dead].is_dead = true;
        world.run(8.2);
        assert!(world.adopter(dead).is_some_and(|by| formats[by] == 2), "{:?}", world.taken);
    }
}

#[test]
fn an_answer_that_is_lost_changes_nothing() {
    let mut world = World::new(3);
    world.loses_answers = true;
    world.nodes[1].is_dead = true;
    world.run(12.0);
    assert_eq!(world.taken.len(), 1, "{:?}", world.taken);
    assert!(world.adopter(1).is_some());
}

#[test]
fn the_registry_says_who_tries_again_when_a_late_fence_was_first() {
    let mut world = World::new(3);
    world.beats_others = 2;
    world.nodes[1].is_dead = true;
    world.run(12.0);
    assert_eq!(world.taken.len(), 1, "{:?}", world.taken);
    let (journal, by, _) = world.taken[0];
    let (now, epoch) = (world.now, world.epoch(1));
    world.nodes[by].member.fenced(journal, epoch, now);
    world.run(1.1);
    assert_eq!(world.taken.len(), 2, "the one whom the registry names takes it back");
}

#[test]
fn an_own_journal_that_is_fenced_ends_the_run_and_gives_away_what_it_had() {
    let mut world = World::new(4);
    world.nodes[0].is_dead = true;
    world.run(9.0);
    let adopter = world.adopter(0).unwrap();
    let (now, epoch) = (world.now, world.epoch(adopter));
    world.nodes[adopter].member.fenced(name(adopter), epoch, now);
    world.run(1.0);
    assert_eq!(world.nodes[adopter].told, [Action::Drop { name: name(adopter), by: None }, Action::Left]);
    assert_ne!(world.adopter(0), Some(adopter));
    world.run(9.0);
    assert!(world.adopter(adopter).is_some_and(|by| by != adopter), "its silence says the rest");
}

#[test]
fn whoever_was_stopped_does_not_believe_its_clock() {
    let mut world = World::new(2);
    let stopped = world.now + secs(60.0);
    world.nodes[0].member.tick(stopped);
    let asked: Vec<Action> = std::iter::from_fn(|| world.nodes[0].member.next_action()).collect();
    assert!(asked.iter().all(|action| matches!(action, Action::Beat | Action::CutOff)), "{asked:?}");
}

#[test]
fn what_a_member_has_missed_itself_it_blames_on_nobody() {
    let mut world = World::new(2);
    for step in 0..40 {
        // The one is silent for 3.8 s and heard for 1.2 s, and the other stands still, or has no connection, for 2.4 s of 3 s.
        world.nodes[1].is_mute = step % 25 < 19;
        world.nodes[0].is_stopped = step % 15 < 12;
        world.run(0.2);
        assert!(world.taken.is_empty(), "{:?} at {step}", world.taken);
    }
    let mut world = World::new(2);
    for step in 0..40 {
        world.nodes[1].is_mute = step % 25 < 19;
        world.nodes[0].is_cut_off = step % 15 < 12;
        world.run(0.2);
        assert!(world.taken.is_empty(), "{:?} at {step}", world.taken);
    }
}

#[test]
fn a_run_whose_entry_others_have_dealt_with_is_over_before_it_begins() {
    let settings = MemberSettings { run: name(5), node: "n5".into(), address: String::new(), format: 1, seed: 5 };
    let mut member = Member::new(settings, Rules::default(), Duration::ZERO);
    member.listed(secs(0.1));
    let asked: Vec<Action> = std::iter::from_fn(|| member.next_action()).collect();
    let [Action::Update { name, entry, expected: 0 }] = &asked[..] else { panic!("{asked:?}") };
    member.answered(*name, entry, Cas::Unknown, secs(2.1));
    // It was written all the same, and the others found no stream.
    let empty = Entry { state: EntryState::Empty, ..entry.clone() };
    member.entry(*name, Some(empty), 7, secs(10.0));
    let asked: Vec<Action> = std::iter::from_fn(|| member.next_action()).collect();
    assert_eq!(asked, [Action::Left]);
}

#[test]
fn operators_see_who_is_silent() {
    let mut world = World::new(3);
    world.nodes[1].is_dead = true;
    world.run(4.5);
    let seen: Vec<_> = world.nodes[0].member.journals(world.now).collect();
    assert_eq!(seen.len(), 3);
    let silent = seen.iter().find(|seen| seen.name == name(1)).unwrap();
    assert!(silent.silent.is_some_and(|silent| silent > secs(3.5)) && silent.entry.node == "n1");
    assert!(
        seen.iter().filter(|seen| seen.name != name(1)).all(|seen| seen.silent < Some(secs(1.5)) && !seen.is_suspected)
    );
}

/// Whoever looks at the list must not take a node for alive because the others wait with taking its journal.
#[test]
fn operators_see_a_dead_node_as_suspected_while_the_others_wait() {
    let mut world = World::new(3);
    world.nodes[1].is_dead = true;
    world.run(12.0);
    assert!(world.adopter(1).is_some());
    world.restart(1);
    world.run(5.0);
    world.nodes[1].is_dead = true;
    for _ in 0..10 {
        world.run(7.0);
        assert_eq!(world.state(1), Some(EntryState::Active), "nobody takes it for two minutes");
        let mut seen = world.nodes[0].member.journals(world.now);
        assert!(seen.any(|seen| seen.name == name(1) && seen.is_suspected));
    }
}

#[test]
fn a_node_that_starts_again_goes_on_with_its_journal_and_is_heard_under_its_new_run() {
    let mut world = World::new(3);
    world.restart(1);
    world.run(2.8);
    assert!(world.taken.is_empty(), "whoever has it may live");
    world.run(1.0);
    let [(journal, by, _)] = world.taken[..] else { panic!("{:?}", world.taken) };
    assert_eq!((journal, by, world.nodes[1].member.name()), (name(1), 1, name(1)));
    let (entry, _) = &world.registry[&name(1)];
    assert_eq!((entry.state, entry.run, entry.epoch), (EntryState::Active, Some(run_of(1, 2)), 2));
    assert_eq!(world.nodes[1].told, [Action::Ready]);
    world.run(60.0);
    assert_eq!((world.taken.len(), world.registry.len()), (1, 3), "{:?}", world.taken);
}

#[test]
fn a_node_that_starts_again_takes_its_journal_back_from_whoever_has_adopted_it() {
    let mut world = World::new(3);
    world.nodes[1].is_dead = true;
    world.run(9.0);
    let adopter = world.adopter(1).unwrap();
    world.restart(1);
    world.run(0.2);
    assert_eq!(world.state(1), Some(EntryState::Active));
    assert_eq!(world.nodes[1].told, [Action::Ready], "it does not wait for anybody");
    assert_eq!(world.nodes[adopter].told, [Action::Drop { name: name(1), by: Some(run_of(1, 2)) }]);
    world.run(30.0);
    assert_eq!(world.taken.len(), 2, "{:?}", world.taken);
}

#[test]
fn a_second_node_of_the_same_name_waits_as_long_as_the_first_one_lives() {
    let mut world = World::new(3);
    world.nodes[2].is_dead = true;
    world.start_another(1, 2);
    world.run(30.0);
    assert_eq!(world.nodes[2].member.waits_for(), Some((name(1), name(1))));
    assert!(world.nodes[1].told.is_empty() && world.nodes[2].told.is_empty());
    world.nodes[1].is_dead = true;
    world.run(4.5);
    assert_eq!((world.nodes[2].told.as_slice(), world.nodes[2].member.name()), (&[Action::Ready][..], name(1)));
}

#[test]
fn a_process_that_stood_still_does_not_keep_the_journal_alive_that_the_next_one_has() {
    let mut world = World::new(4);
    // The first process of node 1 stands still, the second one takes its journal, and then the first one goes on.
    world.nodes[1].is_mute = true;
    world.nodes[3].is_dead = true;
    world.start_another(1, 3);
    world.run(4.5);
    assert_eq!(world.nodes[3].told, [Action::Ready]);
    assert_eq!(world.nodes[1].told, [Action::Drop { name: name(1), by: Some(run_of(1, 2)) }, Action::Left]);
    world.taken.clear();
    world.nodes[3].is_dead = true;
    for _ in 0..140 {
        // Some old process goes on to beat under the first run's name.
        let now = world.now;
        for node in [0, 2] {
            world.nodes[node].member.heard(&name(1), now);
        }
        world.run(1.0);
    }
    assert!(world.taken.iter().any(|&(journal, ..)| journal == name(1)), "{:?}", world.taken);
}

#[test]
fn what_a_node_leaves_for_its_successor_is_not_touched_until_it_is_late() {
    let mut world = World::new(3);
    let now = world.now;
    world.nodes[1].member.leave(Behind::Successor, now);
    world.run(0.1);
    assert_eq!(world.nodes[1].told, [Action::Left]);
    world.nodes[1].is_dead = true;
    world.run(2.0);
    assert_eq!(world.state(1), Some(EntryState::Active));
    world.restart(1);
    world.run(10.0);
    assert_eq!(world.state(1), Some(EntryState::Active));
    assert_eq!(world.taken.len(), 1, "{:?}", world.taken);
}

#[test]
fn a_journal_with_stored_values_waits_for_its_node_and_counts_for_nobody() {
    let mut world = World::new(3);
    let now = world.now;
    world.nodes[1].member.leave(Behind::Values, now);
    world.run(0.1);
    assert_eq!(world.nodes[1].told, [Action::Left]);
    assert_eq!(world.state(1), Some(EntryState::Resting));
    world.nodes[1].is_dead = true;
    world.run(3_600.0);
    assert!(world.taken.is_empty() && world.streams.contains_key(&name(1)));
    world.restart(1);
    world.run(0.2);
    assert_eq!((world.state(1), world.nodes[1].told.as_slice()), (Some(EntryState::Active), &[Action::Ready][..]));
}

#[test]
fn an_adopted_journal_with_stored_values_is_put_to_rest_and_its_adopter_goes_on() {
    let mut world = World::new(3);
    world.nodes[1].is_dead = true;
    world.run(9.0);
    let adopter = world.adopter(1).unwrap();
    let (now, epoch) = (world.now, world.epoch(1));
    world.nodes[adopter].member.rests(name(1), epoch, now);
    world.run(60.0);
    assert_eq!((world.state(1), world.nodes[adopter].member.adopted()), (Some(EntryState::Resting), 0));
    assert!(world.nodes[adopter].told.is_empty() && world.taken.len() == 1);
    // An operator gives it up.
    let (entry, _) = world.registry[&name(1)].clone();
    assert!(entry.state.may_be_given_up());
    world.write(name(1), Some(&Entry { state: EntryState::Empty, ..entry }));
    world.run(180.0);
    assert_eq!((world.state(1), world.streams.contains_key(&name(1))), (None, false));
}

#[test]
fn what_is_said_of_a_journal_that_was_let_go_of_says_nothing_of_the_same_journal_taken_anew() {
    let mut world = World::new(2);
    world.nodes[1].is_dead = true;
    world.run(9.0);
    let before = world.epoch(1);
    // Its node is back, has something to do again, and dies: the same member adopts the journal a second time.
    world.restart(1);
    world.run(1.0);
    assert_eq!(world.state(1), Some(EntryState::Active));
    world.nodes[1].is_dead = true;
    // Somebody fell silent with it before.
    world.run(140.0);
    let (now, epoch) = (world.now, world.epoch(1));
    assert!(world.adopter(1) == Some(0) && epoch > before);
    let member = &mut world.nodes[0].member;
    member.set_aside(name(1), before, true);
    member.emptied(name(1), before, now);
    member.rests(name(1), before, now);
    member.fenced(name(1), before, now);
    world.run(5.0);
    assert_eq!((world.adopter(1), world.streams.contains_key(&name(1)), world.epoch(1)), (Some(0), true, epoch));
    // Nor is it heard while the journal is being taken over again.
    world.beats_others = 1;
    let now = world.now;
    world.nodes[0].member.fenced(name(1), epoch, now);
    world.nodes[0].member.emptied(name(1), epoch, now);
    world.run(5.0);
    assert_eq!((world.adopter(1), world.streams.contains_key(&name(1))), (Some(0), true));
    let (now, epoch) = (world.now, world.epoch(1));
    world.nodes[0].member.emptied(name(1), epoch, now);
    world.run(1.0);
    assert_eq!((world.state(1), world.streams.contains_key(&name(1))), (None, false));
}

#[test]
fn one_answer_that_there_is_no_stream_is_not_believed() {
    let mut world = World::new(3);
    world.nodes[1].is_dead = true;
    let last = world.streams.remove(&name(1)).unwrap();
    world.run(9.0);
    let adopter = world.adopter(1).unwrap();
    world.streams.insert(name(1), last);
    world.run(6.0);
    assert_eq!(world.taken.len(), 1, "it is there, and was taken");
    assert_eq!(world.adopter(1), Some(adopter));
}

#[test]
fn a_journal_whose_stream_is_gone_is_lost_and_nothing_of_it_is_deleted() {
    let mut world = World::new(3);
    world.nodes[1].is_dead = true;
    let last = world.streams.remove(&name(1)).unwrap();
    world.run(25.0);
    assert_eq!(world.state(1), Some(EntryState::Lost));
    assert_eq!(world.registry[&name(1)].0.epoch, 1);
    world.run(3_600.0);
    assert_eq!(world.state(1), Some(EntryState::Lost), "an operator should know");
    // The servers are restored.
    world.streams.insert(name(1), last);
    world.run(310.0);
    assert_eq!(world.taken.len(), 1, "{:?}", world.taken);
}

#[test]
fn a_node_whose_stream_is_gone_says_so_and_begins_anew_at_its_next_start() {
    let mut world = World::new(3);
    world.streams.remove(&name(1));
    world.restart(1);
    world.run(20.0);
    assert_eq!(world.state(1), Some(EntryState::Lost));
    assert_eq!(world.nodes[1].told, [Action::Left]);
    world.restart(1);
    world.run(1.0);
    assert_eq!(world.nodes[1].told, [Action::Ready]);
    assert_eq!(world.nodes[1].member.name(), world.nodes[1].member.run());
}

#[test]
fn an_entry_without_a_stream_that_never_began_begins() {
    let mut world = World::new(3);
    let (entry, _) = world.registry[&name(1)].clone();
    world.nodes[1].is_dead = true;
    world.streams.remove(&name(1));
    world.write(name(1), Some(&Entry { epoch: 0, ..entry }));
    world.restart(1);
    world.run(16.0);
    assert_eq!((world.nodes[1].told.as_slice(), world.nodes[1].member.name()), (&[Action::Ready][..], name(1)));
    assert!(world.streams.contains_key(&name(1)));
}

#[test]
fn a_damaged_journal_is_left_as_it_is() {
    let mut world = World::new(3);
    world.is_damaged = true;
    world.nodes[1].is_dead = true;
    world.run(600.0);
    assert_eq!((world.state(1), world.tries), (Some(EntryState::Damaged), 1));
    assert!(world.streams.contains_key(&name(1)));
}

#[test]
fn a_take_over_that_fails_again_and_again_is_tried_less_and_less() {
    let mut world = World::new(3);
    world.beats_others = usize::MAX;
    world.nodes[1].is_dead = true;
    world.run(3_600.0);
    assert!((15..=24).contains(&world.tries), "{} tries in an hour, with a fence each", world.tries);
    world.beats_others = 0;
    world.run(300.0);
    assert_eq!(world.taken.len(), 1);
}

#[test]
fn what_is_deadly_in_a_journal_does_not_go_through_all_nodes() {
    let mut world = World::new(8);
    world.nodes[0].is_dead = true;
    world.run(12.0);
    assert_eq!(world.registry[&name(0)].0.deaths, 1);
    for (deaths, minutes) in [(2, 2.0), (3, 4.0), (4, 8.0), (5, 15.0)] {
        let adopter = world.adopter(0).unwrap();
        world.nodes[adopter].is_dead = true;
        world.run(60.0 * minutes - 1.0);
        assert_eq!(world.adopter(0), Some(adopter), "{deaths}");
        world.run(12.0);
        assert_ne!(world.adopter(0), Some(adopter), "{deaths}");
        assert_eq!(world.registry[&name(0)].0.deaths, deaths);
    }
    world.run(601.0);
    assert_eq!(world.registry[&name(0)].0.deaths, 0, "its last adopter lives with it");
}

impl World {
    /// Lets the journal of node 0 kill whoever has it, so many seconds after it was taken. Its own node is started again after so many
    /// seconds, if it is. Gives how many others it has killed in so many minutes.
    fn killed(&mut self, kills_after: f64, restarts_after: Option<f64>, minutes: f64) -> usize {
        let end = self.now + secs(minutes * 60.0);
        self.nodes[0].is_dead = true;
        let (mut killed, mut died) = (0, self.now);
        while self.now < end {
            if self.nodes[0].is_dead && restarts_after.is_some_and(|after| self.now - died >= secs(after)) {
                self.restart(0);
            }
            self.run(0.1);
            let Some(&(_, by, at)) = self.taken.iter().rfind(|(journal, ..)| *journal == name(0)) else { continue };
            let has_it = by == 0 && self.state(0) == Some(EntryState::Active) || self.adopter(0) == Some(by);
            if has_it && !self.nodes[by].is_dead && self.now - at >= secs(kills_after) {
                self.nodes[by].is_dead = true;
                died = if by == 0 { self.now } else { died };
                killed += usize::from(by != 0);
            }
        }
        killed
    }
}

#[test]
fn a_deadly_journal_kills_four_nodes_beside_its_own_in_ten_minutes_at_most() {
    for (kills_after, most) in
        [(0.0, 3), (1.0, 3), (10.0, 3), (25.0, 3), (29.0, 3), (31.0, 4), (45.0, 4), (60.0, 4), (120.0, 4), (300.0, 4)]
    {
        let killed = World::new(16).killed(kills_after, None, 10.0);
        assert!(killed <= most, "{killed} by what kills after {kills_after} s");
        // In the hour behind that it is one for each quarter.
        let killed = World::new(16).killed(kills_after, None, 70.0);
        assert!(killed <= most + 5, "{killed} in 70 min by what kills after {kills_after} s");
        for restarts_after in [1.0, 5.0, 12.0, 60.0] {
            let killed = World::new(16).killed(kills_after, Some(restarts_after), 10.0);
            assert!(
                killed <= 3,
                "{killed} by what kills after {kills_after} s, its node is back after {restarts_after} s"
            );
        }
    }
}

#[test]
fn a_node_that_dies_twice_by_chance_is_waited_for_as_if_it_had_died_once() {
    for (lives, waits) in [(25.0, true), (32.0, false), (300.0, false)] {
        let mut world = World::new(4);
        world.nodes[1].is_dead = true;
        world.run(9.0);
        world.restart(1);
        world.run(lives);
        assert_eq!((world.state(1), world.registry[&name(1)].0.deaths), (Some(EntryState::Active), 1));
        world.nodes[1].is_dead = true;
        world.run(8.2);
        assert_eq!(world.adopter(1).is_none(), waits, "after {lives} s");
        if waits {
            continue;
        }
        // The third death in a row is hardly chance.
        assert_eq!(world.registry[&name(1)].0.deaths, 2);
        world.restart(1);
        world.run(lives);
        world.nodes[1].is_dead = true;
        world.run(120.0);
        assert_eq!(world.adopter(1), None);
        world.run(9.0);
        assert!(world.adopter(1).is_some());
    }
}

#[test]
fn a_node_that_starts_again_and_again_is_not_waited_for_longer() {
    let mut world = World::new(3);
    for _ in 0..4 {
        world.restart(1);
        world.run(5.0);
        assert_eq!((world.state(1), world.registry[&name(1)].0.deaths), (Some(EntryState::Active), 0));
    }
    world.nodes[1].is_dead = true;
    world.run(8.2);
    assert!(world.adopter(1).is_some(), "it is taken over as if it had run for days");
}

#[test]
fn a_member_that_cannot_take_a_journal_over_leaves_it_to_the_others_for_a_while() {
    let dead = || {
        let mut world = World::new(3);
        world.nodes[1].is_dead = true;
        world
    };
    // The same happens each time: whoever is first has no answer of the stream now. Nothing else is wrong with it.
    let mut before = dead();
    before.run(9.0);
    let unable = before.adopter(1).unwrap();
    let mut world = dead();
    world.unable = Some(unable);
    world.run(20.0);
    let other = 2 - unable;
    assert_eq!(world.adopter(1), Some(other), "{:?}", world.taken);
    assert_eq!((world.tries, world.nodes[unable].member.adopted()), (4, 0), "three tries, and the other's");
    assert_eq!(world.registry[&name(1)].0.deaths, 1, "nobody fell silent but its node");
}

#[test]
fn who_is_alone_tries_again_later_and_nobody_lets_go_of_the_own_journal() {
    let mut world = World::new(2);
    world.nodes[1].is_dead = true;
    world.unable = Some(0);
    world.run(60.0);
    assert_eq!((world.state(1), world.tries), (Some(EntryState::Leaving), 3));
    world.unable = None;
    world.run(200.0);
    assert_eq!((world.state(1), world.tries), (Some(EntryState::Leaving), 3), "5 min are not over");
    world.run(60.0);
    assert_eq!(world.adopter(1), Some(0));
    world.tries = 0;
    world.unable = Some(1);
    world.restart(1);
    world.run(60.0);
    assert!(world.tries > 3 && world.state(1) == Some(EntryState::Active), "{} tries", world.tries);
    world.unable = None;
    world.run(64.0);
    assert_eq!(world.nodes[1].told, [Action::Ready]);
}

#[test]
fn a_start_that_gives_up_while_its_stream_is_being_made_leaves_it_to_be_deleted_later() {
    let mut world = World::new(2);
    let (now, run) = (world.now, run_of(7, 1));
    let mut member = member(7, run, 1, now);
    member.listed(now);
    let mut actions = std::iter::from_fn(|| member.next_action());
    let Some(Action::Update { entry, .. }) = actions.find(|action| matches!(action, Action::Update { .. })) else {
        panic!("it enters");
    };
    world.write(run, Some(&entry));
    member.answered(run, &entry, Cas::Done { revision: world.revision }, now);
    assert_eq!(member.next_action(), Some(Action::Begin { name: run }));
    member.leave(Behind::Nothing, now);
    let Some(Action::Update { entry, expected, .. }) = member.next_action() else { panic!("it says so") };
    assert_eq!((entry.state, expected), (EntryState::Empty, world.revision));
    world.write(run, Some(&entry));
    member.answered(run, &entry, Cas::Done { revision: world.revision }, now);
    assert_eq!(member.next_action(), Some(Action::Left), "and deletes nothing");
    // The stream is there after all.
    world.streams.insert(run, 1);
    world.run(59.0);
    assert!(world.registry.contains_key(&run));
    world.run(4.0);
    assert!(!world.registry.contains_key(&run) && !world.streams.contains_key(&run));
}

#[test]
fn journals_that_an_operator_has_to_look_at_leave_room_for_others() {
    let most = Rules::default().most_adopted;
    let mut world = World::new(most + 2);
    for node in &mut world.nodes[2..] {
        node.is_dead = true;
    }
    world.nodes[1].is_dead = true;
    world.run(60.0);
    assert_eq!(world.nodes[0].member.adopted(), most);
    let has: Vec<usize> = (1..most + 2).filter(|&number| world.adopter(number) == Some(0)).collect();
    let epoch = world.epoch(has[0]);
    world.nodes[0].member.set_aside(name(has[0]), epoch, true);
    world.run(10.0);
    assert_eq!(world.nodes[0].member.adopted(), most + 1);
}

#[test]
fn what_was_taken_over_is_told_apart_from_what_is_not_kept() {
    let mut world = World::new(3);
    let now = world.now;
    assert!(!world.nodes[0].member.taken(name(1), TakenOver::Done { epoch: 9 }, now), "the registry does not say so");
    // It leaves while it is being taken over.
    let (entry, revision) = world.registry[&name(1)].clone();
    let entry = Entry { state: EntryState::Adopted { by: name(0) }, ..entry };
    world.nodes[0].member.entry(name(1), Some(entry), revision + 1, now);
    world.nodes[0].member.leave(Behind::Owed, now);
    assert!(!world.nodes[0].member.taken(name(1), TakenOver::Done { epoch: 9 }, now));
}

#[test]
fn a_registry_that_was_deleted_is_filled_again() {
    let mut world = World::new(3);
    world.nodes[2].is_dead = true;
    world.run(10.0);
    let adopter = world.adopter(2).unwrap();
    world.registry.clear();
    world.revision = 0;
    for number in 0..2 {
        let now = world.now;
        world.nodes[number].member.registry_is_new(now);
        world.nodes[number].member.listed(now);
    }
    world.run(5.0);
    assert_eq!([0, 1].map(|number| world.state(number)), [Some(EntryState::Active); 2]);
    assert_eq!((world.adopter(2), world.registry[&name(2)].0.node.as_str()), (Some(adopter), "n2"));
    assert!(world.nodes[..2].iter().all(|node| node.told.is_empty()));
    assert_eq!(world.taken.len(), 1);
}
