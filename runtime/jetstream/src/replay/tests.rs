//! The state that is read is the state that was written, wherever the stream was cut, and whatever is wrong with a stream is named.

use std::sync::Arc;
use std::time::Duration;

use lastword_events::{
    CompactionPhase, DrainReason, EndReason, Event, EventKey, FailureCause, Identity, PluginName, Session,
    SessionCompaction, SessionEnd, SessionStart, Timestamp,
};
use lastword_journal::{CutCall, DeliveryChange, DeliveryKey, JournalOp, Receipt, Settlement, Space};
use proptest::prelude::*;

use super::*;
use crate::chain::{Chain, Effect};
use crate::model::{Stream, fence, fence_body, replay, subjects};
use crate::record::{RecordedOutcome, StoredValues};
use crate::snapshot::Chunk;
use crate::values::Value;

/// The smallest message in which a chunk of a snapshot has room.
const MAX_BODY: usize = 700;

/// What becomes of a journal.
#[derive(Clone, Debug)]
enum Step {
    /// A record, made of these numbers.
    Write([u8; 5]),
    /// So many messages are written.
    Send(u8),
    Snapshot,
    /// What the last snapshot has is purged.
    Purge,
    /// A record is in the stream without its end, and another node takes the journal over.
    TakeOver {
        unfinished: bool,
        stale: u8,
    },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        20 => any::<[u8; 5]>().prop_map(Step::Write),
        6 => any::<u8>().prop_map(|n| Step::Send(n % 6)),
        2 => Just(Step::Snapshot),
        2 => Just(Step::Purge),
        1 => (any::<bool>(), 0u8..3).prop_map(|(unfinished, stale)| Step::TakeOver { unfinished, stale }),
    ];
    prop::collection::vec(step, 0..80)
}

fn plugin(n: u8) -> PluginName {
    ["log", "memory", "web"][usize::from(n % 3)].parse().unwrap()
}

fn plugins(n: u8) -> Vec<PluginName> {
    (0..3).filter(|bit| n & (1 << bit) != 0).map(plugin).collect()
}

