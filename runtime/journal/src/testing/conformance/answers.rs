//! Writes for whose answers nobody waits, and what a journal's answers say.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Waker};

use lastword_events::Session;

use super::runs::{Runs, completion, end_op, owed_again};
use crate::{JournalError, JournalOp, Pending, Settlement};

/// At which point a caller drops an answer.
#[derive(Clone, Copy, Debug)]
enum Dropped {
    BeforeItIsPolled,
    AfterOnePoll,
}

impl Dropped {
    const ALL: [Self; 2] = [Self::BeforeItIsPolled, Self::AfterOnePoll];

    fn drop<T: Unpin>(self, answer: Pending<T>) {
        let mut answer = pin!(answer);
        if let Self::AfterOnePoll = self {
            drop(answer.as_mut().poll(&mut Context::from_waker(Waker::noop())));
        }
    }
}

pub(super) async fn what_nobody_waits_for_is_carried_out_all_the_same(mut journal: Runs<'_>) {
    let (t, _) = journal.tenants();
    journal.next_run();
    for at in Dropped::ALL {
        let id = |name: &str| format!("{name}-{at:?}");
        // An answer of each kind of write is dropped once.
        at.drop(journal.append(journal.start_op(&id("started"))));
        let (ended, session) = journal.start(&id("ended")).await;
        at.drop(journal.append_decided(vec![end_op(ended, &session)]));
        let (delivered, session) = journal.start(&id("delivered")).await;
        journal.end(delivered, &session).await;
        at.drop(journal.complete(&t, vec![completion(delivered, 1, Settlement::Delivered)]).pending);
        at.drop(journal.flush());
    }
    journal.flush().await.unwrap();
    let found = journal.next_run();
    let mut active: Vec<_> = found.sessions.iter().map(|one| &*one.session.identity.id).collect();
    active.sort_unstable();
    assert_eq!(active, ["started-AfterOnePoll", "started-BeforeItIsPolled"]);
    let mut owed: Vec<_> = found.deliveries.iter().map(|one| &*one.session.identity.id).collect();
    owed.sort_unstable();
    assert_eq!(owed, ["ended-AfterOnePoll", "ended-BeforeItIsPolled"]);
}

pub(super) async fn what_nobody_waits_for_takes_effect_in_its_order(mut journal: Runs<'_>) {
    journal.next_run();
    let (sequence, session) = journal.start("a").await;
    let named = |name: &str| Session { cwd: Some(name.into()), ..Session::clone(&session) };
    let update = |name: &str| JournalOp::Update { sequence, session: named(name).into(), op_id: None };
    drop(journal.append_decided(vec![update("1"), update("2")]));
    drop(journal.append(update("3")));
    drop(journal.append_decided(vec![update("4"), update("5")]));
    journal.flush().await.unwrap();
    assert_eq!(journal.next_run().sessions[0].session.cwd.as_deref(), Some("5"));
}

pub(super) async fn outcomes_of_a_tenant_are_recorded_in_their_order(mut journal: Runs<'_>) {
    let (t, _) = journal.tenants();
    journal.next_run();
    let (sequence, session) = journal.start("a").await;
    journal.end(sequence, &session).await;
    drop(journal.complete(&t, vec![completion(sequence, 1, owed_again(false))]));
    drop(journal.complete(&t, vec![completion(sequence, 2, owed_again(true))]));
    journal.flush().await.unwrap();
    let found = journal.next_run().deliveries;
    assert_eq!((found[0].attempt, found[0].late), (3, true));
}

pub(super) async fn a_flush_answers_when_what_was_written_before_is_durable(mut journal: Runs<'_>) {
    let (t, _) = journal.tenants();
    journal.next_run();
    let (sequence, session) = journal.start("a").await;
    let end = journal.append_decided(vec![end_op(sequence, &session)]);
    let outcome = journal.complete(&t, vec![completion(sequence, 1, owed_again(false))]).pending;
    assert_eq!(journal.flush().await, Ok(()));
    // They were answered before.
    for answer in [end, outcome] {
        let mut answer = pin!(answer);
        let polled = answer.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert_eq!(polled, std::task::Poll::Ready(Ok::<(), JournalError>(())));
    }
}

pub(super) async fn a_journal_keeps_its_name_and_says_whether_it_is_durable(mut journal: Runs<'_>) {
    journal.next_run();
    let before = (journal.name(), journal.durability());
    journal.next_run();
    assert_eq!((journal.name(), journal.durability()), before);
}
