//! A reason comes back from a journal as what it was: a plugin is told the same before and after a restart.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails loudly, its helper functions too")]

use std::sync::Arc;

use lastword_events::{EndReason, Event, Owner, PluginName, Session, SessionEnd, Timestamp};
use lastword_journal::{Journal, JournalOp, Receipt};
use lastword_sqlite::SqliteJournal;
use proptest::prelude::*;

fn any_word() -> impl Strategy<Value = String> {
    let ours = prop::sample::select(&EndReason::ALL[..]).prop_map(|reason| reason.as_str().to_owned());
    prop_oneof![ours, "[a-z_]{1,12}", any::<String>()]
}

/// The end of a session, as its owner says it.
fn said(owner: Owner, word: &str) -> (Session, SessionEnd) {
    let mut session = Session::new("t", "s");
    session.owner_kind = owner.kind().map(str::to_owned);
    let mut end = SessionEnd::new(owner.end_reason(word), Timestamp::from_millisecond(0));
    end.raw_reason = Some(word.to_owned());
    (session, end)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn every_word_of_every_owner_is_the_same_after_a_restart(words in prop::collection::vec(any_word(), 20)) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.db");
        let tokio = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut ends: Vec<(Session, SessionEnd)> =
            Owner::ALL.iter().flat_map(|owner| words.iter().map(|word| said(*owner, word))).collect();
        // Embedders say reasons without words.
        ends.extend(words.iter().map(|word| {
            let reason = EndReason::Other(word.clone());
            (Session::new("t", "s"), SessionEnd::new(reason, Timestamp::from_millisecond(0)))
        }));
        let journal = SqliteJournal::open(&path).unwrap();
        journal.recover().unwrap();
        let written = ends.iter().map(|(session, end)| journal.append(JournalOp::EndWithoutStart {
            session: Arc::new(session.clone()),
            event: Arc::new(Event::End(end.clone())),
            owed: vec![PluginName::new("memory").unwrap()],
            received: Receipt { at: Timestamp::now(), said: 0 },
            op_id: None,
        }));
        written.collect::<Vec<_>>().into_iter().for_each(|written| drop(tokio.block_on(written).unwrap()));
        drop(journal);
        let recovered = SqliteJournal::open(&path).unwrap().recover().unwrap();
        prop_assert_eq!(recovered.deliveries.len(), ends.len());
        for (owed, (session, end)) in recovered.deliveries.iter().zip(ends) {
            prop_assert_eq!(&*owed.event, &Event::End(end));
            prop_assert_eq!(&owed.session.owner_kind, &session.owner_kind);
        }
    }
}