/// A record of one of all kinds. Few names and numbers, so that records meet.
fn record([kind, a, b, c, d]: [u8; 5]) -> Record {
    let at = |n: u8| Timestamp::from_millisecond(i64::from(n) * 1_000);
    let identity = Identity::new(["acme", "beta"][usize::from(a % 2)], &format!("s{}", a / 2 % 4));
    let identity = if b % 3 == 0 { identity.in_scope("main") } else { identity };
    let mut session = Session::of(identity);
    (session.generation, session.started_at) = (u32::from(b % 4), Some(at(b)));
    session.cwd = (c % 2 == 0).then(|| format!("/w/{c}"));
    let session = Arc::new(session);
    let sequence = u64::from(c % 12) + 1;
    let op_id = (d % 3 == 0).then(|| Arc::from(format!("op{}", d / 3 % 8)));
    let owed = plugins(d);
    let start = || Arc::new(Event::Start(SessionStart { source: Some("startup".into()), ..SessionStart::default() }));
    let end =
        || Arc::new(Event::End(SessionEnd::new(EndReason::from_word(["reset", "idle"][usize::from(b % 2)]), at(d))));
    let phase = if b % 2 == 0 { CompactionPhase::Before } else { CompactionPhase::After };
    let compaction = || Arc::new(Event::Compaction(SessionCompaction::new(phase)));
    let received = Receipt { at: at(c), said: u64::from(d) };
    let n = u32::from(b % 3) + 1;
    let event = [EventKey::Start, EventKey::End, EventKey::Compaction { n, phase }][usize::from(b % 3)];
    let delivery = DeliveryKey { sequence, event, plugin: plugin(a) };
    let installed = vec![(plugin(a), None), (plugin(b), Some(vec!["acme".into()]))];
    let failure = || (FailureCause::Trap("exit".to_owned()), "what it said".to_owned());
    let settlement = match c % 4 {
        0 | 1 => Settlement::Delivered,
        2 => {
            let ((cause, message), retry_at) = (failure(), (d % 2 == 0).then(|| at(d)));
            Settlement::Owed { failures: u32::from(d % 5), late: d % 3 == 0, retry_at, cause, message }
        }
        _ => {
            let (cause, message) = failure();
            Settlement::Dead { failures: u32::from(d % 5), cause, message }
        }
    };
    let stored = (settlement == Settlement::Delivered && d % 2 == 0).then(|| {
        let value = |n: u8| (!n.is_multiple_of(3)).then(|| Value(vec![n; usize::from(n) * 4].into()));
        let writes = vec![(format!("k{}", b % 4).into(), value(c)), (format!("k{}", c % 4).into(), value(d))];
        Box::new(StoredValues { space: Space { tenant: "acme".into(), plugin: plugin(a) }, writes })
    });
    match kind % 20 {
        0..=4 => Record::Op(JournalOp::Start { session, event: start(), owed, op_id }),
        5 => Record::Op(JournalOp::Update { sequence, session, op_id }),
        6 => Record::Op(JournalOp::Compaction { sequence, n, session, event: compaction(), owed, op_id }),
        7 => Record::Op(JournalOp::CompactionWithoutStart { session, event: compaction(), owed, op_id }),
        8 | 9 => {
            let received = (b % 2 == 0).then_some(received);
            Record::Op(JournalOp::End { sequence, session, event: end(), owed, received, op_id })
        }
        10 => Record::Op(JournalOp::EndWithoutStart { session, event: end(), owed, received, op_id }),
        11 => {
            let (received, id) = (Some(received), op_id.clone());
            let end = JournalOp::End {
                sequence,
                session: session.clone(),
                event: end(),
                owed: owed.clone(),
                received,
                op_id: id,
            };
            let start = JournalOp::Start { session, event: start(), owed, op_id };
            Record::Op(JournalOp::Replace { end: Box::new(end), start: Box::new(start) })
        }
        12 => Record::Decided(vec![
            JournalOp::Installed { plugins: installed, attaching: d % 2 == 0 },
            JournalOp::Seen { sequence },
        ]),
        13 => Record::Decided(vec![
            JournalOp::PluginsChanged { plugins: installed },
            JournalOp::Orphaned { delivery, late: d % 2 == 0 },
            JournalOp::EndNotOwed { sequence, plugin: plugin(b) },
        ]),
        14 => Record::Decided(vec![JournalOp::Draining { reason: DrainReason::Shutdown, at: at(b) }]),
        15 => Record::Decided(vec![JournalOp::Ended { cut: vec![CutCall { delivery, attempt: u32::from(d % 4) }] }]),
        16 | 17 => {
            let attempt = u32::from(d % 4) + 1;
            let end = DeliveryKey { event: EventKey::End, ..delivery.clone() };
            let settled = settlement.clone();
            Record::Outcomes(vec![
                RecordedOutcome { delivery, attempt, settlement, stored },
                RecordedOutcome { delivery: end, attempt, settlement: settled, stored: None },
            ])
        }
        18 => {
            let change = [DeliveryChange::Redeliver, DeliveryChange::Forget, DeliveryChange::Adopt][usize::from(d % 3)];
            Record::Changes(change, vec![delivery])
        }
        _ => Record::Probe,
    }
}

