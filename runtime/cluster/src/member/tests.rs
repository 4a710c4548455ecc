//! Members on a network and a registry that lose nothing and take no time, except what a test takes away.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use lastword_events::JournalName;

use super::{Member, MemberSettings};
use crate::{Action, Cas, Entry, EntryState, Rules, StreamEnd, TakenOver};

/// Time goes on in steps of this.
const STEP: Duration = Duration::from_millis(20);

fn name(number: usize) -> JournalName {
    let number = u8::try_from(number).unwrap();
    JournalName::from_random([b'n', number, number / 36, 0, 0, 0, 0, 0])
}

fn secs(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

struct Node {
    member: Member,
    is_dead: bool,
    /// Neither says nor hears anything, and no JetStream answers.
    is_cut_off: bool,
    /// Its heartbeats do not arrive; everything else does.
    is_mute: bool,
    /// What it was told to do, but for beats, looks and updates.
    told: Vec<Action>,
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
    /// Answers to updates are lost, though they are carried out.
    loses_answers: bool,
    beats_others: usize,
    /// Who took which journal over, and when.
    taken: Vec<(JournalName, usize, Duration)>,
}

impl World {
    fn new(nodes: usize) -> Self {
        Self::of_formats(&vec![1; nodes])
    }

    fn of_formats(formats: &[u32]) -> Self {
        let member = |(number, &format): (usize, &u32)| {
            let settings = MemberSettings {
                name: name(number),
                node: format!("n{number}"),
                address: String::new(),
                format,
                seed: u64::try_from(number).unwrap(),
            };
            let member = Member::new(settings, Rules::default(), Duration::ZERO);
            Node { member, is_dead: false, is_cut_off: false, is_mute: false, told: Vec::new() }
        };
        let mut world = Self {
            now: Duration::ZERO,
            nodes: formats.iter().enumerate().map(member).collect(),
            registry: BTreeMap::new(),
            revision: 0,
            streams: BTreeMap::new(),
            growing: BTreeSet::new(),
            has_no_leader: false,
            loses_answers: false,
            beats_others: 0,
            taken: Vec::new(),
        };
        world.run(8.0);
        for number in 0..formats.len() {
            assert_eq!(world.state(number), Some(EntryState::Active), "{number} serves");
        }
        world
    }

    fn state(&self, number: usize) -> Option<EntryState> {
        self.registry.get(&name(number)).map(|(entry, _)| entry.state)
    }

    /// Who has adopted the journal of that node.
    fn adopter(&self, number: usize) -> Option<usize> {
        let Some(EntryState::Adopted { by }) = self.state(number) else { return None };
        (0..self.nodes.len()).find(|&other| name(other) == by)
    }

    fn run(&mut self, seconds: f64) {
        let end = self.now + secs(seconds);
        while self.now < end {
            self.now += STEP;
            for journal in &self.growing {
                *self.streams.get_mut(journal).unwrap() += 1;
            }
            for number in 0..self.nodes.len() {
                let node = &mut self.nodes[number];
                if !node.is_dead && node.member.wakes_at() <= self.now {
                    node.member.tick(self.now);
                }
                self.act(number);
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
                    let end = if answers { end } else { StreamEnd::Unanswered };
                    self.nodes[number].member.stream(&name, end, now);
                }
                Action::Update { name, entry, expected } => {
                    let has = self.registry.get(&name).map_or(0, |(_, revision)| *revision);
                    let cas = match (answers, has == expected) {
                        (false, _) => Cas::Unknown,
                        (true, false) => Cas::Refused,
                        (true, true) => {
                            self.write(name, Some(entry.clone()));
                            Cas::Done { revision: self.revision }
                        }
                    };
                    let cas = if self.loses_answers { Cas::Unknown } else { cas };
                    self.nodes[number].member.answered(name, &entry, cas, now);
                }
                Action::Begin => {
                    self.streams.insert(name(number), 1);
                    self.nodes[number].member.begun(1, now);
                }
                Action::TakeOver { name, .. } => {
                    let taken = match self.streams.get_mut(&name) {
                        _ if !answers => TakenOver::Unavailable,
                        None => TakenOver::Gone,
                        Some(_) if self.beats_others > 0 => {
                            self.beats_others -= 1;
                            TakenOver::Beaten
                        }
                        Some(last) => {
                            *last += 1;
                            self.taken.push((name, number, now));
                            TakenOver::Done { epoch: *last }
                        }
                    };
                    self.nodes[number].member.taken(name, taken, now);
                }
                Action::Discard { name, revision } => {
                    let is_done = answers && self.registry.get(&name).is_some_and(|(_, has)| *has == revision);
                    if is_done {
                        self.streams.remove(&name);
                        self.write(name, None);
                    }
                    self.nodes[number].member.discarded(name, is_done, now);
                }
                Action::Drop { .. } | Action::CutOff | Action::Connected | Action::Left => {
                    self.nodes[number].told.push(action)
                }
            }
        }
    }

    fn beat(&mut self, number: usize) {
        let (now, is_mute) = (self.now, self.nodes[number].is_mute);
        if self.nodes[number].is_cut_off {
            return;
        }
        for (other, node) in self.nodes.iter_mut().enumerate() {
            if !node.is_dead && !node.is_cut_off && (!is_mute || other == number) {
                node.member.heard(&name(number), now);
            }
        }
    }

    /// Writes an entry, and everybody's watch has it.
    fn write(&mut self, journal: JournalName, entry: Option<Entry>) {
        self.revision += 1;
        match &entry {
            Some(entry) => self.registry.insert(journal, (entry.clone(), self.revision)),
            None => self.registry.remove(&journal),
        };
        for node in self.nodes.iter_mut().filter(|node| !node.is_dead && !node.is_cut_off) {
            node.member.entry(journal, entry.clone(), self.revision, self.now);
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
fn one_survivor_takes_a_dead_nodes_journal_after_six_to_eight_seconds() {
    let mut world = World::new(5);
    world.nodes[2].is_dead = true;
    let died = world.now;
    world.run(5.0);
    assert_eq!(world.state(2), Some(EntryState::Active), "nobody is dead after 5 s");
    world.run(3.2);
    let [(journal, by, at)] = world.taken[..] else { panic!("{:?}", world.taken) };
    assert_eq!((journal, Some(by)), (name(2), world.adopter(2)));
    assert!(at - died >= secs(5.0) && at - died <= secs(8.1), "{:?}", at - died);
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
fn the_journals_of_a_node_that_leaves_are_taken_at_once_and_it_may_go() {
    let mut world = World::new(4);
    world.nodes[0].is_dead = true;
    world.run(9.0);
    let adopter = world.adopter(0).unwrap();
    world.taken.clear();
    let now = world.now;
    world.nodes[adopter].member.leave(now);
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
    world.nodes[1].member.emptied(name(1), now);
    world.nodes[1].member.leave(now);
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
    let now = world.now;
    world.nodes[0].member.emptied(name(done), now);
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
    world.write(name(2), Some(entry));
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
    let now = world.now;
    world.nodes[by].member.fenced(journal, now);
    world.run(1.1);
    assert_eq!(world.taken.len(), 2, "the one whom the registry names takes it back");
}

#[test]
fn an_own_journal_that_is_fenced_ends_the_run_and_gives_away_what_it_had() {
    let mut world = World::new(4);
    world.nodes[0].is_dead = true;
    world.run(9.0);
    let adopter = world.adopter(0).unwrap();
    let now = world.now;
    world.nodes[adopter].member.fenced(name(adopter), now);
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
