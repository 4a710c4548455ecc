//! What each answer of JetStream makes of a message, and what comes of a network that loses, delays and repeats.

use proptest::prelude::*;

use super::*;
use crate::model::{Published, Stream, fence, fence_body, subjects};
use crate::record::Record;
use crate::state::State;

const EPOCH: u64 = 3;
const LAST: u64 = 10;

fn chain() -> Chain {
    Chain::new(subjects(), Position { epoch: EPOCH, last_sequence: LAST, hash: 7, number: 4 })
}

/// What is told to the chain.
#[derive(Clone, Debug)]
enum Say {
    Acked(u64),
    Refused(u64),
    TooLarge,
    TimedOut,
    NoResponders,
    /// The message at the expected place is the one in flight.
    Ours,
    /// Nothing is at the expected place.
    Nothing,
    /// Another's message is there.
    Theirs(&'static str, Bytes),
    /// What is at another place.
    Elsewhere,
    Info(u64),
    /// The stream begins and ends there.
    Span(u64, u64),
    NoStream,
}

use Say::{Acked, Elsewhere, Info, NoResponders, NoStream, Nothing, Ours, Refused, Span, Theirs, TimedOut};

/// A group of an epoch.
fn group(kind: Kind, epoch: u64) -> Bytes {
    let (number, previous, records) = (5, 7, vec![Bytes::from_static(b"another's")]);
    Group { kind, epoch, number, previous, continued: false, continues: false, records }.encode()
}

/// Tells the chain these things, one for each action. Gives the actions and the effects, and the time at which all was told.
fn tell(chain: &mut Chain, says: &[Say]) -> (Vec<&'static str>, Vec<Effect>, Duration) {
    let (mut actions, mut effects, mut now) = (Vec::new(), Vec::new(), Duration::ZERO);
    let mut sent: Option<Published> = None;
    for say in says {
        now = now.max(chain.wake_at().unwrap_or(now));
        let expected = chain.expected();
        match chain.next(now).unwrap_or_else(|| panic!("nothing is done before {say:?}")) {
            Action::Publish { subject, headers, body, timeout } => {
                actions.push("publish");
                assert_eq!(timeout, ACK_TIMEOUT);
                let again = Published { subject, headers, body };
                if let Some(before) = &sent {
                    assert_eq!((&before.subject, &before.body), (&again.subject, &again.body), "the same bytes again");
                }
                let header = |name| again.headers.iter().find(|(of, _)| *of == name).unwrap().1.clone();
                assert_eq!(header("Nats-Expected-Stream"), "LW_J_abcdefgh");
                assert_eq!(header("Nats-Expected-Last-Sequence"), (expected - 1).to_string());
                assert_eq!(header("Nats-Expected-Last-Subject-Sequence"), EPOCH.to_string());
                assert_eq!(header("Nats-Expected-Last-Subject-Sequence-Subject"), "LW.j.abcdefgh.fence");
                sent = Some(again);
            }
            Action::Look { sequence, .. } => {
                actions.push("look");
                assert_eq!(sequence, expected);
            }
            Action::Info { .. } => actions.push("info"),
        }
        assert_eq!((chain.next(now), chain.wake_at()), (None, None), "one action at a time");
        let found = |message| Heard::Found { sequence: expected, message };
        let heard = match say.clone() {
            Acked(sequence) => Heard::Acked { sequence },
            Refused(code) => Heard::Refused { code, description: format!("error {code}") },
            Say::TooLarge => Heard::TooLarge,
            TimedOut => {
                now += ACK_TIMEOUT;
                Heard::TimedOut
            }
            NoResponders => Heard::NoResponders,
            Ours => found(sent.clone().map(|sent| (sent.subject, sent.body))),
            Nothing => found(None),
            Theirs(subject, body) => found(Some((subject.to_owned(), body))),
            Elsewhere => Heard::Found { sequence: expected - 1, message: None },
            Info(last_sequence) => Heard::Info { first_sequence: 1, last_sequence },
            Span(first_sequence, last_sequence) => Heard::Info { first_sequence, last_sequence },
            NoStream => Heard::NoStream,
        };
        effects.extend(chain.heard(heard, now));
    }
    (actions, effects, now)
}

const FENCE: &str = "LW.j.abcdefgh.fence";
const GROUPS: &str = "LW.j.abcdefgh.g";
const CHUNKS: &str = "LW.j.abcdefgh.s";

/// Its name, what is told, the actions before each of that, and the effects.
type Case = (&'static str, Vec<Say>, Vec<&'static str>, Vec<Effect>);

#[test]
fn what_jetstream_answers_decides_nothing_but_what_is_at_the_expected_place() {
    let durable = || vec![Effect::Durable { up_to: 1 }];
    let fenced = || vec![Effect::Fenced { by: 11 }];
    let full = |code: u64| Effect::Full { description: format!("error {code}") };
    let table: Vec<Case> = vec![
        ("it is acknowledged", vec![Acked(11)], vec!["publish"], durable()),
        (
            "10071 by its own message, whose acknowledgement was lost",
            vec![TimedOut, Refused(10_071), Ours],
            vec!["publish", "publish", "look"],
            durable(),
        ),
        ("10071 at once, and it is there", vec![Refused(10_071), Ours], vec!["publish", "look"], durable()),
        (
            "10071 by its own proposal, which has no quorum yet",
            vec![TimedOut, Refused(10_071), Nothing, Refused(10_071), Nothing, Refused(10_071), Ours],
            vec!["publish", "publish", "look", "publish", "look", "publish", "look"],
            durable(),
        ),
        (
            "10071 by its own proposal, which came to nothing",
            vec![Refused(10_071), Nothing, Acked(11)],
            vec!["publish", "look", "publish"],
            durable(),
        ),
        (
            "10164 while its own message is under way",
            vec![TimedOut, Refused(10_164), Nothing, Refused(10_164), Ours],
            vec!["publish", "publish", "look", "publish", "look"],
            durable(),
        ),
        ("it is not acknowledged in time", vec![TimedOut, Acked(11)], vec!["publish", "publish"], durable()),
        (
            "nobody is asked while there is no leader",
            vec![TimedOut, NoResponders, Acked(11)],
            vec!["publish", "publish", "publish"],
            durable(),
        ),
        (
            "without a leader for long, it is asked whether the stream is there",
            vec![NoResponders, NoResponders, NoResponders, NoResponders, Info(10), Acked(11)],
            vec!["publish", "publish", "publish", "publish", "info", "publish"],
            durable(),
        ),
        (
            "the stream is one longer than what is acknowledged",
            vec![NoResponders, NoResponders, NoResponders, NoResponders, Info(11), Ours],
            vec!["publish", "publish", "publish", "publish", "info", "look"],
            durable(),
        ),
        (
            "the leader is gone while it is asked",
            vec![Refused(10_071), NoResponders, TimedOut, Refused(10_071), TimedOut, NoResponders, Info(11), Ours],
            vec!["publish", "look", "publish", "publish", "look", "publish", "info", "look"],
            durable(),
        ),
        ("JetStream is not available", vec![Refused(503), Refused(10_008), Acked(11)], vec!["publish"; 3], durable()),
        (
            "an error that nobody has heard of",
            vec![Refused(10_999), Nothing, Acked(11)],
            vec!["publish", "look", "publish"],
            durable(),
        ),
        (
            "it is acknowledged with another's sequence",
            vec![Acked(99), Nothing, Acked(11)],
            vec!["publish", "look", "publish"],
            durable(),
        ),
        (
            "what is at another place is told",
            vec![Refused(10_071), Elsewhere, Ours],
            vec!["publish", "look", "look"],
            durable(),
        ),
        (
            "another's fence is there",
            vec![Refused(10_071), Theirs(FENCE, fence_body(EPOCH, true, 9))],
            vec!["publish", "look"],
            fenced(),
        ),
        (
            "another's fence is there, and the epoch is what is refused",
            vec![Refused(10_164), Theirs(FENCE, fence_body(EPOCH, true, 9))],
            vec!["publish", "look"],
            fenced(),
        ),
        (
            "another's group is there, of the same epoch",
            vec![Refused(10_071), Theirs(GROUPS, group(Kind::Group, EPOCH))],
            vec!["publish", "look"],
            fenced(),
        ),
        (
            "something else is there",
            vec![Refused(10_071), Theirs(GROUPS, Bytes::from_static(b"x"))],
            vec!["publish", "look"],
            fenced(),
        ),
        (
            "a fence of an older epoch is there",
            vec![Refused(10_071), Theirs(FENCE, fence_body(EPOCH - 1, true, 9))],
            vec!["publish", "look"],
            fenced(),
        ),
        (
            "a group and a chunk of an older epoch are there, which their writer had in flight as the fence came",
            vec![
                Refused(10_071),
                Theirs(GROUPS, group(Kind::Group, EPOCH - 1)),
                Refused(10_071),
                Theirs(CHUNKS, group(Kind::Chunk, EPOCH - 1)),
                Acked(13),
            ],
            vec!["publish", "look", "publish", "look", "publish"],
            durable(),
        ),
        (
            "the stream has no room, and is purged",
            vec![Refused(10_077), Refused(10_077), Acked(11)],
            vec!["publish"; 3],
            [vec![full(10_077)], durable()].concat(),
        ),
        (
            "the servers have no room",
            vec![Refused(10_047), Acked(11)],
            vec!["publish"; 2],
            [vec![full(10_047)], durable()].concat(),
        ),
        (
            "another stream has the subject, for a moment",
            vec![Refused(10_060), Info(10), Acked(11)],
            vec!["publish", "info", "publish"],
            durable(),
        ),
        (
            "a server that does not know the stream yet",
            vec![Refused(10_060), NoStream, NoStream, Info(10), Acked(11)],
            vec!["publish", "info", "info", "info", "publish"],
            durable(),
        ),
        (
            "the smallest message is too large",
            vec![Say::TooLarge, Refused(10_054), Acked(11)],
            vec!["publish"; 3],
            [
                vec![Effect::Full { description: "the servers do not even take a message of 48 bytes".to_owned() }],
                durable(),
            ]
            .concat(),
        ),
    ];
    for (name, says, actions, effects) in table {
        let mut chain = chain();
        assert_eq!(chain.queue(Record::Probe.encode().unwrap(), Duration::ZERO), 1);
        let (found, came, now) = tell(&mut chain, &says);
        assert_eq!((found, came), (actions, effects.clone()), "{name}");
        let is_fenced = effects == fenced();
        assert_eq!(chain.waiting(), u64::from(is_fenced), "{name}");
        if is_fenced {
            chain.queue(Vec::new(), now);
            assert_eq!((chain.next(now), chain.wake_at()), (None, None), "{name}: a chain that is fenced does nothing");
            assert_eq!(chain.heard(Heard::Acked { sequence: 11 }, now), vec![], "{name}");
        }
    }
}

#[test]
fn a_stream_that_is_gone_or_too_short_for_ten_seconds_is_lost() {
    for (say, why) in [
        (NoStream, "the servers say that there is no stream LW_J_abcdefgh"),
        (Info(9), "the stream LW_J_abcdefgh ends at 9, and had acknowledged 10"),
        (Span(12, 11), "the stream LW_J_abcdefgh was purged up to 11, its end"),
    ] {
        let mut chain = chain();
        chain.queue(vec![1], Duration::ZERO);
        let mut says = vec![Refused(10_060)];
        says.extend(std::iter::repeat_n(say.clone(), 10));
        let (_, effects, _) = tell(&mut chain, &says);
        assert_eq!(effects, vec![]);
        let (actions, effects, now) = {
            let now = chain.wake_at().unwrap();
            let action = chain.next(now).unwrap();
            let heard = match say {
                Info(last_sequence) => Heard::Info { first_sequence: 1, last_sequence },
                Span(first_sequence, last_sequence) => Heard::Info { first_sequence, last_sequence },
                _ => Heard::NoStream,
            };
            (action, chain.heard(heard, now), now)
        };
        assert!(matches!(actions, Action::Info { .. }));
        let silent = Effect::Silent { since: Duration::ZERO };
        assert_eq!(
            effects.into_iter().filter(|one| *one != silent).collect::<Vec<_>>(),
            [Effect::Lost { why: why.to_owned() }]
        );
        assert_eq!(chain.next(now + LOST_AFTER), None);
    }
}

/// A successor's snapshot and purge may be done before the writer hears of anything: then nothing is at the expected place any more.
#[test]
fn a_stream_that_begins_behind_the_expected_place_has_a_successor_and_one_that_its_writer_has_purged_has_none() {
    let refused = || (0..4).flat_map(|_| [Refused(10_071), Nothing]);
    let durable = || vec![Effect::Durable { up_to: 1 }];
    let table = [
        ("a successor has purged the expected place", Span(12, 40), None, vec![Effect::Fenced { by: 12 }]),
        ("a successor has purged far more", Span(30, 30), None, vec![Effect::Fenced { by: 30 }]),
        ("the expected place is the first one", Span(11, 11), Some(Ours), durable()),
        ("the writer has purged up to its last message", Span(10, 11), Some(Ours), durable()),
        ("the writer has purged, and the message came to nothing", Span(10, 10), Some(Acked(11)), durable()),
        (
            "nothing is left of what was acknowledged, and nothing is behind it",
            Span(11, 10),
            Some(Acked(11)),
            durable(),
        ),
    ];
    for (name, span, then, expected) in table {
        let mut chain = chain();
        chain.queue(vec![1], Duration::ZERO);
        let says: Vec<Say> = refused().chain([span]).chain(then).collect();
        let (actions, effects, now) = tell(&mut chain, &says);
        assert_eq!((actions[8], &effects), ("info", &expected), "{name}");
        if matches!(expected[0], Effect::Fenced { .. }) {
            assert_eq!((chain.next(now), chain.wake_at()), (None, None), "{name}: a chain that is fenced does nothing");
        }
    }
}

#[test]
fn a_writer_never_purges_beyond_the_messages_that_it_has_acknowledged() {
    let (mut stream, chain) = stream_and_chain();
    let mut chain = chain.with_max_body(700);
    let mut state = State::default();
    state.begin_run();
    let mut purges = 0;
    for n in 0..20 {
        write(&mut chain, &mut state, n);
        if n % 5 == 0 {
            chain.begin_snapshot(state.snapshot(), &fence(false, n));
        }
        for effect in stream.write(&mut chain) {
            if let Effect::Snapshot { purge_below, .. } = effect {
                assert!(purge_below <= chain.position().last_sequence);
                stream.purge_below(purge_below);
                purges += 1;
            }
        }
        assert!(stream.first <= chain.position().last_sequence);
    }
    assert_eq!(purges, 4);
}

/// A purge of everything takes the fence away: from then on everything is refused, as by a leader without a quorum.
#[test]
fn a_stream_without_its_fence_is_lost_and_one_whose_leader_was_behind_is_not() {
    for purges_for_ever in [true, false] {
        let (mut stream, mut chain) = stream_and_chain();
        chain.queue(b"1".to_vec(), Duration::ZERO);
        stream.write(&mut chain);
        let all = stream.messages.clone();
        stream.purge_below(3);
        chain.queue(b"2".to_vec(), Duration::ZERO);
        let (mut now, mut effects) = (Duration::ZERO, Vec::new());
        for n in 0..60 {
            if n == 8 && !purges_for_ever {
                (stream.first, stream.messages) = (1, all.clone());
            }
            let Some(action) = chain.next(now) else { break };
            let heard = stream.answer(action);
            effects.extend(chain.heard(heard, now));
            now = chain.wake_at().unwrap_or(now);
        }
        let silent = Effect::Silent { since: Duration::ZERO };
        effects.retain(|effect| *effect != silent);
        let why = "the stream LW_J_abcdefgh has no fence 1 any more: was it purged?".to_owned();
        let expected = if purges_for_ever { Effect::Lost { why } } else { Effect::Durable { up_to: 2 } };
        assert_eq!(effects, [expected]);
    }
}

#[test]
fn silence_is_told_once_and_ends_with_the_next_acknowledgement() {
    let at = Duration::from_secs(1);
    let mut chain = chain().with_max_body(OVERHEAD + RECORD_OVERHEAD + 1);
    chain.queue(vec![1], at);
    chain.queue(vec![2], at * 2);
    assert_eq!(chain.waiting_since(), Some(at));
    let mut told = Vec::new();
    for second in (3..30).step_by(2) {
        let now = Duration::from_secs(second);
        assert!(chain.next(now).is_some());
        told.extend(chain.heard(Heard::TimedOut, now).into_iter().map(|effect| (second, effect)));
    }
    assert_eq!(told, [(11, Effect::Silent { since: at })]);
    let now = Duration::from_secs(30);
    assert!(chain.next(now).is_some());
    assert_eq!(chain.heard(Heard::Acked { sequence: 11 }, now), [Effect::Durable { up_to: 1 }]);
    assert_eq!(chain.waiting_since(), Some(now), "the second one waits since then");
    assert!(chain.next(now).is_some());
    assert_eq!(chain.heard(Heard::Acked { sequence: 12 }, now), [Effect::Durable { up_to: 2 }]);
    assert_eq!(chain.waiting_since(), None);
}

#[test]
fn what_queues_up_while_a_message_is_in_flight_is_the_next_one() {
    let (mut stream, mut chain) = stream_and_chain();
    chain.queue(b"1".to_vec(), Duration::ZERO);
    let first = chain.next(Duration::ZERO).unwrap();
    for n in 2..=5 {
        chain.queue(n.to_string().into_bytes(), Duration::ZERO);
    }
    assert_eq!(chain.next(Duration::ZERO), None);
    assert_eq!((chain.waiting(), chain.waiting_bytes()), (5, 5));
    let heard = stream.answer(first);
    assert_eq!(chain.heard(heard, Duration::ZERO), [Effect::Durable { up_to: 1 }]);
    assert_eq!(stream.write(&mut chain), [Effect::Durable { up_to: 5 }]);
    assert_eq!((chain.waiting(), chain.waiting_bytes(), stream.last()), (0, 0, 3));
    assert_eq!(records(&stream), (1..=5).map(|n| n.to_string().into_bytes()).collect::<Vec<_>>());
}

#[test]
fn groups_are_smaller_in_a_hurry() {
    for (hurry, largest) in [(false, TARGET_BODY), (true, HURRIED_BODY)] {
        let (mut stream, mut chain) = stream_and_chain();
        chain.hurry(hurry);
        for _ in 0..1_000 {
            chain.queue(vec![b'x'; 1_000], Duration::ZERO);
        }
        stream.write(&mut chain);
        let sizes: Vec<usize> = stream.messages.iter().skip(1).map(|(_, body)| body.len()).collect();
        assert!(sizes.iter().all(|size| *size <= largest), "{sizes:?}");
        assert!(sizes[0] > largest - 2_000, "{sizes:?}");
        assert_eq!(records(&stream).len(), 1_000);
    }
}

#[test]
fn a_message_that_is_too_large_is_made_smaller_and_a_record_that_is_goes_on_in_the_next() {
    for max_payload in [600 * 1024, 100 * 1024, 20 * 1024, MIN_BODY] {
        let (mut stream, mut chain) = stream_and_chain();
        stream.max_payload = max_payload;
        let sizes = [10, 700_000, 3, 0, 130_000, 20_000, 5];
        let made: Vec<Vec<u8>> = (0..).zip(sizes).map(|(n, size)| vec![n; size]).collect();
        for record in &made {
            chain.queue(record.clone(), Duration::ZERO);
        }
        let effects = stream.write(&mut chain);
        assert_eq!(effects.last(), Some(&Effect::Durable { up_to: 7 }));
        assert!(stream.messages.iter().all(|(_, body)| body.len() <= max_payload.min(MAX_BODY)));
        assert_eq!(records(&stream), made, "{max_payload}");
    }
}

#[test]
fn a_message_that_is_too_large_and_may_be_stored_is_looked_for_first() {
    let mut chain = chain();
    chain.queue(vec![1; 100_000], Duration::ZERO);
    let (actions, effects, _) = tell(&mut chain, &[TimedOut, Say::TooLarge, Ours]);
    assert_eq!((actions, effects), (vec!["publish", "publish", "look"], vec![Effect::Durable { up_to: 1 }]));
    let mut chain = self::chain();
    chain.queue(vec![1; 100_000], Duration::ZERO);
    tell(&mut chain, &[TimedOut, Refused(10_054), Nothing]);
    let Some(Action::Publish { body, .. }) = chain.next(Duration::from_secs(9)) else { panic!("it is sent again") };
    assert!(body.len() < 60_000);
}

#[test]
fn a_snapshot_has_what_was_queued_before_it_and_lets_groups_through() {
    let (mut stream, chain) = stream_and_chain();
    let mut chain = chain.with_max_body(700);
    let mut state = State::default();
    state.begin_run();
    for n in 0..20 {
        write(&mut chain, &mut state, n);
    }
    let first = chain.next(Duration::ZERO).unwrap();
    chain.begin_snapshot(state.snapshot(), &fence(false, 1));
    for n in 20..40 {
        write(&mut chain, &mut state, n);
    }
    let heard = stream.answer(first);
    let mut effects = chain.heard(heard, Duration::ZERO);
    assert!(chain.is_snapshotting());
    effects.extend(stream.write(&mut chain));
    assert!(!chain.is_snapshotting());
    let snapshots: Vec<&Effect> = effects.iter().filter(|one| matches!(one, Effect::Snapshot { .. })).collect();
    let [Effect::Snapshot { purge_below, bytes }] = *snapshots else { panic!("{effects:?}") };
    let kinds: Vec<Kind> = stream.messages.iter().map(|(subject, _)| subjects().kind(subject).unwrap()).collect();
    let base = usize::try_from(*purge_below).unwrap() - 1;
    assert_eq!((kinds[base], kinds[base + 1], kinds[base + 2]), (Kind::Fence, Kind::Group, Kind::Chunk));
    let size = |kind: &[Kind]| -> u64 {
        let of = stream.messages.iter().zip(&kinds).skip(base).filter(|(_, of)| kind.contains(of));
        of.map(|((_, body), _)| u64::try_from(body.len()).unwrap()).sum()
    };
    assert_eq!((*bytes, chain.tail_bytes()), (size(&[Kind::Fence, Kind::Chunk]), size(&[Kind::Group])));
    assert_eq!(chain.position().epoch, *purge_below);
    stream.purge_below(*purge_below);
    let replayed = stream.replay().unwrap();
    assert_eq!(replayed.position, chain.position());
    assert_eq!((replayed.snapshot_bytes, replayed.tail_bytes), (*bytes, chain.tail_bytes()));
    // And it is written on: the servers know the new fence, and the one before is gone.
    write(&mut chain, &mut state, 40);
    assert_eq!(stream.write(&mut chain), [Effect::Durable { up_to: 41 }]);
}

#[test]
fn another_snapshot_takes_the_place_of_one_that_is_being_written() {
    let (mut stream, chain) = stream_and_chain();
    let mut chain = chain.with_max_body(5_000);
    let mut state = State::default();
    state.begin_run();
    for n in 0..20 {
        write(&mut chain, &mut state, n);
    }
    chain.begin_snapshot(state.snapshot(), &fence(false, 1));
    while chain.position().epoch == 1 {
        let action = chain.next(Duration::ZERO).unwrap();
        let heard = stream.answer(action);
        chain.heard(heard, Duration::ZERO);
    }
    // A chunk of the first one is in flight, and is too large.
    assert!(matches!(chain.next(Duration::ZERO), Some(Action::Publish { .. })));
    chain.begin_snapshot(state.snapshot(), &fence(false, 2));
    chain.heard(Heard::TooLarge, Duration::ZERO);
    let effects = stream.write(&mut chain);
    let [Effect::Snapshot { purge_below, .. }] = *effects else { panic!("{effects:?}") };
    stream.purge_below(purge_below);
    assert_eq!(stream.replay().unwrap().position, chain.position());
}

/// A stream with one fence, and the chain behind it.
fn stream_and_chain() -> (Stream, Chain) {
    let mut stream = Stream::new();
    stream.take_over(1);
    let position = stream.replay().unwrap().position;
    (stream, Chain::new(subjects(), position))
}

/// Writes the start of a session.
fn write(chain: &mut Chain, state: &mut State, n: u64) {
    let session = lastword_events::Session::new("acme", &format!("s{n}"));
    let event = lastword_events::Event::Start(lastword_events::SessionStart::default());
    let owed = vec!["log".parse().unwrap()];
    let (session, event) = (session.into(), event.into());
    let mut record = Record::Op(lastword_journal::JournalOp::Start { session, event, owed, op_id: None });
    chain.queue(record.encode().unwrap(), Duration::ZERO);
    state.apply(&mut record);
}

/// The records of a stream, whole.
fn records(stream: &Stream) -> Vec<Vec<u8>> {
    let mut records: Vec<Vec<u8>> = Vec::new();
    let mut goes_on = false;
    for (subject, body) in &stream.messages {
        if subjects().kind(subject) != Some(Kind::Group) {
            continue;
        }
        let group = Group::decode(body).unwrap();
        assert_eq!(group.continued, goes_on);
        for record in &group.records {
            if std::mem::take(&mut goes_on) {
                records.last_mut().unwrap().extend_from_slice(record);
            } else {
                records.push(record.to_vec());
            }
        }
        goes_on = group.continues;
    }
    records
}

/// What the network does to one action.
#[derive(Clone, Copy, Debug)]
enum Fault {
    None,
    /// The request does not arrive.
    LosesRequest,
    /// The answer does not arrive.
    LosesAnswer,
    /// The request arrives after others.
    Delays,
    /// There is no leader.
    NoLeader,
    /// A leader that knows its last proposal and not its fate says "wrong last sequence".
    Refuses,
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// Whatever is lost, late or repeated: each record is there once, in its order.
    #[test]
    fn a_network_that_loses_delays_and_repeats_makes_no_difference(
        faults in prop::collection::vec(
            prop_oneof![
                4 => Just(Fault::None), 1 => Just(Fault::LosesRequest), 1 => Just(Fault::LosesAnswer),
                1 => Just(Fault::Delays), 1 => Just(Fault::NoLeader), 1 => Just(Fault::Refuses),
            ],
            0..60,
        ),
        sizes in prop::collection::vec(0usize..3_000, 1..20),
        max_body in 200usize..4_000,
    ) {
        let (mut stream, chain) = stream_and_chain();
        let mut chain = chain.with_max_body(max_body);
        let made: Vec<Vec<u8>> = (0..).zip(&sizes).map(|(n, size)| vec![n; *size]).collect();
        let (mut now, mut durable, mut late) = (Duration::ZERO, 0, Vec::new());
        let mut faults = faults.into_iter();
        let mut queue = made.clone().into_iter();
        while durable < u64::try_from(made.len()).unwrap() {
            if let Some(record) = queue.next() {
                chain.queue(record, now);
            }
            now = now.max(chain.wake_at().unwrap_or(now));
            let Some(action) = chain.next(now) else { continue };
            let fault = faults.next().unwrap_or(Fault::None);
            let heard = match fault {
                Fault::None => stream.answer(action),
                Fault::LosesRequest => Heard::TimedOut,
                Fault::LosesAnswer => {
                    stream.answer(action);
                    Heard::TimedOut
                }
                Fault::Delays => {
                    late.push(action);
                    Heard::TimedOut
                }
                Fault::NoLeader => Heard::NoResponders,
                Fault::Refuses if matches!(action, Action::Publish { .. }) => {
                    late.push(action);
                    Heard::Refused { code: 10_071, description: String::new() }
                }
                Fault::Refuses => Heard::TimedOut,
            };
            for effect in chain.heard(heard, now) {
                match effect {
                    Effect::Durable { up_to } => durable = up_to,
                    Effect::Silent { .. } => (),
                    other => prop_assert!(false, "{:?}", other),
                }
            }
            if late.len() > 2 || matches!(fault, Fault::NoLeader) {
                late.drain(..).for_each(|action| drop(stream.answer(action)));
            }
        }
        prop_assert_eq!(records(&stream), made);
    }