/// All of a state, as text. Maps without an order are sorted.
fn text(state: &State) -> Vec<String> {
    let rows: Vec<u8> = state.snapshot().flat_map(|Chunk { rows, .. }| rows).collect();
    let (mut unordered, ordered): (Vec<String>, Vec<String>) =
        String::from_utf8(rows).unwrap().lines().map(str::to_owned).partition(|line| {
            [r#"{"row":{"generation""#, r#"{"row":{"forgotten""#, r#"{"stored""#].iter().any(|of| line.starts_with(of))
        });
    unordered.sort_unstable();
    [ordered, unordered].concat()
}

/// The state of all messages that were ever stored, up to this one: without a snapshot, and without a check.
fn naive<'a>(messages: impl Iterator<Item = &'a (String, Bytes)>) -> State {
    let (mut state, mut epoch, mut beginning) = (State::default(), 0, Vec::new());
    for (sequence, (subject, body)) in (1..).zip(messages) {
        let group = Group::decode(body).unwrap();
        match subjects().kind(subject).unwrap() {
            Kind::Fence => {
                epoch = sequence;
                if FenceRecord::decode(&group.records[0]).unwrap().begins_run {
                    beginning.clear();
                    state.begin_run();
                }
            }
            Kind::Group if group.epoch == epoch => {
                let count = group.records.len();
                for (n, record) in (1..).zip(group.records) {
                    beginning.extend_from_slice(&record);
                    if n < count || !group.continues {
                        drop(state.apply(&mut Record::decode(&std::mem::take(&mut beginning)).unwrap()));
                    }
                }
            }
            Kind::Group | Kind::Chunk => (),
        }
    }
    state
}

/// A journal that goes through these steps. Gives its stream, and the state that its last writer had.
fn live(steps: &[Step]) -> Result<(Stream, State), TestCaseError> {
    let mut stream = Stream::new();
    let mut nonce = 1;
    stream.take_over(nonce);
    let Replayed { mut state, position, .. } = stream.replay()?;
    let mut chain = Chain::new(subjects(), position).with_max_body(MAX_BODY);
    let mut purge_below = None;
    let heard = |effects: Vec<Effect>, purge_below: &mut Option<u64>| {
        for effect in effects {
            if let Effect::Snapshot { purge_below: below, .. } = effect {
                *purge_below = Some(below);
            }
        }
    };
    for step in steps {
        match *step {
            Step::Write(numbers) => {
                let mut record = record(numbers);
                chain.queue(record.encode().unwrap(), Duration::ZERO);
                drop(state.apply(&mut record));
            }
            Step::Send(messages) => {
                for _ in 0..messages {
                    let Some(action) = chain.next(Duration::ZERO) else { break };
                    let answer = stream.answer(action);
                    heard(chain.heard(answer, Duration::ZERO), &mut purge_below);
                }
            }
            Step::Snapshot => {
                nonce += 1;
                chain.begin_snapshot(state.snapshot(), &fence(false, nonce));
            }
            Step::Purge => {
                if let Some(below) = purge_below.take() {
                    stream.purge_below(below);
                }
            }
            Step::TakeOver { unfinished, stale } => {
                heard(stream.write(&mut chain), &mut purge_below);
                let before = chain.position();
                if unfinished {
                    chain.queue(vec![b' '; MAX_BODY * 2], Duration::ZERO);
                    let action = chain.next(Duration::ZERO).unwrap();
                    stream.answer(action);
                }
                nonce += 1;
                stream.take_over(nonce);
                for _ in 0..stale {
                    stream.store(&subjects().groups, &probe(&before, 0));
                }
                state.begin_run();
                let replayed = stream.replay()?;
                prop_assert_eq!(
                    (replayed.stale, replayed.unfinished >= u64::from(unfinished)),
                    (stale_in(&stream), true)
                );
                prop_assert_eq!(text(&replayed.state), text(&state));
                state = replayed.state;
                chain =
                    Chain::new(subjects(), replayed.position).with_max_body(MAX_BODY).with_tail(replayed.tail_bytes);
            }
        }
    }
    stream.write(&mut chain);
    Ok((stream, state))
}

