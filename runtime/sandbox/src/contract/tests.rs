//! Tests that guests get events as the contract says.

use lastword_events::Owner;
use proptest::prelude::*;

use super::*;

/// The reason that a guest reads, as ours.
fn read(reason: &wit::EndReason<'_>) -> EndReason {
    match *reason {
        wit::EndReason::New => EndReason::New,
        wit::EndReason::Reset => EndReason::Reset,
        wit::EndReason::Idle => EndReason::Idle,
        wit::EndReason::Daily => EndReason::Daily,
        wit::EndReason::Compaction => EndReason::Compaction,
        wit::EndReason::Deleted => EndReason::Deleted,
        wit::EndReason::Shutdown => EndReason::Shutdown,
        wit::EndReason::Restart => EndReason::Restart,
        wit::EndReason::Clear => EndReason::Clear,
        wit::EndReason::Resume => EndReason::Resume,
        wit::EndReason::Logout => EndReason::Logout,
        wit::EndReason::UserExit => EndReason::UserExit,
        wit::EndReason::Completed => EndReason::Completed,
        wit::EndReason::Aborted => EndReason::Aborted,
        wit::EndReason::Error => EndReason::Error,
        wit::EndReason::Timeout => EndReason::Timeout,
        wit::EndReason::Crashed => EndReason::Crashed,
        wit::EndReason::Unknown => EndReason::Unknown,
        wit::EndReason::Other(word) => EndReason::Other(word.to_owned()),
    }
}

#[test]
fn every_reason_of_ours_is_the_case_of_its_name() {
    for ours in EndReason::ALL {
        assert_eq!(read(&reason(&ours)), ours);
    }
}

proptest! {
    /// For every word of every owner: a guest reads the case that the owner meant, and an unknown word unchanged.
    #[test]
    fn every_word_of_every_owner_is_read_as_what_it_means(
        owner in prop::sample::select(&Owner::ALL[..]),
        word in prop_oneof![
            prop::sample::select(&EndReason::ALL[..]).prop_map(|reason| reason.as_str().to_owned()),
            any::<String>(),
        ],
    ) {
        for ours in [owner.end_reason(&word), EndReason::Other(word)] {
            prop_assert_eq!(read(&reason(&ours)), ours);
        }
    }
}

#[test]
fn a_guest_is_told_the_time_that_is_left_when_it_begins() {
    let call = HookCall {
        session: std::sync::Arc::new(lastword_events::Session::new("t", "s")),
        delivery: lastword_events::Delivery {
            id: "abcdefgh.1/session-end/p".parse().unwrap(),
            attempt: 1,
            remaining_ms: 500,
            late: false,
        },
        event: std::sync::Arc::new(Event::End(SessionEnd::new(EndReason::Reset, lastword_events::Timestamp::now()))),
    };
    assert_eq!(Prepared::new(&call, 7).delivery().remaining_ms, 7);
}