    /// A fence at any moment: what was durable is before it, and nothing of the old chain is behind it.
    #[test]
    fn everything_that_was_durable_is_before_the_fence_of_another(
        steps in 0usize..12, loses in any::<bool>(), is_late in any::<bool>(),
    ) {
        let (mut stream, chain) = stream_and_chain();
        let mut chain = chain.with_max_body(200);
        for n in 0..30 {
            chain.queue(vec![n; 20], Duration::ZERO);
        }
        let mut durable = 0;
        let mut keep = |effects: Vec<Effect>| {
            let is_fenced = effects.iter().any(|one| matches!(one, Effect::Fenced { .. }));
            durable = effects.iter().fold(durable, |was, one| if let Effect::Durable { up_to } = one { *up_to } else { was });
            is_fenced
        };
        for _ in 0..steps {
            let Some(action) = chain.next(Duration::ZERO) else { break };
            let heard = stream.answer(action);
            keep(chain.heard(heard, Duration::ZERO));
        }
        // One message is in flight: it comes before the fence, or behind it.
        let in_flight = chain.next(Duration::ZERO);
        let is_in_flight = in_flight.is_some();
        let answer = |stream: &mut Stream| in_flight.clone().map(|action| stream.answer(action));
        let (heard, fence_at) = if is_late {
            let fence_at = stream.take_over(2);
            (answer(&mut stream), fence_at)
        } else {
            let heard = answer(&mut stream);
            (heard, stream.take_over(2))
        };
        let mut is_fenced = false;
        if let Some(heard) = heard {
            is_fenced |= keep(chain.heard(if loses { Heard::TimedOut } else { heard }, Duration::ZERO));
        }
        let mut now = Duration::ZERO;
        while let Some(action) = chain.next(now) {
            let heard = stream.answer(action);
            is_fenced |= keep(chain.heard(heard, now));
            now = now.max(chain.wake_at().unwrap_or(now));
        }
        prop_assert!(is_fenced || !is_in_flight || chain.waiting() == 0);
        prop_assert_eq!(stream.last(), fence_at, "nothing is behind the fence");
        prop_assert!(u64::try_from(records(&stream).len()).unwrap() >= durable);
    }
}