/// How many messages are of an older epoch than the last fence before them.
fn stale_in(stream: &Stream) -> u64 {
    let (mut epoch, mut stale) = (0, 0);
    for (sequence, (subject, body)) in (stream.first..).zip(&stream.messages) {
        if subjects().kind(subject) == Some(Kind::Fence) {
            epoch = sequence;
        } else {
            stale += u64::from(Group::decode(body).unwrap().epoch < epoch);
        }
    }
    stale
}

/// A group behind a position.
fn probe(position: &Position, skip: u64) -> Bytes {
    let records = vec![Bytes::from(Record::Probe.encode().unwrap())];
    let (kind, number, previous) = (Kind::Group, position.number + 1 + skip, position.hash);
    Group { kind, epoch: position.epoch, number, previous, continued: false, continues: false, records }.encode()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    /// Random writes, snapshots, purges and take-overs: the state that is read is the state that was written.
    #[test]
    fn what_is_read_is_what_was_written(steps in steps()) {
        let (stream, state) = live(&steps)?;
        let replayed = stream.replay()?;
        prop_assert_eq!(text(&replayed.state), text(&state));
        prop_assert_eq!(text(&naive(stream.archive.iter())), text(&state));
        let now = Timestamp::from_millisecond(60_000);
        let [found, was] = [&replayed.state, &state].map(|state| format!("{:?}", state.recovered(now)));
        prop_assert_eq!(found, was);
    }

    /// A writer that dies behind any message, in a snapshot or not, and a fence of another there.
    #[test]
    fn what_is_read_is_what_was_durable_wherever_the_stream_is_cut(steps in steps()) {
        let (stream, _) = live(&steps)?;
        let first = usize::try_from(stream.first).unwrap();
        let mut readable = false;
        for cut in first..=stream.archive.len() {
            let mut messages: Vec<(String, Bytes)> = stream.archive[..cut].to_vec();
            let fences = (1..).zip(&messages).filter(|(_, (subject, _))| subjects().kind(subject) == Some(Kind::Fence));
            let epoch = fences.last().map_or(0, |(sequence, _)| sequence);
            messages.push((subjects().fence, fence_body(epoch, true, u64::MAX)));
            match replay((1..).zip(&messages).skip(first - 1)) {
                Ok(replayed) => {
                    readable = true;
                    prop_assert_eq!(text(&replayed.state), text(&naive(messages.iter())), "cut behind {}", cut);
                    prop_assert_eq!(replayed.position.epoch, u64::try_from(cut).unwrap() + 1);
                }
                // Nothing is purged before the snapshot is complete, so no stream ends like that.
                Err(error) => {
                    prop_assert!(!readable && error.why == INCOMPLETE && stream.first > 1, "{}", error);
                }
            }
        }
        prop_assert!(readable);
    }

    #[test]
    fn no_bytes_make_a_replay_panic(
        bytes in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 1..4),
        records in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 1..4),
        kind in 0usize..3, continues in any::<bool>(),
    ) {
        let kind = [Kind::Fence, Kind::Group, Kind::Chunk][kind];
        let mut stream = Stream::new();
        stream.take_over(1);
        let position = stream.replay().unwrap().position;
        let records = records.into_iter().map(Bytes::from).collect();
        let (number, previous) = (position.number + 1, position.hash);
        let group = Group { kind, epoch: 1, number, previous, continued: false, continues, records };
        stream.store(subjects().of(kind), &group.encode());
        stream.replay().ok();
        for body in bytes {
            let mut replay = Replay::new(subjects());
            replay.message(1, subjects().of(kind), &body.into()).unwrap_err();
        }
    }
}

