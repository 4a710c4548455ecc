use std::time::Duration;

use lastword::events::{DrainReason, EndReason, Timestamp};
use lastword_process::Process;

use super::*;
use crate::limits::{END_RETRY, UNWATCHED_OWNER_KEPT};
use crate::owners::owned_session::{Ending, Mark};
use crate::owners::owner::Life;

/// A registry with a clock that stands still.
struct House {
    registry: Registry,
    began: Instant,
    passed: Duration,
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn process(pid: u32) -> Life {
    Life::Process(Process { pid, start_time: 7, boot_id: "boot".into() })
}

fn session(id: &str) -> Identity {
    Identity::new("acme", id)
}

fn no_kind() -> Arc<str> {
    Arc::default()
}

impl House {
    fn new() -> Self {
        let idle_after = [(Arc::from("claude-code"), seconds(3600))].into_iter().collect();
        let settings = OwnerSettings { grace: seconds(2), idle_after, ..OwnerSettings::default() };
        Self { registry: Registry::new(settings), began: Instant::now(), passed: Duration::ZERO }
    }

    fn now(&self) -> Instant {
        self.began + self.passed
    }

    fn at(&self) -> Timestamp {
        Timestamp::from_millisecond(0).plus(self.passed)
    }

    /// Registers an owner whose process was verified.
    fn register(&mut self, name: &str, life: Life) -> Registered {
        let now = self.now();
        self.registry.register(Some(OwnerName::new("acme", name)), &no_kind(), life, true, now).unwrap()
    }

    /// A start that the runtime has accepted.
    fn start(&mut self, id: &str, owner: Option<OwnerId>) {
        self.start_begins(id, owner);
        self.start_answered(id, Some(id), &[id]);
    }

    fn start_begins(&mut self, id: &str, owner: Option<OwnerId>) {
        let when = (self.now(), self.at());
        self.registry.start_begins(&session(id), owner, &no_kind(), when);
    }

    /// Answers a start of the session `made`, if any, while `active` are active.
    fn start_answered(&mut self, said: &str, made: Option<&str>, active: &[&str]) {
        let (now, made) = (self.now(), made.map(session));
        self.registry.start_answered(&session(said), made.as_ref(), are(active), now);
    }

    /// The runtime ends the session.
    fn ended(&mut self, id: &str) {
        self.registry.settle(&session(id), are(&[]));
    }

    fn is_kept(&self, id: &str) -> bool {
        self.registry.is_turn_open(&session(id)).is_some()
    }

    fn mark(&self, id: &str) -> Mark {
        self.registry.sessions[&session(id)].mark
    }

    /// An event of another kind.
    fn turn(&mut self, id: &str, owner: Option<OwnerId>, open: Option<bool>) -> bool {
        let now = self.now();
        self.registry.hear_of_turn(&session(id), owner, open, now)
    }

    fn lose(&mut self, owner: Registered) -> Option<LostOwner> {
        let when = (self.now(), self.at());
        self.registry.lose(owner.id, Loss::Process, when)
    }

    /// A process exits. Returns the names of the owners that die.
    fn exits(&mut self, pid: u32) -> Vec<String> {
        let (Life::Process(process), when) = (process(pid), (self.now(), self.at())) else { panic!() };
        let lost = self.registry.exited(&process, when);
        let mut names: Vec<_> = lost.into_iter().map(|lost| lost.name.unwrap().name.to_string()).collect();
        names.sort();
        names
    }

    /// Lets time pass, and returns what is due then.
    fn pass(&mut self, by: Duration) -> Passed {
        self.passed += by;
        let (now, at) = (self.now(), self.at());
        self.registry.pass(now, at)
    }

