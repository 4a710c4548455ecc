#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails loudly")]

use super::*;

fn message(kind: Kind, epoch: u64, last: Option<u64>, fence: Option<u64>) -> Publish {
    Publish { kind, epoch, body: Bytes::from(format!("{kind} of {epoch}")), last, fence }
}

fn refused(answer: Result<(), (Heard, u32)>) -> (u64, String) {
    match answer {
        Err((Heard::Refused { code, description }, _)) => (code, description),
        other => panic!("{other:?}"),
    }
}

/// A stream with one fence.
fn fenced() -> Stream<u32> {
    let mut stream = Stream::default();
    stream.propose(message(Kind::Fence, 0, None, Some(0)), 1).unwrap();
    assert_eq!(stream.commit(), Ok(Some((Heard::Acked { sequence: 1 }, 1))));
    stream
}

#[test]
fn a_message_is_checked_against_what_was_proposed_before_it() {
    let mut stream = fenced();
    stream.propose(message(Kind::Group, 1, Some(1), None), 2).unwrap();
    // The writer's own message is in its way: it names that one, and nobody has fenced it.
    let again = stream.propose(message(Kind::Group, 1, Some(1), None), 3);
    assert_eq!(refused(again), (10_071, "wrong last sequence: 2".to_owned()));
    stream.propose(message(Kind::Group, 1, Some(2), None), 4).unwrap();
    assert_eq!(stream.commit(), Ok(Some((Heard::Acked { sequence: 2 }, 2))));
    assert_eq!((stream.last(), stream.proposals()), (2, 1));
}

#[test]
fn of_two_messages_that_expect_a_fence_the_second_is_refused_until_the_first_is_stored() {
    let mut stream = fenced();
    stream.propose(message(Kind::Group, 1, Some(1), Some(1)), 2).unwrap();
    let fence = || message(Kind::Fence, 1, None, Some(1));
    assert_eq!(refused(stream.propose(fence(), 3)).0, 10_164);
    stream.commit().unwrap();
    stream.propose(fence(), 3).unwrap();
    stream.commit().unwrap();
    let behind = stream.propose(message(Kind::Group, 1, Some(3), Some(1)), 4);
    assert_eq!(refused(behind), (10_071, "wrong last sequence: 3".to_owned()));
    assert_eq!(stream.fence().map(|(sequence, _)| *sequence), Some(3));
}

/// What two groups in flight do when a fence has taken the place of the first.
#[test]
fn a_group_behind_the_fence_of_another_is_an_error() {
    let mut stream = fenced();
    stream.propose(message(Kind::Fence, 1, None, Some(1)), 2).unwrap();
    assert_eq!(refused(stream.propose(message(Kind::Group, 1, Some(1), None), 3)).0, 10_071);
    stream.propose(message(Kind::Group, 1, Some(2), None), 4).unwrap();
    stream.commit().unwrap();
    assert_eq!(stream.commit(), Err("a group of epoch 1 is stored at 3, behind the fence 2".to_owned()));
}

#[test]
fn with_a_leader_goes_what_it_had_proposed() {
    let mut stream = fenced();
    for (last, waits) in [(1, 2), (2, 3), (3, 4)] {
        stream.propose(message(Kind::Group, 1, Some(last), None), waits).unwrap();
    }
    stream.lose_leader(1).unwrap();
    assert_eq!((stream.last(), stream.proposals()), (2, 0));
    assert_eq!(stream.commit(), Ok(None));
}

#[test]
fn a_purge_takes_fences_away_too_and_leaves_the_sequences() {
    let mut stream = fenced();
    stream.propose(message(Kind::Group, 1, Some(1), Some(1)), 2).unwrap();
    stream.commit().unwrap();
    assert_eq!((stream.first(), stream.purge(2).count()), (1, 1));
    assert_eq!((stream.first(), stream.last(), stream.fence()), (2, 2, None));
    assert_eq!((stream.message(1), stream.message(2).map(|(kind, _)| *kind)), (None, Some(Kind::Group)));
    let expects_the_fence = stream.propose(message(Kind::Group, 1, Some(2), Some(1)), 3);
    assert_eq!(refused(expects_the_fence), (10_071, "wrong last sequence: 0".to_owned()));
    assert_eq!((stream.purge(9).count(), stream.first(), stream.messages().count()), (1, 3, 0));
}