/// Its name, the sequence of the first message, the messages, the sequence that is named, and why.
type Case = (&'static str, u64, Vec<(String, Bytes)>, u64, String);

#[test]
fn damage_is_named_with_the_stream_and_the_sequence() {
    let Subjects { fence: fences, groups, snapshots, .. } = subjects();
    let mut good = Stream::new();
    good.take_over(1);
    let mut chain = Chain::new(subjects(), good.replay().unwrap().position);
    for n in 1..=3u64 {
        chain.queue(Record::Probe.encode().unwrap(), Duration::from_secs(n));
        good.write(&mut chain);
    }
    let good: Vec<(String, Bytes)> = good.messages.into();
    let last = chain.position();
    let with = |more: (String, Bytes)| [good.clone(), vec![more]].concat();
    let group = |change: fn(&mut Group)| {
        let mut group = Group::decode(&probe(&last, 0)).unwrap();
        change(&mut group);
        (groups.clone(), group.encode())
    };
    let renewed = |epoch, number, previous| {
        let records = vec![fence(false, 9).encode().unwrap().into()];
        let kind = Kind::Fence;
        (fences.clone(), Group { kind, epoch, number, previous, continued: false, continues: false, records }.encode())
    };
    let chunk = |records: &[&'static str]| {
        let records = records.iter().map(|record| Bytes::from_static(record.as_bytes())).collect();
        let (kind, epoch, number, previous) = (Kind::Chunk, 1, last.number + 1, last.hash);
        (
            snapshots.clone(),
            Group { kind, epoch, number, previous, continued: false, continues: false, records }.encode(),
        )
    };
    let hash = format!("{:016x}", last.hash);
    let table: Vec<Case> = vec![
        ("nothing", 1, vec![], 0, "it is empty, and a journal begins with a fence".into()),
        ("no fence", 1, good[1..].to_vec(), 1, "the stream begins with a group, and not with a fence".into()),
        ("the beginning", 2, good.clone(), 2, "the messages before 2 are missing, and no snapshot has them".into()),
        (
            "a renewed fence at first",
            1,
            vec![renewed(0, 0, 0)],
            1,
            "the first fence of a journal begins a run, and this one does not".into(),
        ),
        ("no snapshot behind it", 5, vec![renewed(1, 3, 7)], 6, INCOMPLETE.into()),
        (
            "a snapshot without its end",
            5,
            vec![renewed(1, 3, 7), (fences.clone(), fence_body(5, true, 1))],
            6,
            INCOMPLETE.into(),
        ),
        ("another subject", 1, with(("LW.j.other000.g".into(), probe(&last, 0))), 5, {
            "its subject \"LW.j.other000.g\" is none of this journal".into()
        }),
        (
            "another kind",
            1,
            with((snapshots.clone(), probe(&last, 0))),
            5,
            "it is a group, on the subject of a snapshot chunk".into(),
        ),
        (
            "no message of ours",
            1,
            with((groups.clone(), Bytes::from_static(b"x"))),
            5,
            "it has 1 bytes, which is too short for a message of a journal".into(),
        ),
        (
            "an epoch without its fence",
            1,
            with(group(|group| group.epoch = 2)),
            5,
            "it is of the epoch 2, whose fence is missing: the last one is 1".into(),
        ),
        (
            "a number is missing",
            1,
            with((groups.clone(), probe(&last, 1))),
            5,
            "its number is 5, and the one before it has 3".into(),
        ),
        (
            "something else was before it",
            1,
            with(group(|group| group.previous = 1)),
            5,
            format!("what is before it has the hash {hash}, and had 0000000000000001"),
        ),
        (
            "the rest of nothing",
            1,
            with(group(|group| group.continued = true)),
            5,
            "it begins with the rest of a record whose beginning is missing".into(),
        ),
        (
            "no record of ours",
            1,
            with(group(|group| group.records = vec![Bytes::from_static(b"\"melted\"")])),
            5,
            "record 1: this is no record: unknown variant `melted`, expected one of `op`, `decided`, `outcomes`, \
             `changes`, `probe` at line 1 column 8"
                .into(),
        ),
        ("a chunk of one record", 1, with(chunk(&["{}"])), 5, "a chunk has two records, and this one has 1".into()),
        ("another's fence", 1, with((fences.clone(), fence_body(4, true, 1))), 5, {
            "the fence before it was 4, and is 1".into()
        }),
        (
            "a fence of more",
            1,
            with((fences.clone(), {
                let mut group = Group::decode(&fence_body(1, true, 1)).unwrap();
                group.records.clear();
                group.encode()
            })),
            5,
            "a fence has one record, and this one has 0".into(),
        ),
        (
            "a renewed fence of another chain",
            1,
            with(renewed(1, 4, last.hash)),
            5,
            format!("before it are 3 groups with the hash {hash}, and there were 4 with {hash}"),
        ),
    ];
    for (name, first, messages, sequence, why) in table {
        let error = replay((first..).zip(&messages)).unwrap_err();
        assert_eq!((error.sequence, &*error.why), (sequence, &*why), "{name}");
        let damaged = format!("the stream LW_J_abcdefgh is damaged at sequence {sequence}: {why}");
        assert_eq!(JournalError::from(error), JournalError::Damaged(damaged), "{name}");
    }
    let holes = (1..).zip(&good).filter(|(sequence, _)| *sequence != 3);
    let error = replay(holes).unwrap_err();
    assert_eq!((error.sequence, &*error.why), (3, "the message behind 2 has the sequence 4"));
    let mut cut = good.clone();
    cut[2].1 = cut[2].1.slice(..cut[2].1.len() - 1);
    assert_eq!(replay((1..).zip(&cut)).unwrap_err().sequence, 3);
}

#[test]
fn the_rest_of_a_record_that_never_came_is_dropped_and_one_that_is_missing_is_damage() {
    let mut stream = Stream::new();
    stream.take_over(1);
    let position = stream.replay().unwrap().position;
    let begins = |position: &Position, continued| {
        let (kind, number, previous) = (Kind::Group, position.number + 1, position.hash);
        let records = vec![Bytes::from_static(b"\"pro")];
        let epoch = position.epoch;
        Group { kind, epoch, number, previous, continued, continues: true, records }.encode()
    };
    stream.store(&subjects().groups, &begins(&position, false));
    let torn = stream.replay().unwrap();
    assert_eq!((torn.unfinished, torn.position.number), (1, 1));
    // The next writer goes on behind its fence.
    stream.take_over(2);
    let replayed = stream.replay().unwrap();
    assert_eq!((replayed.unfinished, replayed.position.epoch), (1, 3));
    let mut chain = Chain::new(subjects(), replayed.position);
    chain.queue(Record::Probe.encode().unwrap(), Duration::ZERO);
    stream.write(&mut chain);
    assert_eq!(stream.replay().unwrap().unfinished, 1);
    // The same writer never does.
    let mut stream = Stream::new();
    stream.take_over(1);
    stream.store(&subjects().groups, &begins(&position, false));
    stream.store(&subjects().groups, &probe(&stream.replay().unwrap().position, 0));
    assert_eq!(stream.replay().unwrap_err().why, "the rest of a record is missing before it");
}

#[test]
fn groups_of_an_older_epoch_behind_a_fence_do_not_count_and_the_chain_goes_on_behind_them() {
    let mut stream = Stream::new();
    stream.take_over(1);
    let old = stream.replay().unwrap().position;
    stream.take_over(2);
    let mut chain = Chain::new(subjects(), stream.replay().unwrap().position);
    // What a writer with more than one message in flight would leave behind the fence.
    for _ in 0..3 {
        stream.store(&subjects().groups, &probe(&old, 0));
    }
    chain.queue(Record::Probe.encode().unwrap(), Duration::ZERO);
    assert_eq!(stream.write(&mut chain), [Effect::Durable { up_to: 1 }]);
    let replayed = stream.replay().unwrap();
    assert_eq!((replayed.stale, replayed.position), (3, chain.position()));
    assert_eq!((replayed.position.last_sequence, replayed.position.number), (6, 1));
}