    fn ends(&mut self, by: Duration) -> Vec<(String, SessionToEnd)> {
        let mut ends: Vec<_> = self.pass(by).ends.into_iter().map(|end| (end.identity.id.to_string(), end)).collect();
        ends.sort_by(|a, b| a.0.cmp(&b.0));
        ends
    }
}

/// Only these sessions are active.
fn are(active: &[&str]) -> impl Fn(&Identity) -> bool {
    let active: Vec<Identity> = active.iter().map(|id| session(id)).collect();
    move |identity: &Identity| active.contains(identity)
}

fn ids(ends: &[(String, SessionToEnd)]) -> Vec<&str> {
    ends.iter().map(|(id, _)| id.as_str()).collect()
}

#[test]
fn the_sessions_of_a_dead_owner_end_after_the_grace_and_those_of_its_neighbour_do_not() {
    let mut house = House::new();
    let (dies, lives) = (house.register("dies", process(1)), house.register("lives", process(2)));
    house.start("a", Some(dies.id));
    house.start("b", Some(dies.id));
    house.start("c", Some(lives.id));
    assert_eq!(house.lose(dies).unwrap().sessions, 2);
    assert_eq!(house.registry.next_due(), Some(house.now() + seconds(2)));
    assert_eq!(ids(&house.ends(Duration::from_millis(1_999))), [""; 0]);
    let ends = house.ends(Duration::from_millis(1));
    assert_eq!(ids(&ends), ["a", "b"]);
    let event = ends[0].1.ending.event();
    assert_eq!((event.reason, event.raw_reason.as_deref()), (EndReason::Unknown, Some("exited")));
    assert_eq!(event.ended_at, Timestamp::from_millisecond(0), "when it died, and not when the grace was over");
    assert_eq!(house.registry.counts()[&no_kind()].owners, 1);
}

#[test]
fn a_session_that_was_at_work_crashed() {
    let mut house = House::new();
    let owner = house.register("o", process(1));
    for id in ["idle", "working"] {
        house.start(id, Some(owner.id));
        for open in [true, id == "working"] {
            house.turn(id, None, Some(open));
        }
    }
    house.lose(owner);
    let ends = house.ends(seconds(2));
    let reasons: Vec<_> = ends.iter().map(|(_, end)| end.ending.event().reason).collect();
    assert_eq!(reasons, [EndReason::Unknown, EndReason::Crashed]);
}

#[test]
fn the_owners_own_word_within_the_grace_wins() {
    let mut house = House::new();
    let owner = house.register("o", process(1));
    house.start("a", Some(owner.id));
    house.start("b", Some(owner.id));
    house.lose(owner);
    house.pass(Duration::from_millis(400));
    house.ended("a");
    assert_eq!(ids(&house.ends(seconds(2))), ["b"]);
}

#[test]
fn an_owner_that_comes_back_within_the_grace_keeps_its_sessions() {
    let mut house = House::new();
    let owner = house.register("o", process(1));
    house.start("a", Some(owner.id));
    let before = house.mark("a");
    house.lose(owner);
    house.pass(seconds(1));
    let back = house.register("o", process(2));
    assert!(back.came_back && back.id == owner.id);
    assert_eq!(house.exits(1), [""; 0], "who watched the earlier process has nothing to say any more");
    assert_eq!(ids(&house.ends(seconds(60))), [""; 0]);
    assert_eq!(house.mark("a"), before);
    house.lose(back).unwrap();
    assert_eq!(ids(&house.ends(seconds(2))), ["a"]);
}

#[test]
fn a_session_that_another_process_resumes_outlives_the_first_one() {
    let mut house = House::new();
    let (first, second) = (house.register("first", process(1)), house.register("second", process(2)));
    house.start("a", Some(first.id));
    house.lose(first);
    house.start("a", Some(second.id));
    assert_eq!(ids(&house.ends(seconds(60))), [""; 0]);
    house.lose(second);
    assert_eq!(ids(&house.ends(seconds(2))), ["a"]);
}

#[test]
fn a_dead_owners_late_word_does_not_take_a_session_from_a_living_one() {
    let mut house = House::new();
    let (dead, alive) = (house.register("dead", process(1)), house.register("alive", process(2)));
    house.start("a", Some(dead.id));
    house.start("a", Some(alive.id));
    house.lose(dead);
    assert!(!house.turn("a", Some(dead.id), Some(false)));
    assert_eq!(ids(&house.ends(seconds(60))), [""; 0]);
}

#[test]
fn a_session_that_began_anew_is_not_ended_for_its_earlier_start() {
    let mut house = House::new();
    let owner = house.register("o", process(1));
    house.start("a", Some(owner.id));
    house.lose(owner);
    let end = house.ends(seconds(2)).remove(0).1;
    assert!(house.registry.is_to_end(&end));
    house.start("a", None);
    assert!(!house.registry.is_to_end(&end));
    assert_ne!(house.mark("a"), end.mark);
}

#[test]
fn an_end_that_could_not_be_written_down_is_tried_again_until_it_is() {
    let mut house = House::new();
    let owner = house.register("o", process(1));
    house.start("a", Some(owner.id));
    house.lose(owner);
    let mut end = house.ends(seconds(2)).remove(0).1;
    for _ in 0..3 {
        let now = house.now();
        house.registry.try_again(std::slice::from_ref(&end), now);
        assert_eq!(ids(&house.ends(END_RETRY - Duration::from_millis(1))), [""; 0]);
        let again = house.ends(Duration::from_millis(1)).remove(0).1;
        assert_eq!(again, end);
        end = again;
    }
    house.ended("a");
    assert_eq!(house.registry.next_due(), None);
}

#[test]
fn a_lease_lapses_when_its_owner_is_not_heard_of_and_each_event_renews_it() {
    let mut house = House::new();
    let owner = house.register("o", Life::Lease(seconds(30)));
    house.start("a", Some(owner.id));
    house.pass(seconds(20));
    house.start("b", Some(owner.id));
    let passed = house.pass(seconds(29));
    assert!(passed.lost.is_empty() && passed.ends.is_empty());
    let passed = house.pass(seconds(1));
    assert_eq!((passed.lost.len(), passed.lost[0].how, passed.ends.len()), (1, Loss::Lease, 0));
    assert_eq!(ids(&house.ends(seconds(2))), ["a", "b"]);
}

#[test]
fn a_lease_that_was_renewed_within_the_grace_keeps_its_sessions() {
    let mut house = House::new();
    let owner = house.register("o", Life::Lease(seconds(30)));
    house.start("a", Some(owner.id));
    house.pass(seconds(31));
    assert!(house.register("o", Life::Lease(seconds(30))).came_back);
    assert_eq!(ids(&house.ends(seconds(29))), [""; 0]);
}

#[test]
fn what_never_says_goodbye_ends_as_idle_after_the_silence_of_its_kind() {
    let mut house = House::new();
    let kind = Arc::from("claude-code");
    let now = house.now();
    house.registry.note(&session("quiet"), None, &kind, now);
    house.registry.note(&session("speaks"), None, &kind, now);
    house.registry.note(&session("other-kind"), None, &Arc::from("gateway"), now);
    house.pass(seconds(3599));
    house.turn("speaks", None, None);
    let ends = house.ends(seconds(1));
    assert_eq!(ids(&ends), ["quiet"]);
    assert_eq!(ends[0].1.ending.event().reason, EndReason::Idle);
    assert_eq!(ids(&house.ends(seconds(3598))), [""; 0]);
    assert_eq!(ids(&house.ends(seconds(1))), ["speaks"]);
}

#[test]
fn an_owner_that_says_goodbye_leaves_nothing_to_be_found() {
    let mut house = House::new();
    let owner = house.register("o", process(1));
    house.start("a", Some(owner.id));
    let taken = house.registry.take(owner.id);
    assert_eq!(taken.len(), 1);
    assert!(house.registry.is_left(&taken[0].0, taken[0].1));
    house.ended("a");
    assert_eq!(house.registry.find(&OwnerName::new("acme", "o")), None);
    assert_eq!((house.registry.counts().len(), house.registry.next_due()), (0, None));
}

#[test]
fn owners_of_one_name_in_two_tenants_are_two() {
    let mut house = House::new();
    let acme = house.register("o", process(1));
    let now = house.now();
    let other = house.registry.register(Some(OwnerName::new("other", "o")), &no_kind(), process(1), true, now).unwrap();
    assert_ne!(acme.id, other.id);
}

#[test]
fn a_connection_that_leaves_nothing_behind_is_no_loss() {
    let mut house = House::new();
    let now = house.now();
    let connection = house.registry.register(None, &no_kind(), Life::Connection, false, now).unwrap();
    house.start("a", Some(connection.id));
    house.ended("a");
    assert_eq!(house.lose(connection), None);
    assert_eq!((house.registry.lost(), house.registry.counts().len(), house.registry.next_due()), (0, 0, None));
}

#[test]
fn kinds_of_which_there_is_nothing_are_not_kept() {
    let mut house = House::new();
    for n in 0..100 {
        let (kind, now) = (Arc::from(format!("kind-{n}")), house.now());
        let owner = house.registry.register(None, &kind, Life::Connection, false, now).unwrap();
        house.registry.note(&session("s"), Some(owner.id), &no_kind(), now);
        assert_eq!(house.registry.counts()[&kind], KindCounts { owners: 1, sessions: 1 });
        house.ended("s");
        house.registry.take(owner.id);
    }
    assert_eq!(house.registry.counts().len(), 0);
}

#[test]
fn a_process_that_was_not_looked_at_makes_nobody_live() {
    let mut house = House::new();
    let owner = house.register("o", process(1));
    house.start("a", Some(owner.id));
    let (name, now) = (OwnerName::new("acme", "o"), house.now());
    let again = |house: &mut House, life| house.registry.register(Some(name.clone()), &no_kind(), life, false, now);
    assert!(again(&mut house, process(1)).is_ok(), "it lives so already");
    assert_eq!(again(&mut house, process(2)), Err(Unregistered::VerifyFirst));
    // The process exits between the verification and the registration.
    assert_eq!(house.exits(1), ["o"]);
    assert_eq!(again(&mut house, process(1)), Err(Unregistered::VerifyFirst));
    assert_eq!(ids(&house.ends(seconds(2))), ["a"]);
}

#[test]
fn the_death_of_a_process_is_that_of_every_owner_that_lives_by_it_and_of_no_other() {
    let mut house = House::new();
    for (name, pid) in [("a", 1), ("b", 1), ("moves", 1), ("other", 2)] {
        house.register(name, process(pid));
    }
    house.register("moves", process(2));
    assert_eq!(house.exits(1), ["a", "b"]);
    assert_eq!(house.exits(1), [""; 0]);
    assert_eq!(house.exits(2), ["moves", "other"]);
}

#[test]
fn a_process_that_is_gone_already_is_a_death_unless_its_owner_lives_otherwise_by_now() {
    let mut house = House::new();
    house.register("lives", process(2));
    let when = (house.now(), house.at());
    let mut gone = |name: &str| {
        let Life::Process(process) = process(1) else { panic!() };
        house.registry.register_dead(OwnerName::new("acme", name), &no_kind(), process, when).unwrap()
    };
    assert!(gone("new").1.is_some());
    assert!(gone("lives").1.is_none());
    assert_eq!(house.registry.in_grace(), 1);
}

#[test]
fn a_death_without_a_session_is_revealed_when_late_hooks_have_left_one_and_no_other_death_is() {
    let mut house = House::new();
    let when = (house.now(), house.at());
    let mut gone = |name: &str, pid| {
        let Life::Process(process) = process(pid) else { panic!() };
        house.registry.register_dead(OwnerName::new("acme", name), &no_kind(), process, when).unwrap().0
    };
    gone("silent", 1);
    let (late, ends) = (gone("late", 2), gone("ends", 3));
    let told = house.register("told", process(4));
    house.start("told", Some(told.id));
    assert_eq!(house.lose(told).unwrap().sessions, 1);
    house.start("a", Some(late.id));
    house.start("b", Some(late.id));
    house.start("c", Some(ends.id));
    house.ended("c");
    assert!(house.pass(Duration::from_millis(1_999)).revealed.is_empty(), "they may end by their owner's word yet");
    let passed = house.pass(Duration::from_millis(1));
    let name = |lost: &LostOwner| lost.name.as_ref().unwrap().name.to_string();
    let revealed: Vec<_> = passed.revealed.iter().map(|lost| (name(lost), lost.how, lost.sessions)).collect();
    assert_eq!(revealed, [("late".to_owned(), Loss::Process, 2)]);
    let mut ended: Vec<String> = passed.ends.iter().map(|end| end.identity.id.to_string()).collect();
    ended.sort();
    assert_eq!(ended, ["a", "b", "told"]);
}

#[test]
fn a_start_that_is_being_written_when_its_owner_is_forgotten_ends_as_soon_as_it_is_on_record() {
    let mut house = House::new();
    let owner = house.register("o", process(1));
    house.start_begins("a", Some(owner.id));
    house.lose(owner);
    let end = house.ends(seconds(2)).remove(0).1;
    // The runtime does not have the session yet.
    house.ended("a");
    assert!(house.registry.is_to_end(&end));
    house.start_answered("a", Some("a"), &["a"]);
    assert_eq!(ids(&house.ends(Duration::ZERO)), ["a"]);
    // A session of an owner that was just forgotten also ends.
    house.start("b", Some(owner.id));
    assert_eq!(ids(&house.ends(Duration::ZERO)), ["b"]);
}

#[test]
fn a_start_that_is_refused_takes_nothing_from_one_that_comes_after_it() {
    let mut house = House::new();
    let owner = house.register("o", process(1));
    house.start_begins("a", Some(owner.id));
    house.start_begins("a", Some(owner.id));
    house.start_answered("a", None, &[]);
    assert!(house.is_kept("a"));
    house.start_answered("a", Some("a"), &["a"]);
    // An end, and after it a compaction that starts the session again.
    house.registry.end_begins(&session("a"));
    house.start_begins("a", Some(owner.id));
    assert!(house.registry.is_ending(&session("a")));
    house.registry.end_answered(&session("a"), are(&[]));
    assert!(house.is_kept("a") && !house.registry.is_ending(&session("a")));
    house.start_answered("a", Some("a"), &["a"]);
    house.lose(owner);
    assert_eq!(ids(&house.ends(seconds(2))), ["a"]);
    house.start_begins("refused", None);
    house.start_answered("refused", None, &[]);
    assert!(!house.is_kept("refused"));
}

#[test]
fn a_session_is_kept_under_the_name_by_which_the_runtime_knows_it() {
    let mut house = House::new();
    let owner = house.register("o", process(1));
    house.start("said", Some(owner.id));
    house.turn("said", None, Some(true));
    house.start_begins("said", Some(owner.id));
    house.start_answered("said", Some("made"), &["made"]);
    assert!(!house.is_kept("said"));
    house.lose(owner);
    let ends = house.ends(seconds(2));
    assert_eq!((ids(&ends), ends[0].1.ending.event().reason), (vec!["made"], EndReason::Crashed));
}

#[test]
fn an_event_that_names_an_owner_renews_its_lease_and_revives_it_within_the_grace() {
    let mut house = House::new();
    let owner = house.register("o", Life::Lease(seconds(30)));
    house.start("a", Some(owner.id));
    house.pass(seconds(29));
    let now = house.now();
    assert!(!house.registry.heard_of(owner.id, now));
    assert_eq!(house.pass(seconds(29)).lost.len(), 0);
    assert_eq!(house.pass(seconds(1)).lost.len(), 1);
    let now = house.now();
    assert!(house.registry.heard_of(owner.id, now), "it is back");
    assert_eq!(ids(&house.ends(seconds(29))), [""; 0]);
    assert_eq!(house.pass(seconds(1)).lost.len(), 1);
    // A registration does not revive a dead process.
    let dead = house.register("dead", process(1));
    house.lose(dead);
    let now = house.now();
    assert!(!house.registry.heard_of(dead.id, now));
}

#[test]
fn an_owner_of_whose_death_nothing_tells_is_forgotten_when_it_is_silent_and_has_no_session() {
    let mut house = House::new();
    let owner = house.register("with", Life::Unwatched);
    house.register("without", Life::Unwatched);
    house.start("a", Some(owner.id));
    let passed = house.pass(UNWATCHED_OWNER_KEPT);
    assert!(passed.lost.is_empty() && passed.ends.is_empty());
    let is_known = |house: &House, name| house.registry.find(&OwnerName::new("acme", name)).is_some();
    assert!(is_known(&house, "with") && !is_known(&house, "without"));
    house.ended("a");
    house.pass(UNWATCHED_OWNER_KEPT);
    assert!(!is_known(&house, "with"));
    assert_eq!((house.registry.counts().len(), house.registry.next_due()), (0, None));
}

#[test]
fn a_goodbye_that_could_not_be_written_down_keeps_its_reason() {
    let mut house = House::new();
    let owner = house.register("o", process(1));
    house.start("a", Some(owner.id));
    let (identity, mark) = house.registry.take(owner.id).remove(0);
    let (ending, now) = (Ending::Goodbye { at: house.at(), reason: DrainReason::Restart }, house.now());
    house.registry.end_later(&identity, mark, ending, now);
    let end = house.ends(END_RETRY).remove(0).1;
    assert_eq!(end.ending.event().reason, EndReason::Restart);
}

#[test]
fn ends_that_could_not_be_written_down_are_tried_again_in_one_round() {
    let mut house = House::new();
    let owner = house.register("o", process(1));
    for id in ["a", "b"] {
        house.start(id, Some(owner.id));
    }
    house.lose(owner);
    for (_, end) in house.ends(seconds(2)) {
        house.passed += END_RETRY / 4;
        let now = house.now();
        house.registry.try_again(&[end], now);
    }
    assert_eq!(ids(&house.ends(END_RETRY)), ["a", "b"]);
}
